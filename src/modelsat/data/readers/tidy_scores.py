"""Scores of tidy tables: wide, a column per candidate, or long, a row per prompt and candidate."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.readers import tidy_figures, tidy_prompts
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.table_files import TableSheet, row_numbers
from modelsat.data.readers.tidy_prompts import id_of
from modelsat.data.remarks import Remark
from modelsat.data.written_numbers import number
from modelsat.policy.costs import CHARACTERS_PER_TOKEN

HARNESS = "tidy-table"
METRIC = "score"

NOT_RUN = {"", "nan", "na", "null", "none", "<na>", "n/a", "#n/a"}
_PERCENTAGES = "a file whose name begins with scores_percent holds scores from 0 to 100"
SUMMARIES = re.compile(
    r"(?:[a-z]+_)*(?:mean|average|avg|median|std|stddev|stderr|sem|variance|oracle|difficulty|entropy|count|rank|rate|num|n)"
    r"(?:_[a-z]+)*|var|min|max|sum|total|best(?:_model|_score)?|worst|any|all|majority(?:_vote)?|votes?|consensus|ensemble|"
    r"agreement|hardness|easiness|upper_bound|random|weight|length|(?:n_)?tokens|cost|price|latency|split|fold|seed|"
    r"subject|source|language|domain|topic|level|type|comments?|notes?|dataset|year|cluster|(?:is|has)_[a-z_]+|"
    r"(?:[a-z]+_)+(?:id|idx|index|length|len|cluster|fold|split|year)"
)
"""Names of columns that sum up the others or describe the prompt."""


@dataclass(frozen=True)
class AnswerLengths:
    """Lengths of answers in characters: of single answers by (prompt, candidate), means by (benchmark, candidate)."""

    own: dict[tuple[str, str], float] = field(default_factory=dict)
    means: dict[tuple[str, str], float] = field(default_factory=dict)

    def tokens(self, prompt_id: str, benchmark: str, candidate: str) -> int | None:
        """Return the length of an answer in tokens, None where it is not known."""
        length = self.own.get((prompt_id, candidate), self.means.get((benchmark, candidate)))
        return None if length is None else round(length / CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class ScoreColumns:
    """Scores of one file, column by column, all of the same length.

    Attributes:
        candidates: Names.
        prompt_ids: Ids of prompts.
        scores: Numbers.
        rows: Where each stands in its file.
        others: Further columns of the contract `SCORES`.
    """

    candidates: Sequence[str]
    prompt_ids: Sequence[str]
    scores: np.ndarray
    rows: np.ndarray
    others: dict[str, list[object]] = field(default_factory=dict)


def wide_scores(
    sheet: TableSheet, prompts: pa.Table, lengths: AnswerLengths, listed: set[str], scale: float, log: ReadingLog
) -> pa.Table:
    """Read a table with a column per candidate.

    Args:
        sheet: The table.
        prompts: Of the contract `PROMPTS`.
        lengths: Of the answers.
        listed: Candidates that `models` lists, empty where there is none.
        scale: What a score of 1 is in this file.
        log: Receives what cannot be read.
    """
    if "prompt_id" not in sheet.columns:
        meant = tidy_prompts.meant("prompt_id", sheet.columns)
        log.reject(sheet.file.uri, f"the scores have no column prompt_id{meant}; add it")
        return contracts.SCORES.empty_table()
    sheet = tidy_figures.with_scores_alone(sheet, _free(sheet, listed), log)
    ids = _ids(sheet, log)
    usable = _candidate_columns(sheet, listed, scale, log)
    values = np.column_stack([_numbers(sheet, name, scale, log) for name in usable] or [np.empty((len(ids), 0))])
    known = np.asarray([one is not None for one in ids], dtype=bool)
    rows, columns = np.nonzero(~np.isnan(values) & known[:, None])
    return score_table(
        sheet,
        prompts,
        ScoreColumns(
            candidates=np.asarray(usable, dtype=object)[columns].tolist(),
            prompt_ids=np.asarray(ids, dtype=object)[rows].tolist(),
            scores=values[rows, columns],
            rows=np.asarray(sheet.rows, dtype=np.int64)[rows],
        ),
        lengths,
    )


def measures_within(sheet: TableSheet, listed: set[str]) -> dict[str, TableSheet]:
    """Return what a wide table says of its candidates' answers beside their scores (`tidy_figures.measures_in`)."""
    return tidy_figures.measures_in(sheet, _free(sheet, listed))


def score_table(
    sheet: TableSheet,
    prompts: pa.Table,
    found: ScoreColumns,
    lengths: AnswerLengths = AnswerLengths(),
    harness: str = HARNESS,
) -> pa.Table:
    """Make a table of the contract `SCORES`; a score whose prompt is unknown stays, for the validator to name."""
    taken = pa.array(found.prompt_ids, pa.string())
    position = pc.index_in(taken, value_set=prompts["prompt_id"].combine_chunks())
    size = len(taken)
    benchmarks = pc.fill_null(prompts["benchmark"].take(position), "unknown")
    tokens = [
        lengths.tokens(*key) for key in zip(found.prompt_ids, benchmarks.to_pylist(), found.candidates, strict=True)
    ]
    table = {
        "candidate": pa.array(found.candidates, pa.string()),
        "benchmark": benchmarks,
        "task": pc.fill_null(prompts["task"].take(position), "unknown"),
        "prompt_id": taken,
        "score": found.scores,
        "metric": _repeat(METRIC, size),
        "tokens_out": pa.array(tokens, pa.int32()),
        "harness": _repeat(harness, size),
        "source_uri": _repeat(sheet.file.uri, size),
        "source_row": found.rows,
        "source_digest": _repeat(sheet.file.digest, size),
        "collected_at": pa.array([datetime.now(UTC)] * size, pa.timestamp("us", tz="UTC")),
    }
    for name, cells in found.others.items():
        table[name] = pa.array(cells, contracts.SCORES.field(name).type)
    return contracts.conform(pa.table(table), contracts.SCORES)


def is_missing(cell: object) -> bool:
    """Say whether a cell means that the candidate was not run."""
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in NOT_RUN)


def _free(sheet: TableSheet, listed: set[str]) -> list[str]:
    fixed = {*tidy_prompts.COLUMNS, *listed}
    return [name for name in sheet.columns if name not in fixed and not _describes(name)]


def _repeat(value: str, size: int) -> pa.Array:
    return pa.array([value], pa.string()).take(pa.array(np.zeros(size, dtype=np.int64)))


def _ids(sheet: TableSheet, log: ReadingLog) -> list[str | None]:
    ids = [id_of(cell) for cell in sheet.columns["prompt_id"]]
    for line, one in zip(sheet.rows, ids, strict=True):
        if one is None:
            log.reject(sheet.file.uri, "the row has no prompt_id; add it", line, "prompt_id")
    return ids


def _candidate_columns(sheet: TableSheet, listed: set[str], scale: float, log: ReadingLog) -> list[str]:
    """Return the columns that are candidates; all others are named."""
    # Each column is compared with all others, so their numbers are read once.
    told = (
        {}
        if listed
        else {one: [number(cell) for cell in cells] for one, cells in sheet.columns.items() if one != "prompt_id"}
    )
    usable, ignored = [], {"prompt_id", *row_numbers(sheet)} - listed
    numbered = sorted(ignored - {"prompt_id"})
    if numbered:
        log.note(
            Remark.COLUMN_NO_CANDIDATE,
            f"{', '.join(map(repr, numbered))} of {sheet.file.uri!r} numbers the rows and is no candidate",
        )
    for name, cells in sheet.columns.items():
        if name in ignored:
            continue
        if name not in listed and (name in tidy_prompts.COLUMNS or _describes(name)):
            log.note(
                Remark.COLUMN_NO_CANDIDATE,
                f"column {name!r} of {sheet.file.uri!r} is no candidate; list it in models.csv if it is one",
            )
        elif listed and name not in listed and not _looks_like_scores(cells, scale):
            log.note(
                Remark.COLUMN_NOT_READ,
                f"column {name!r} of {sheet.file.uri!r} is not listed in models.csv and holds no scores; not read",
            )
        elif listed and name not in listed:
            reason = f"column {name!r} is not listed in models.csv; add a row for this candidate, or remove the column"
            fault = fault_in_candidate(name)
            if fault is not None:
                reason = f"{fault}, and add a row for it to models.csv, or remove the column"
            log.reject(sheet.file.uri, reason, None, "candidate", name)
        elif (fault := fault_in_candidate(name)) is not None:
            log.reject(sheet.file.uri, fault, None, "candidate", name)
        elif _holds_no_number(cells, scale):
            reason = f"column {name!r} holds no numbers; remove it, or write scores in [0, 1]"
            if any(_is_percentage(cell) for cell in cells):
                reason = f"column {name!r} holds percentages; {_PERCENTAGES}"
            log.reject(sheet.file.uri, reason, None, name, next(cell for cell in cells if not is_missing(cell)))
        elif not listed and _is_mean_of_others(told, name):
            log.note(
                Remark.COLUMN_NO_CANDIDATE,
                f"column {name!r} of {sheet.file.uri!r} is the mean of the others in every row and no candidate",
            )
        else:
            usable.append(name)
    return usable


def _describes(name: str) -> bool:
    return SUMMARIES.fullmatch(re.sub(r"[\s.-]+", "_", name.strip().lower())) is not None


def _looks_like_scores(cells: Iterable[object], scale: float) -> bool:
    told = [number(_bare(cell, scale)) for cell in cells if not is_missing(cell)]
    return bool(told) and all(one is not None and not one < 0 and not one > scale for one in told)


def _is_percentage(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip().endswith("%")


def _bare(cell: object, scale: float) -> object:
    """Return a cell without the percent sign that it may have where percentages are declared."""
    return cell.strip().removesuffix("%") if scale != 1 and isinstance(cell, str) else cell


def _holds_no_number(cells: Iterable[object], scale: float) -> bool:
    told = [_bare(cell, scale) for cell in cells if not is_missing(cell)]
    return len(told) > 1 and all(number(cell) is None for cell in told)


def _is_mean_of_others(told: Mapping[str, Sequence[float | None]], name: str) -> bool:
    """Say whether a column is computed from the others: their mean in every row, and not the same as one of them."""
    others = [cells for one, cells in told.items() if one != name and any(cell is not None for cell in cells)]
    others = [cells for cells in others if all(cell is None or 0 <= cell <= 1 for cell in cells)]
    if len(others) < 2 or told[name] in others or len(told[name]) < 2:
        return False
    for i, value in enumerate(told[name]):
        known = [cell for cells in others if (cell := cells[i]) is not None]
        if value is None or not known or abs(value - sum(known) / len(known)) > 1e-6:
            return False
    return True


def _numbers(sheet: TableSheet, name: str, scale: float, log: ReadingLog) -> np.ndarray:
    cells = sheet.columns[name]
    return scaled_scores(sheet, cells, [name] * len(cells), name, scale, log)


def scaled_scores(
    sheet: TableSheet,
    cells: Sequence[object],
    candidates: Sequence[object],
    column: str,
    scale: float,
    log: ReadingLog,
) -> np.ndarray:
    """Return scores as numbers, NaN where a candidate was not run or the cell is rejected."""
    out = np.full(len(cells), np.nan)
    for i, (line, cell, name) in enumerate(zip(sheet.rows, cells, candidates, strict=True)):
        if is_missing(cell):
            continue
        value = number(_bare(cell, scale))
        if value is None:
            reason = f"the score of {name!r} is not a number; write a number in [0, 1] or leave the cell empty"
            if _is_percentage(cell):
                reason += f"; {_PERCENTAGES}"
            log.reject(sheet.file.uri, reason, line, column, cell)
        else:
            out[i] = value / scale
    return out
