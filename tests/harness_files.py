"""A small writer of what lm-evaluation-harness 0.4.13 writes, faithful to how it builds a request."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Doc = Mapping[str, Any]
Turn = tuple[str, str]

STAMP = "2026-11-30T04-00-00.000000"


def chatml(turns: Sequence[Turn]) -> str:
    """Render a chat as ChatML does, up to where the assistant begins."""
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"


def llama(turns: Sequence[Turn]) -> str:
    """Render a chat as Llama 3 does."""
    headers = [f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>" for role, text in turns]
    return "<|begin_of_text|>" + "".join(headers) + "<|start_header_id|>assistant<|end_header_id|>\n\n"


def gemma(turns: Sequence[Turn]) -> str:
    """Render a chat as Gemma does, which has no place for a system prompt but before the user's first words."""
    system = "".join(text + "\n\n" for role, text in turns if role == "system")
    said = [(role.replace("assistant", "model"), text) for role, text in turns if role != "system"]
    said[0] = (said[0][0], system + said[0][1])
    return "<bos>" + "".join(f"<start_of_turn>{r}\n{t}<end_of_turn>\n" for r, t in said) + "<start_of_turn>model\n"


def inst(turns: Sequence[Turn]) -> str:
    """Render a chat as Mistral's first models do."""
    system = "".join(text + "\n\n" for role, text in turns if role == "system")
    said = [turn for turn in turns if turn[0] != "system"]
    said[0] = (said[0][0], system + said[0][1])
    return "<s>" + "".join(f"[INST] {text} [/INST]" if role == "user" else f" {text}</s>" for role, text in said)


def api(turns: Sequence[Turn]) -> list[str]:
    """Return a chat as chat APIs get it: JSON text in a list of one."""
    return [json.dumps([{"role": role, "content": text} for role, text in turns], ensure_ascii=False)]


TEMPLATES: dict[str, Callable[[Sequence[Turn]], Any]] = {
    "chatml": chatml,
    "llama": llama,
    "gemma": gemma,
    "inst": inst,
    "api": api,
}


def context(
    asked: str, examples: Sequence[tuple[str, str]], template: str | None, turns: bool, system: str, description: str
) -> Any:
    """Build what is sent before an answer, as `fewshot_context` of the harness does."""
    is_spaced = bool(system and description) and (system[-1].isspace() or description[0].isspace())
    head = system + ("\n\n" if system and description and not is_spaced else "") + description
    if template is None:
        return head + "".join(f"{question} {answer}\n\n" for question, answer in examples) + asked
    messages = [("system", head)] if head else []
    if turns:
        messages += [turn for question, answer in examples for turn in (("user", question), ("assistant", answer))]
        messages.append(("user", asked))
    else:
        messages.append(("user", "".join(f"{question} {answer}\n\n" for question, answer in examples) + asked))
    return TEMPLATES[template](messages)


def write_run(
    folder: Path,
    candidate: str,
    tasks: Mapping[str, Sequence[Mapping[str, Any]]],
    config: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    stamp: str = STAMP,
    ending: str = "jsonl",
) -> Path:
    """Write one run: rows by task, which the caller makes with `row`.

    Args:
        folder: Where the results lie.
        candidate: The model's name as given to the harness.
        tasks: Rows by task.
        config: What the configuration of every task says beside its defaults.
        facts: What else the results file says.
        stamp: The time in the file names.
        ending: How samples files end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {"output_type": "generate_until", "fewshot_delimiter": "\n\n", "num_fewshot": 0, "description": ""}
    configs = {task: {"task": task} | defaults | dict(config or {}) for task in tasks}
    results = {}
    for task, rows in tasks.items():
        pairs = {(metric, row["filter"]) for row in rows for metric in row["metrics"]}
        results[task] = {f"{metric},{name}": 0.5 for metric, name in sorted(pairs)}
        lines = [json.dumps({"doc_id": i} | dict(row), ensure_ascii=False) for i, row in enumerate(rows)]
        (folder / f"samples_{task}_{stamp}.{ending}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole = {
        "results": results,
        "configs": configs,
        "n-shot": {task: configs[task]["num_fewshot"] for task in tasks},
        "config": {"model": "dummy", "model_args": {"pretrained": candidate}},
        "date": 1_795_996_800.0,
        "lm_eval_version": "0.4.13",
        "model_name": candidate,
        "system_instruction": None,
        "chat_template": None,
    }
    (folder / f"results_{stamp}.json").write_text(json.dumps(whole | dict(facts or {})), encoding="utf-8")
    return folder


def row(
    doc: Doc,
    target: object,
    sent: Any,
    answers: Sequence[str] = (),
    metrics: Mapping[str, object] | None = None,
    reply: object = "some reply",
    name: str = "none",
) -> dict[str, Any]:
    """Return one line of a samples file."""
    metrics = {"exact_match": 1.0} if metrics is None else metrics
    requests = [(sent, answer) for answer in answers] or [(sent, {"until": ["\n"]})]
    resps = [[["-0.5", "False"]] for _ in answers] if answers else [[reply]]
    return {
        "doc": dict(doc),
        "target": str(target),
        "arguments": {f"gen_args_{i}": {"arg_0": a, "arg_1": b} for i, (a, b) in enumerate(requests)},
        "resps": resps,
        "filtered_resps": [repeats[0] for repeats in resps],
        "filter": name,
        "metrics": list(metrics),
        "doc_hash": hashlib.sha256(json.dumps(dict(doc), indent=2, ensure_ascii=False).encode()).hexdigest(),
        **metrics,
    }
