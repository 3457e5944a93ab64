"""The results file of one run of lm-evaluation-harness: whose the scores are, how they were made, which ones count.

One metric and one filter stand for a task: the first of `PREFERRED_METRICS` that the task has, else the alphabetically
first; filter `none`, else `flexible-extract`, else the alphabetically first. Never chosen are `bypass` (the harness
writes 999 for a run without scoring, "higher is better") and metrics of which less is better.

A task's benchmark is the outermost group above it that the harness averages and whose tasks share their metric (`mmlu`
rather than `mmlu_stem`), else the innermost group, else the task itself. Version 0.4.0 does not say what groups hold.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.readers.lm_eval_samples import UnusableError, parse
from modelsat.io.storage import SourceFile

PREFERRED_METRICS = (
    "exact_match",
    "acc",
    "acc_norm",
    "prompt_level_strict_acc",
    "pass@1",
    "pass_at_1",
    "em",
    "f1",
    "mc2",
)
PREFERRED_FILTERS = ("none", "flexible-extract")
BYPASS = "bypass"

# The order in which the harness itself looks for a model's name.
_MODEL_ARGUMENTS = ("peft", "delta", "pretrained", "model", "path", "engine")
_INVENTED_NAME = re.compile(r"[a-z0-9]{8}")


@dataclass(frozen=True)
class HarnessRun:
    """One results file; what it does not say, or not in the shape the harness gives it, is absent."""

    file: SourceFile
    facts: dict[str, object]
    candidate: str

    @property
    def tasks(self) -> list[str]:
        """Tasks proper: groups have averages but no configuration."""
        return sorted(_object(self.facts.get("configs")))

    @property
    def n_params(self) -> int | None:
        """Parameters of the model, which the harness counts for Hugging Face models only."""
        return _whole(_object(self.facts.get("config")).get("model_num_parameters"), 2**63)

    @property
    def version(self) -> str | None:
        """Version of the harness, else what stands in its place: the commit of the folder it was started in."""
        found = (self.facts.get("lm_eval_version"), self.facts.get("git_hash"))
        return next((value for value in found if isinstance(value, str) and value), None)

    def collected_at(self) -> datetime:
        """Return when the harness ran; versions before 0.4.2 do not say, so there it is now."""
        date = self.facts.get("date")
        try:
            return datetime.fromtimestamp(date, UTC) if isinstance(date, int | float) else datetime.now(UTC)
        except (ValueError, OverflowError, OSError):
            return datetime.now(UTC)

    def num_fewshot(self, task: str) -> int | None:
        """Return how many examples stood before each question."""
        given = _object(self.facts.get("n-shot")).get(task)
        return _whole(self._entry("configs", task).get("num_fewshot") if given is None else given, 2**31)

    def output_type(self, task: str) -> str:
        """Return how the task was run, such as `multiple_choice` or `generate_until`."""
        return str(self._entry("configs", task).get("output_type"))

    def sizes(self, task: str) -> tuple[int, int] | None:
        """Return how many documents the task has and how many were run, None in versions before 0.4.3."""
        counts = self._entry("n-samples", task)
        original, effective = _whole(counts.get("original"), 2**63), _whole(counts.get("effective"), 2**63)
        return None if original is None or effective is None else (original, effective)

    def is_unscored(self, task: str) -> bool:
        """Say whether the task was run with `--predict_only`."""
        return any(metric == BYPASS for metric, _ in self._pairs(task))

    def measures(self, task: str) -> list[tuple[str, str]]:
        """Return the (metric, filter) pairs that may stand for the task, the best first."""
        listed = map(_object, _list(self._entry("configs", task).get("metric_list")))
        better = {str(item.get("metric")): item.get("higher_is_better") for item in listed}
        better |= self._entry("higher_is_better", task)
        usable = [pair for pair in self._pairs(task) if pair[0] != BYPASS and better.get(pair[0]) is not False]
        return sorted(usable, key=lambda pair: (*_rank(pair[0], PREFERRED_METRICS), *_rank(pair[1], PREFERRED_FILTERS)))

    def filters(self, task: str) -> list[str]:
        """Return the task's filters in the order in which the harness applies them and writes their rows."""
        listed = map(_object, _list(self._entry("configs", task).get("filter_list")))
        return [str(item.get("name")) for item in listed] or ["none"]

    def benchmark(self, task: str) -> str:
        """Return the benchmark of a task by the rule at the top of this module."""
        members = {group: self._members(group) for group in _object(self.facts.get("group_subtasks"))}
        above = sorted((len(tasks), group) for group, tasks in members.items() if task in tasks and group != task)
        averaged = [group for _, group in above if self._is_one_benchmark(group, members[group])]
        return averaged[-1] if averaged else above[0][1] if above else task

    def _is_one_benchmark(self, group: str, tasks: set[str]) -> bool:
        is_averaged = any("," in name for name in self._entry("groups", group))
        return is_averaged and len({tuple(self.measures(task)[:1]) for task in tasks}) == 1

    def _members(self, group: str) -> set[str]:
        subtasks = _object(self.facts.get("group_subtasks"))
        members, seen, waiting = set(), {group}, [group]
        while waiting:
            name = waiting.pop()
            children = {str(child) for child in _list(subtasks.get(name))}
            if not children:
                members.add(name)
            waiting += sorted(children - seen)
            seen |= children
        return members

    def _pairs(self, task: str) -> list[tuple[str, str]]:
        split = [name.partition(",") for name in self._entry("results", task)]
        return [(metric, chosen) for metric, comma, chosen in split if comma and not metric.endswith("_stderr")]

    def _entry(self, section: str, task: str) -> dict[str, object]:
        return _object(_object(self.facts.get(section)).get(task))


def read_run(file: SourceFile) -> HarnessRun:
    """Read a results file.

    Raises:
        UnusableError: It is not JSON, or its model has no usable name.
    """
    try:
        facts = parse(file.path.read_bytes().decode("utf-8-sig"))
    except (UnicodeDecodeError, UnusableError) as error:
        raise UnusableError(f"the results file is damaged, so its samples are left out too: {error}") from error
    name = _model_name(facts)
    if name is None:
        reason = (
            "neither model_name nor config.model_args names a model, so this file and its samples are left out; "
            "run lm-evaluation-harness with --model_args pretrained=NAME or model=NAME"
        )
        raise UnusableError(reason, "model_name", facts.get("model_name"))
    fault = fault_in_candidate(name)
    if fault is not None:
        raise UnusableError(fault, "model_name", name)
    return HarnessRun(file, facts, name)


def _model_name(facts: dict[str, object]) -> str | None:
    """Return the model's name, None where there is none or the harness made one up of eight random characters."""
    arguments = _object(facts.get("config")).get("model_args")
    if isinstance(arguments, str):
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    given = next((str(value) for key in _MODEL_ARGUMENTS if (value := _object(arguments).get(key))), None)
    name = facts.get("model_name")
    is_missing = not isinstance(name, str) or not name
    return given if is_missing or (given is None and _INVENTED_NAME.fullmatch(str(name))) else str(name)


def _rank(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


def _whole(value: object, limit: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit else None


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
