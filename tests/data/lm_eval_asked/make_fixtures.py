"""Make the fixtures again: what lm-evaluation-harness writes for tasks of every output type, asked in many ways.

Run in an environment of its own with `lm-eval==0.4.13` (no torch is needed), with a scratch folder:

    python make_fixtures.py /tmp/scratch

The models are made up: they answer at random but seeded, and wrap chats in templates of their own. What matters is what
the harness writes down as asked.
"""

import json
import os
import random
import re
import shutil
import sys
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.models.api_models import JsonChatStr
from lm_eval.tasks import TaskManager

HERE = Path(__file__).parent
COMPARED = ("ask_letters", "ask_endings", "ask_copa", "ask_blank", "ask_cloze", "ask_pairs", "ask_perplexity")
GENERATED = ("ask_sums", "ask_passage", "ask_code", "ask_columns")
SYSTEM = "You are a careful assistant.\n\nAnswer briefly."

# folder: (candidate, template, shots, as turns, system prompt, tasks)
RUNS = {
    "plain-0": ("lab/plain", None, 0, False, None, COMPARED + GENERATED),
    "plain-5": ("lab/plain-five", None, 5, False, None, COMPARED + GENERATED),
    "chatml-0": ("lab/chatml", "chatml", 0, False, None, COMPARED + GENERATED),
    "chatml-5": ("lab/chatml-five", "chatml", 5, False, SYSTEM, COMPARED + GENERATED),
    "chatml-turns-5": ("lab/chatml-turns", "chatml", 5, True, SYSTEM, COMPARED + GENERATED),
    "inst-5": ("lab/inst", "inst", 5, True, None, COMPARED + GENERATED),
    "api-0": ("lab/api", "api", 0, False, None, GENERATED),
    "api-turns-5": ("lab/api-turns", "api", 5, True, SYSTEM, GENERATED),
}


class TemplatedLM(LM):
    """A model that answers at random and has a chat template."""

    def __init__(self, template: str | None) -> None:
        """Take the name of a template, None for a base model."""
        super().__init__()
        self.template = template
        self.random = random.Random(7)

    tokenizer_name = "made-up"

    def chat_template(self, chat_template: bool | str = False) -> str:  # noqa: ARG002
        """Return the template's name, which the harness writes down with its digest."""
        return str(self.template)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> object:
        """Render a chat as models of the template's family do."""
        if self.template == "api":
            return JsonChatStr(json.dumps(chat_history, ensure_ascii=False))
        if self.template == "inst":
            return "<s>" + "".join(
                f" {turn['content']}</s>" if turn["role"] == "assistant" else f"[INST] {turn['content']} [/INST]"
                for turn in chat_history
            ).removesuffix("</s>")
        text = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in chat_history)
        return text + "<|im_start|>assistant\n" if add_generation_prompt else text.removesuffix("<|im_end|>\n")

    def loglikelihood(self, requests: list, **_: object) -> list:
        """Answer at random."""
        return [(-round(self.random.random(), 3), self.random.random() < 0.5) for _ in requests]

    def loglikelihood_rolling(self, requests: list, **_: object) -> list:
        """Answer at random."""
        return [-round(self.random.random(), 3) for _ in requests]

    def generate_until(self, requests: list, **_: object) -> list:
        """Answer at random."""
        return [self.random.choice(["It is 7", "B", "I do not know"]) for _ in requests]


def main(scratch: Path) -> None:
    """Run all and copy what was written beside this file."""
    # Names of data files are relative, so that no path of this machine is written down.
    shutil.copytree(HERE / "tasks", scratch / "tasks", dirs_exist_ok=True)
    os.chdir(scratch / "tasks")
    manager = TaskManager(include_path=".", include_defaults=False)
    for name, (candidate, template, shots, turns, system, tasks) in RUNS.items():
        tracker = EvaluationTracker(output_path=str(scratch / name))
        results = simple_evaluate(
            model=TemplatedLM(template),
            model_args={"pretrained": candidate},
            tasks=list(tasks),
            num_fewshot=shots,
            task_manager=manager,
            evaluation_tracker=tracker,
            system_instruction=system,
            apply_chat_template=template is not None,
            fewshot_as_multiturn=turns,
            bootstrap_iters=0,
            log_samples=True,
        )
        samples = results.pop("samples")
        tracker.general_config_tracker.model_name = candidate
        tracker.general_config_tracker.model_name_sanitized = candidate.replace("/", "__")
        tracker.save_results_aggregated(results=results, samples=samples)
        for task in tasks:
            tracker.save_results_samples(task_name=task, samples=samples[task])
        _copy(scratch / name, HERE / name)


def _copy(source: Path, target: Path) -> None:
    """Copy a run without facts of the machine, under a time that stays."""
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(source.rglob("*.json*")):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r'("pretty_env_info": )"(?:[^"\\]|\\.)*"', r'\1"scrubbed"', text)
        text = text.replace(str(Path.cwd()), "/scrubbed")
        name = re.sub(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d+", "2026-11-30T04-00-00.000000", path.name)
        into = target / path.parent.name / name
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
