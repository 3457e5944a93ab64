"""The results file of one run of lm-evaluation-harness: whose the scores are and how they were made.

A task's benchmark is the outermost group above it that the harness averages and whose tasks share their metric (`mmlu`
rather than `mmlu_stem`), else the innermost group, else the task itself. Version 0.4.0 does not say what groups hold.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.readers.lm_eval_measures import BYPASS, Measure, ordered
from modelsat.data.readers.lm_eval_names import usable_name
from modelsat.data.readers.lm_eval_question import TaskSetting
from modelsat.data.readers.lm_eval_samples import UnusableError, parse
from modelsat.io.storage import SourceFile

# The order in which the harness itself looks for a model's name.
_MODEL_ARGUMENTS = ("peft", "delta", "pretrained", "model", "path", "engine")
_INVENTED_NAME = re.compile(r"[a-z0-9]{8}")


@dataclass(frozen=True)
class HarnessRun:
    """One results file; what it does not say, or not in the shape the harness gives it, is absent."""

    file: SourceFile
    facts: dict[str, object]
    candidate: str
    given_name: str
    read_at: datetime

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
        """Return when the harness ran; versions before 0.4.2 do not say, so there it is when the file was read."""
        date = self.facts.get("date")
        try:
            return datetime.fromtimestamp(date, UTC) if isinstance(date, int | float) else self.read_at
        except (ValueError, OverflowError, OSError):
            return self.read_at

    def num_fewshot(self, task: str) -> int | None:
        """Return how many examples stood before each question."""
        given = _object(self.facts.get("n-shot")).get(task)
        return _whole(self._entry("configs", task).get("num_fewshot") if given is None else given, 2**31)

    def setting(self, task: str) -> TaskSetting:
        """Return what stood around the task's questions."""
        system = self.facts.get("system_instruction")
        is_chat = bool(self.facts.get("chat_template") or self.facts.get("chat_template_sha"))
        return TaskSetting(
            self._entry("configs", task),
            self.num_fewshot(task) or 0,
            system if isinstance(system, str) else "",
            is_chat,
        )

    def sizes(self, task: str) -> tuple[int, int] | None:
        """Return how many documents the task has and how many were run, None in versions before 0.4.3."""
        counts = self._entry("n-samples", task)
        original, effective = _whole(counts.get("original"), 2**63), _whole(counts.get("effective"), 2**63)
        return None if original is None or effective is None else (original, effective)

    def is_unscored(self, task: str) -> bool:
        """Say whether the task was run with `--predict_only`."""
        return any(metric == BYPASS for metric, _ in self._pairs(task))

    def measures(self, task: str) -> list[Measure]:
        """Return the (metric, filter) pairs that may stand for the task, the best first."""
        listed = map(_object, _list(self._entry("configs", task).get("metric_list")))
        better = {str(item.get("metric")): item.get("higher_is_better") for item in listed}
        better |= self._entry("higher_is_better", task)
        filters = map(_object, _list(self._entry("configs", task).get("filter_list")))
        return ordered(self._pairs(task), better, {str(item.get("name")): item for item in filters})

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


def read_run(file: SourceFile, at: datetime) -> HarnessRun:
    """Read a results file at a moment, which is the date of runs that name none.

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
    candidate = usable_name(name)
    fault = fault_in_candidate(candidate)
    if fault is not None:
        raise UnusableError(fault, "model_name", name)
    return HarnessRun(file, facts, candidate, name, at)


def _model_name(facts: dict[str, object]) -> str | None:
    """Return the model's name, None where there is none or the harness made one up of eight random characters."""
    arguments = _object(facts.get("config")).get("model_args")
    if isinstance(arguments, str):
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    given = next((str(value) for key in _MODEL_ARGUMENTS if (value := _object(arguments).get(key))), None)
    name = facts.get("model_name")
    is_missing = not isinstance(name, str) or not name
    return given if is_missing or (given is None and _INVENTED_NAME.fullmatch(str(name))) else str(name)


def _whole(value: object, limit: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit else None


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
