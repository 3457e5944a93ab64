"""Reader of lm-evaluation-harness outputs, versions 0.4.0 to 0.4.13: `results*.json` with `samples_*.jsonl` beside.

A row per document comes from the samples; the results file of the same run says whose it is and which of the task's
metrics and filters stands for the task (`lm_eval_results` has the rules). The column `metric` names both, such as
`exact_match,flexible-extract`. Averages in the results are never scores, those of groups least of all: they repeat
what the tasks say. A metric that gives a document a list instead of a number gives way to the next.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from modelsat.data import contracts
from modelsat.data.readers import lm_eval_documents as documents
from modelsat.data.readers.harvest import Harvest, reject, rejects_table
from modelsat.data.readers.lm_eval_results import BYPASS, HarnessRun, read_run
from modelsat.data.readers.lm_eval_samples import SampleRow, UnusableError, read_rows, with_filters
from modelsat.io.storage import SourceFile
from modelsat.text.rendering import stem_digest

HARNESS = "lm-evaluation-harness"

_STAMP = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
# An output path that ends in .json takes the place of `results`.
_RESULTS = re.compile(rf"results(?:_({_STAMP}))?\.json|.+_({_STAMP})\.json|results.*\.json")
# Versions before 0.4.3 begin the name with the model's arguments.
_SAMPLES = re.compile(rf"(?P<prefix>samples_)?(?P<task>.+?)(?:_(?P<stamp>{_STAMP}))?\.jsonl")

_NAMED = 5


def claims(names: Iterable[str]) -> bool:
    """Say whether a folder with these file names holds outputs of the harness."""
    return any(re.fullmatch(r"results.*\.json|samples_.*\.jsonl", name) for name in names)


def read(files: list[SourceFile]) -> Harvest:
    """Read one folder of outputs, which may hold several runs."""
    haul = _Haul()
    runs = _runs(files, haul)
    sampled: dict[str, set[str]] = {key: set() for key in runs}
    for file in files:
        match = _SAMPLES.fullmatch(_name(file))
        if match is None:
            continue
        key = _pair(match["stamp"], list(runs))
        run = None if key is None else runs[key]
        task = _task(match, run) if run else None
        if key and run and task:
            sampled[key].add(task)
            _read_samples(file, run, task, haul)
        elif match["prefix"] and (run or key is None):
            reason = "no results file beside these samples is of their run and task; copy its results_*.json here too"
            haul.rejects.append(reject(file.uri, reason))
    for key, run in runs.items():
        if run:
            _note_absences(run, sampled[key], haul)
    return haul.harvest()


@dataclass
class _Haul:
    """What has been read of one folder so far."""

    scores: list[dict[str, object]] = field(default_factory=list)
    prompts: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)
    candidates: dict[str, dict[str, object]] = field(default_factory=dict)
    rejects: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def harvest(self) -> Harvest:
        return Harvest(
            contracts.from_rows(self.scores, contracts.SCORES),
            contracts.from_rows(list(self.prompts.values()), contracts.PROMPTS),
            contracts.from_rows([self.candidates[name] for name in sorted(self.candidates)], contracts.CANDIDATES),
            rejects_table(self.rejects),
            tuple(self.notes),
        )


def _name(file: SourceFile) -> str:
    return PurePosixPath(file.name).name


def _runs(files: Sequence[SourceFile], haul: _Haul) -> dict[str, HarnessRun | None]:
    """Return the results files by their stamps, or by their names where they have none; None for unusable ones."""
    runs: dict[str, HarnessRun | None] = {}
    for file in files:
        match = _RESULTS.fullmatch(_name(file))
        if match:
            key = match[1] or match[2] or _name(file)
            try:
                runs[key] = read_run(file)
            except UnusableError as fault:
                runs[key] = None
                haul.rejects.append(reject(file.uri, str(fault), None, fault.field, fault.value))
    return runs


def _pair(stamp: str | None, keys: Sequence[str]) -> str | None:
    """Return the key of the results that belong to samples: of the same stamp, else the only ones that can be meant."""
    if stamp in keys:
        return stamp
    loose = [key for key in keys if not re.fullmatch(_STAMP, key)]
    meant = loose if stamp or loose else keys
    return meant[0] if len(meant) == 1 and (not stamp or len(keys) == 1) else None


def _task(match: re.Match[str], run: HarnessRun) -> str | None:
    if match["prefix"]:
        return match["task"] if match["task"] in run.tasks else None
    return max((task for task in run.tasks if match["task"].endswith(f"_{task}")), key=len, default=None)


def _read_samples(file: SourceFile, run: HarnessRun, task: str, haul: _Haul) -> None:
    found = list(read_rows(file.path))
    rows = list(with_filters(found, run.filters(task)))
    is_unscored = run.is_unscored(task)
    measure = next((pair for pair in run.measures(task) if _is_per_document(pair, rows)), None)
    if measure is None and not is_unscored:
        haul.notes.append(
            f"task {task!r} of {run.candidate!r} is left out, since no metric in {file.uri!r} gives each document a "
            "number of which more is better; add such a metric to the task and run it again"
        )
    sheet = _HarnessSheet(file, run, task, *(measure or (BYPASS, "")))
    read_documents = set()
    for chosen, row in rows:
        try:
            if row.fault:
                raise row.fault
            if (chosen not in (None, measure[1])) if measure else not is_unscored:
                continue
            read_documents.add(repr(row.content.get("doc_id")))
            score, prompt = sheet.take(row, chosen)
        except UnusableError as fault:
            haul.rejects.append(reject(file.uri, str(fault), row.line, fault.field, fault.value))
            continue
        haul.scores.append(score)
        haul.prompts.setdefault((str(prompt["prompt_id"]), str(prompt["stem_digest"])), prompt)
        haul.candidates.setdefault(run.candidate, {"candidate": run.candidate, "n_params": run.n_params})
    haul.notes += sheet.notes(len(read_documents) if measure else None)


def _is_per_document(measure: tuple[str, str], rows: Sequence[tuple[str | None, SampleRow]]) -> bool:
    values = [row.content.get(measure[0]) for chosen, row in rows if chosen == measure[1]]
    return not values or not all(isinstance(value, list | dict) for value in values)


class _HarnessSheet:
    """One samples file on its way into the tables."""

    def __init__(self, file: SourceFile, run: HarnessRun, task: str, metric: str, chosen: str) -> None:
        self._where = file.uri
        self._run = run
        self._task = task
        self._metric = metric
        self._benchmark = run.benchmark(task)
        self._output_type = run.output_type(task)
        self._num_fewshot = run.num_fewshot(task)
        self._hashes: dict[str, str] = {}
        self._rendered = 0
        self._common = {
            "candidate": run.candidate,
            "benchmark": self._benchmark,
            "task": task,
            "metric": f"{metric},{chosen}",
            "num_fewshot": self._num_fewshot,
            "harness": HARNESS,
            "harness_version": run.version,
            "source_uri": file.uri,
            "source_digest": file.digest,
            "collected_at": run.collected_at(),
        }

    def take(self, row: SampleRow, chosen: str | None) -> tuple[dict[str, object], dict[str, object]]:
        """Return a row of scores and a row of prompts.

        Raises:
            UnusableError: The row cannot be taken over.
        """
        if self._metric == BYPASS:
            raise UnusableError(
                "the task was run with --predict_only, so it has no scores; run it without", BYPASS, 999
            )
        if chosen is None:
            reason = (
                "the row does not name its filter, and damaged rows hide which one it is; "
                "copy the file again, or run the task with lm-eval 0.4.7 or newer"
            )
            raise UnusableError(reason, "filter")
        score = documents.score(row, self._metric)
        key = documents.document_key(row)
        if self._hashes.setdefault(key, documents.document_hash(row)) != documents.document_hash(row):
            reason = f"two documents of task {self._task!r} have the id {key!r}; give each its own or remove the ids"
            raise UnusableError(reason, "id", key)
        prompt, is_rendered = documents.question(row)
        self._rendered += is_rendered
        choices = documents.options(row)
        answer, scorer = documents.answer(row, self._output_type, self._metric)
        prompt_id = f"{self._task}/{key}"
        return self._common | {"prompt_id": prompt_id, "score": score, "source_row": row.line}, {
            "prompt_id": prompt_id,
            "stem_digest": stem_digest(prompt, choices),
            "benchmark": self._benchmark,
            "task": self._task,
            "prompt": prompt,
            "choices": choices,
            "answer": answer,
            "scorer": scorer,
        }

    def notes(self, n_documents: int | None) -> list[str]:
        """Return remarks on a file of which `n_documents` were readable, None where it was not to be read."""
        of_whom = f"task {self._task!r} of {self._run.candidate!r}"
        sizes = self._run.sizes(self._task)
        notes = []
        if sizes and sizes[1] < sizes[0]:
            notes.append(
                f"{of_whom} was run on {sizes[1]} of {sizes[0]} documents ({self._where}); "
                "run it without --limit to have them all"
            )
        if sizes and n_documents is not None and n_documents < sizes[1]:
            notes.append(
                f"{self._where!r} holds {n_documents} of the {sizes[1]} documents that {of_whom} was run on; "
                "copy the file again, or run the task again if the disk was full"
            )
        if self._rendered and self._num_fewshot:
            notes.append(
                f"{self._rendered} documents of {of_whom} have no question of their own, so their prompts hold the "
                f"{self._num_fewshot} examples; run it with --num_fewshot 0 for prompts as users write them"
            )
        return notes


def _note_absences(run: HarnessRun, sampled: set[str], haul: _Haul) -> None:
    absent = [repr(task) for task in run.tasks if task not in sampled]
    if absent:
        names = ", ".join(absent[:_NAMED] + [f"{len(absent) - _NAMED} more"] * (len(absent) > _NAMED))
        haul.notes.append(
            f"{run.file.uri!r} has only averages and no samples of {names}; run the harness again with --log_samples"
        )
