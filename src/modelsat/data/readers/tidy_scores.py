"""Scores of tidy tables: wide, a column per candidate, or long, a row per prompt and candidate."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts, table_blocks
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.readers import tidy_figures, tidy_prompts
from modelsat.data.readers.cells import Cells, Numbers, coded
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.score_columns import AnswerLengths, ScoreColumns, score_table, texts
from modelsat.data.readers.table_files import TableSheet, row_numbers
from modelsat.data.readers.tidy_prompts import id_of
from modelsat.data.remarks import Remark
from modelsat.data.written_numbers import number

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
        return table_blocks.with_dictionaries(contracts.SCORES).empty_table()
    sheet = tidy_figures.with_scores_alone(sheet, _free(sheet, listed), log)
    ids = _ids(sheet, log)
    usable = _candidate_columns(sheet, listed, scale, log)
    values = np.column_stack([_numbers(sheet, name, scale, log) for name in usable] or [np.empty((len(ids), 0))])
    known = np.asarray([one is not None for one in ids.distinct], dtype=bool)[ids.codes]
    rows, columns = np.nonzero(~np.isnan(values) & known[:, None])
    return score_table(
        sheet,
        prompts,
        ScoreColumns(
            candidates=texts(Cells(list(usable), columns.astype(np.int32))),
            prompt_ids=texts(ids, rows),
            scores=values[rows, columns],
            rows=np.asarray(sheet.rows, dtype=np.int64)[rows],
        ),
        lengths,
    )


def measures_within(sheet: TableSheet, listed: set[str]) -> dict[str, TableSheet]:
    """Return what a wide table says of its candidates' answers beside their scores (`tidy_figures.measures_in`)."""
    return tidy_figures.measures_in(sheet, _free(sheet, listed))


def is_missing(cell: object) -> bool:
    """Say whether a cell means that the candidate was not run."""
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in NOT_RUN)


def _free(sheet: TableSheet, listed: set[str]) -> list[str]:
    fixed = {*tidy_prompts.COLUMNS, *listed}
    return [name for name in sheet.columns if name not in fixed and not _describes(name)]


def _ids(sheet: TableSheet, log: ReadingLog) -> Cells:
    ids = coded(sheet.columns["prompt_id"]).map(id_of)
    missing = np.asarray([one is None for one in ids.distinct], dtype=bool)
    for i in np.flatnonzero(missing[ids.codes]).tolist():
        log.reject(sheet.file.uri, "the row has no prompt_id; add it", sheet.rows[i], "prompt_id")
    return ids


def _candidate_columns(sheet: TableSheet, listed: set[str], scale: float, log: ReadingLog) -> list[str]:
    """Return the columns that are candidates; all others are named."""
    # Each column is compared with all others, so their numbers are read once.
    told = {} if listed else {one: _told(cells) for one, cells in sheet.columns.items() if one != "prompt_id"}
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


def _looks_like_scores(cells: Sequence[object], scale: float) -> bool:
    if isinstance(cells, Numbers):
        values = cells.floats()
        return cells.values.null_count < len(cells) and not bool(((values < 0) | (values > scale)).any())
    told = [number(_bare(cell, scale)) for cell in coded(cells).distinct if not is_missing(cell)]
    return bool(told) and all(one is not None and not one < 0 and not one > scale for one in told)


def _is_percentage(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip().endswith("%")


def _bare(cell: object, scale: float) -> object:
    """Return a cell without the percent sign that it may have where percentages are declared."""
    return cell.strip().removesuffix("%") if scale != 1 and isinstance(cell, str) else cell


def _holds_no_number(cells: Sequence[object], scale: float) -> bool:
    if isinstance(cells, Numbers):
        return False
    column = coded(cells)
    if any(number(_bare(cell, scale)) is not None for cell in column.distinct if not is_missing(cell)):
        return False
    missing = np.asarray([is_missing(cell) for cell in column.distinct], dtype=bool)
    return int((~missing[column.codes]).sum()) > 1


@dataclass(frozen=True)
class _Told:
    """Numbers of a column, float64, and which cells hold none."""

    values: np.ndarray
    none: np.ndarray

    def equals(self, other: "_Told") -> bool:
        same = self.none | (self.values == other.values)
        return bool((self.none == other.none).all() and same.all())


def _told(cells: Sequence[object]) -> _Told:
    if isinstance(cells, Numbers):
        return _Told(cells.floats(), pc.is_null(cells.values).to_numpy(zero_copy_only=False))
    column = coded(cells).map(number)
    none = np.asarray([one is None for one in column.distinct], dtype=bool)[column.codes]
    values = np.asarray([np.nan if one is None else one for one in column.distinct], dtype=np.float64)[column.codes]
    return _Told(values, none)


def _is_mean_of_others(told: Mapping[str, _Told], name: str) -> bool:
    """Say whether a column is computed from the others: their mean in every row, and not the same as one of them."""
    mine = told[name]
    others = [one for other, one in told.items() if other != name and not one.none.all()]
    others = [one for one in others if bool((one.none | ((one.values >= 0) & (one.values <= 1))).all())]
    if len(others) < 2 or len(mine.none) < 2 or mine.none.any() or any(mine.equals(one) for one in others):
        return False
    # Hardly any column passes the first rows, so the others are not added up for each.
    for rows in (slice(0, 64), slice(64, None)):
        known = np.sum([~one.none[rows] for one in others], axis=0)
        total = np.sum([np.where(one.none[rows], 0.0, one.values[rows]) for one in others], axis=0)
        away = np.abs(mine.values[rows] - total / np.maximum(known, 1)) > 1e-6
        if (known == 0).any() or away.any():
            return False
    return True


def _numbers(sheet: TableSheet, name: str, scale: float, log: ReadingLog) -> np.ndarray:
    cells = sheet.columns[name]
    return scaled_scores(sheet, cells, [name] * len(cells), name, scale, log)


def scaled_scores(
    sheet: TableSheet,
    cells: Sequence[object],
    candidates: Sequence[object],
    column_name: str,
    scale: float,
    log: ReadingLog,
) -> np.ndarray:
    """Return scores as numbers, NaN where a candidate was not run or the cell is rejected."""
    if isinstance(cells, Numbers):
        return cells.floats() / scale
    column = coded(cells)
    values = column.map(lambda cell: np.nan if is_missing(cell) else number(_bare(cell, scale)))
    wrong = np.asarray([one is None for one in values.distinct], dtype=bool)
    for i in np.flatnonzero(wrong[column.codes]).tolist():
        reason = f"the score of {candidates[i]!r} is not a number; write a number in [0, 1] or leave the cell empty"
        if _is_percentage(cells[i]):
            reason += f"; {_PERCENTAGES}"
        log.reject(sheet.file.uri, reason, sheet.rows[i], column_name, cells[i])
    told = np.asarray([np.nan if one is None else one / scale for one in values.distinct], dtype=np.float64)
    return told[column.codes]
