"""Reader of HELM's runs: a folder each, with `run_spec.json`, `per_instance_stats.json` and the instances.

The instances are in `scenario_state.json`, or in `instances.json` as HELM's servers publish them. Perturbed copies of
an instance are left out; of several training trials the mean counts. HELM removes statistics that are NaN, so an
instance without the metric has no score.
"""

import json
from collections import defaultdict
from pathlib import PurePosixPath
from typing import Any

from modelsat.data.readers.answer_sheet import AnswerSheet, Question, mean
from modelsat.data.readers.file_heads import Head
from modelsat.data.readers.harvest import Harvest
from modelsat.data.remarks import Remark
from modelsat.io.storage import SourceFile
from modelsat.text.rendering import option_letter

HARNESS = "helm"
_STATS, _SPEC = "per_instance_stats.json", "run_spec.json"
_INSTANCES = ("scenario_state.json", "instances.json")
_FILES = {_STATS, _SPEC, *_INSTANCES, "stats.json", "scenario.json"}
# The first that a run has is what HELM's leaderboards show for its scenario.
_METRICS = (
    "exact_match",
    "quasi_exact_match",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
    "final_number_exact_match",
    "math_equiv_chain_of_thought",
    "math_equiv",
    "chain_of_thought_correctness",
    "code_eval_acc",
    "test_avg",
    "ifeval_strict_accuracy",
    "wildbench_score_rescaled",
    "omni_math_accuracy",
    "f1_score",
    "rouge_l",
    "bleu_4",
)
_MEASURES = {
    "tokens_in": "num_prompt_tokens",
    "tokens_out": "num_output_tokens",
    "latency_seconds": "inference_runtime",
}


def claims(head: Head) -> bool:
    """Say whether a file is one of a run."""
    return head.name in _FILES


def read(files: list[SourceFile]) -> Harvest:
    """Read runs."""
    runs: dict[str, dict[str, SourceFile]] = defaultdict(dict)
    for file in files:
        path = PurePosixPath(file.name)
        runs[path.parent.as_posix()][path.name.lower()] = file
    sheet = AnswerSheet(HARNESS)
    for parts in runs.values():
        if _STATS not in parts:
            first = next(iter(parts.values()))
            sheet.log.note(
                Remark.RUN_LEFT_OUT, f"the run of {first.uri!r} has no {_STATS}, so it did not end; it is left out"
            )
            continue
        file = parts[_STATS]
        missing = [] if _SPEC in parts else [_SPEC]
        missing += [] if any(name in parts for name in _INSTANCES) else [" or ".join(_INSTANCES)]
        if missing:
            sheet.log.reject(file.uri, f"the run has no {' and no '.join(missing)} beside it; copy the whole folder")
            continue
        try:
            _read_run(file, parts, sheet)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            reason = f"the run is damaged ({type(error).__name__}: {error}); copy its folder again"
            sheet.log.reject(file.uri, reason)
    return sheet.harvest()


def _json(file: SourceFile) -> Any:
    return json.loads(file.path.read_text(encoding="utf-8"))


def _read_run(file: SourceFile, parts: dict[str, SourceFile], sheet: AnswerSheet) -> None:
    spec, entries = _json(parts[_SPEC]), _json(file)
    benchmark, _, arguments = str(spec["name"]).partition(":")
    settings = dict(pair.partition("=")[::2] for pair in arguments.split(","))
    task = settings.get("subject") or settings.get("subset") or settings.get("task") or benchmark
    adapter = spec["adapter_spec"]
    is_choice = str(adapter.get("method", "")).startswith("multiple_choice")
    questions = {key: _question(benchmark, task, one, is_choice) for key, one in _instances(parts).items()}
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    rows: dict[str, int] = {}
    perturbed = 0
    for row, entry in enumerate(entries, start=1):
        if entry.get("perturbation"):
            perturbed += 1
            continue
        stats = {stat["name"]["name"]: stat["mean"] for stat in entry["stats"] if "mean" in stat}
        found[entry["instance_id"]].append(stats)
        rows.setdefault(entry["instance_id"], row)
    if perturbed:
        sheet.log.note(Remark.VARIANTS_LEFT_OUT, f"{perturbed} perturbed instances of {file.uri!r} are left out")
    names = {name for trials in found.values() for stats in trials for name in stats}
    metric = next((name for name in _METRICS if name in names), None)
    if metric is None:
        shown = ", ".join(sorted(names)[:10])
        sheet.log.reject(file.uri, f"the run has none of the metrics {', '.join(_METRICS)} (it has {shown})")
        return
    for key, trials in found.items():
        score = mean([stats.get(metric) for stats in trials])
        question = questions.get(key)
        if question is None:
            reason = f"instance {key!r} is not among the run's instances; copy the whole folder"
            sheet.log.reject(file.uri, reason, rows[key], "instance_id", key)
        elif score is not None:
            measures = {field: mean([stats.get(stat) for stats in trials]) for field, stat in _MEASURES.items()}
            sheet.add(file, rows[key], str(adapter["model"]), question, score, metric, **measures)


def _instances(parts: dict[str, SourceFile]) -> dict[str, dict[str, Any]]:
    if _INSTANCES[0] in parts:
        listed = [state["instance"] for state in _json(parts[_INSTANCES[0]])["request_states"]]
    else:
        listed = _json(parts[_INSTANCES[1]])
    return {one["id"]: one for one in listed if not one.get("perturbation")}


def _question(benchmark: str, task: str, instance: dict[str, Any], is_choice: bool) -> Question:
    texts = [str(reference["output"]["text"]) for reference in instance.get("references") or []]
    right = [i for i, one in enumerate(instance.get("references") or []) if "correct" in (one.get("tags") or [])]
    answer = None
    if right:
        answer = option_letter(right[0]) if is_choice else texts[right[0]]
    return Question(benchmark, task, str(instance["input"]["text"]), tuple(texts) if is_choice else None, answer)
