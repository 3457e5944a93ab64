"""Reader of lm-evaluation-harness outputs, versions 0.4.0 to 0.4.13: `results*.json` with samples files beside.

A row per document comes from the samples; the results file of the same run says whose it is and how it was made.
Averages in the results are never scores, those of groups least of all: they repeat what the tasks say. What was asked
is told from what was sent to the model (`lm_eval_question`), which metric and filter counts by `lm_eval_measures`; the
column `metric` names both, such as `exact_match,flexible-extract`. All folders of a source are read together, so that
a task has one metric and a document one text for all candidates (`lm_eval_tasks`).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from modelsat.data import contracts
from modelsat.data.readers import lm_eval_notes as notes
from modelsat.data.readers.harvest import EmptyAnswers, Harvest, reject, rejects_table
from modelsat.data.readers.lm_eval_names import model_key
from modelsat.data.readers.lm_eval_results import HarnessRun, read_run
from modelsat.data.readers.lm_eval_samples import UnusableError
from modelsat.data.readers.lm_eval_sheets import SampleSheet, read_sheet
from modelsat.data.readers.lm_eval_tasks import HarnessTask
from modelsat.io.storage import SourceFile

SPANS_FOLDERS = True
"""All folders of a source are read at once."""

_STAMP = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
# An output path that ends in .json takes the place of `results`. The Open LLM Leaderboard's samples end in .json, too.
_RESULTS = re.compile(rf"(?!samples_)(?:results(?:_({_STAMP}))?\.json|.+_({_STAMP})\.json|results.*\.json)")
# Versions before 0.4.3 begin the name with the model's arguments.
_SAMPLES = re.compile(
    rf"(?P<prefix>samples_)(?P<task>.+?)(?:_(?P<stamp>{_STAMP}))?\.jsonl?"
    rf"|(?!samples_)(?P<old_task>.+?)(?:_(?P<old_stamp>{_STAMP}))?\.jsonl"
)
_PACKED = re.compile(rf"samples_(?P<task>.+?)(?:_{_STAMP})?\.jsonl?\.(?:gz|zst|xz|bz2|zip)")


def claims(names: Iterable[str]) -> bool:
    """Say whether a folder with these file names holds outputs of the harness."""
    return any(re.fullmatch(r"results.*\.json|samples_.*\.jsonl?", name) for name in names)


def read(files: list[SourceFile]) -> Harvest:
    """Read the folders of outputs of a source, each of which may hold several runs."""
    haul = _Haul(datetime.now(UTC))
    folders: dict[str, list[SourceFile]] = defaultdict(list)
    for file in files:
        folders[PurePosixPath(file.name).parent.as_posix()].append(file)
    sheets = [sheet for folder in sorted(folders) for sheet in _read_folder(folders[folder], haul)]
    by_task: dict[str, list[SampleSheet]] = defaultdict(list)
    for sheet in sheets:
        by_task[sheet.task].append(sheet)
    tasks = {name: HarnessTask(of_task) for name, of_task in by_task.items()}
    for sheet in sheets:
        haul.take(sheet, tasks[sheet.task])
    haul.notes += haul.late_notes
    return haul.harvest()


@dataclass
class _Haul:
    """What has been read so far."""

    at: datetime
    scores: list[dict[str, object]] = field(default_factory=list)
    prompts: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)
    candidates: dict[str, dict[str, object]] = field(default_factory=dict)
    rejects: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    empty_answers: list[EmptyAnswers] = field(default_factory=list)
    late_notes: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def take(self, sheet: SampleSheet, task: HarnessTask) -> None:
        """Take over the rows of a samples file."""
        rows = task.rows(sheet)
        self.scores += rows.scores
        self.rejects += rows.rejects
        self.notes += rows.notes
        self.empty_answers += rows.empty_answers
        for prompt in rows.prompts:
            self.prompts.setdefault((str(prompt["prompt_id"]), str(prompt["stem_digest"])), prompt)
        # A candidate that never answered is named, too: merging says that it has no scores.
        if rows.scores or rows.empty_answers:
            facts: dict[str, object] = {"candidate": sheet.run.candidate, "n_params": sheet.run.n_params}
            self.candidates.setdefault(sheet.run.candidate, facts)

    def is_taken(self, run: HarnessRun) -> bool:
        """Say whether another model already has a run's name."""
        key = model_key(run.given_name)
        return self.names.setdefault(run.candidate, key) != key

    def harvest(self) -> Harvest:
        """Return the tables."""
        return Harvest(
            contracts.from_rows(self.scores, contracts.SCORES),
            contracts.from_rows(list(self.prompts.values()), contracts.PROMPTS),
            contracts.from_rows([self.candidates[name] for name in sorted(self.candidates)], contracts.CANDIDATES),
            rejects_table(self.rejects),
            tuple(self.notes),
            empty_answers=tuple(self.empty_answers),
        )


def _read_folder(files: list[SourceFile], haul: _Haul) -> list[SampleSheet]:
    runs = _runs(files, haul)
    sampled: dict[str, set[str]] = {key: set() for key in runs}
    sheets = []
    for file in files:
        packed = _PACKED.fullmatch(_name(file))
        if packed:
            haul.rejects.append(reject(file.uri, notes.packed(file.uri)))
            for tasks in sampled.values():
                tasks.add(packed["task"])
        match = _SAMPLES.fullmatch(_name(file))
        if match is None:
            continue
        key = _pair(match["stamp"] or match["old_stamp"], list(runs))
        run = None if key is None else runs[key]
        task = _task(match, run) if run else None
        if key and run and task:
            sampled[key].add(task)
            sheets.append(read_sheet(file, run, task))
        elif match["prefix"] and (run or key is None):
            reason = "no results file beside these samples is of their run and task; copy its results_*.json here too"
            haul.rejects.append(reject(file.uri, reason))
    for key, run in runs.items():
        haul.late_notes += notes.absences(run, sampled[key]) if run else []
    return sheets


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
                runs[key] = _named(read_run(file, haul.at), haul)
            except UnusableError as fault:
                runs[key] = None
                haul.rejects.append(reject(file.uri, str(fault), None, fault.field, fault.value))
    return runs


def _named(run: HarnessRun, haul: _Haul) -> HarnessRun:
    """Make sure that a model's name is its own, and remark on one that was changed.

    Raises:
        UnusableError: Another model has the name already.
    """
    if haul.is_taken(run):
        reason = (
            f"the models {haul.names[run.candidate]!r} and {run.given_name!r} would both be called {run.candidate!r}; "
            "collect them apart, or run one under another path"
        )
        raise UnusableError(reason, "model_name", run.given_name)
    if run.candidate != run.given_name:
        haul.notes.append(notes.renamed(run))
    return run


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
    return max((task for task in run.tasks if match["old_task"].endswith(f"_{task}")), key=len, default=None)
