"""Long tables of scores: a row per prompt and candidate, under the column names that people use."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from modelsat.data import contracts, table_blocks
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.readers import tidy_measures, tidy_prompts
from modelsat.data.readers.cells import Numbers, coded
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.score_columns import METRIC, AnswerLengths, ScoreColumns, score_table, texts
from modelsat.data.readers.table_files import TableSheet, row_numbers
from modelsat.data.readers.tidy_measures import MODEL
from modelsat.data.readers.tidy_prompts import id_of, text_of
from modelsat.data.readers.tidy_scores import scaled_scores
from modelsat.data.written_numbers import number

_SCORE = ("score", "label", "correct", "is_correct", "accuracy", "acc", "performance", "passed", "success", "value")
COLUMNS = (*MODEL, *_SCORE, *(name for names in tidy_measures.FIELDS.values() for name in names), "metric")


@dataclass(frozen=True)
class LongLayout:
    """Which column holds what."""

    model: str
    score: str


def is_named_so(columns: Iterable[str]) -> bool:
    """Say whether a table with these columns is a long one, as far as names tell."""
    names = {re.sub(r"[\s-]+", "_", name.strip().lower()) for name in columns}
    return "prompt_id" in names and not names.isdisjoint(MODEL) and not names.isdisjoint(_SCORE)


def layout_of(sheet: TableSheet) -> LongLayout | None:
    """Return the layout of a long table; None for a wide one, whose columns are candidates."""
    model = next((name for name in MODEL if name in sheet.columns and _is_text(sheet.columns[name])), None)
    score = next((name for name in _SCORE if name in sheet.columns and name != model), None)
    return LongLayout(model, score) if model and score else None


def fault_in_layout(sheet: TableSheet) -> str | None:
    """Say what a long table lacks that would otherwise be read as a wide one; None where nothing is wrong."""
    if layout_of(sheet) is not None:
        return None
    model = next((name for name in MODEL if name in sheet.columns), None)
    score = next((name for name in _SCORE if name in sheet.columns), None)
    if model is not None and _is_text(sheet.columns[model]):
        return f"column {model!r} names models, so this is a long table, but it has no column score; add it"
    if model is not None and score is not None:
        return f"column {model!r} holds numbers, so this long table does not name its models; write their names there"
    if score is not None:
        return (
            f"column {score!r} does not say whose scores it holds; name it after the candidate, or add a column model"
        )
    return None


def long_scores(
    sheet: TableSheet,
    layout: LongLayout,
    prompts: pa.Table,
    lengths: AnswerLengths,
    scale: float,
    log: ReadingLog,
) -> pa.Table:
    """Read a table with a row per prompt and candidate."""
    if "prompt_id" not in sheet.columns:
        log.reject(sheet.file.uri, f"the scores have no column prompt_id{_meant(sheet)}; add it")
        return table_blocks.with_dictionaries(contracts.SCORES).empty_table()
    tidy_prompts.name_unread(sheet, (*tidy_prompts.COLUMNS, *_read(sheet, layout)), log)
    names = coded(sheet.columns[layout.model]).map(lambda cell: (text_of(cell) or "").strip() or None)
    faults = names.map(fault_in_candidate)
    ids = coded(sheet.columns["prompt_id"]).map(id_of)
    values = scaled_scores(sheet, sheet.columns[layout.score], names, layout.score, scale, log)
    faulty, without_id = (
        np.asarray([one is not None for one in faults.distinct], dtype=bool)[faults.codes],
        np.asarray([one is None for one in ids.distinct], dtype=bool)[ids.codes],
    )
    for i in np.flatnonzero(faulty | without_id).tolist():
        if faulty[i]:
            log.reject(sheet.file.uri, str(faults[i]), sheet.rows[i], layout.model, names[i])
        else:
            log.reject(sheet.file.uri, "the row has no prompt_id; add it", sheet.rows[i], "prompt_id")
    keep = np.flatnonzero(~(faulty | without_id | np.isnan(values)))
    others: dict[str, pa.Array] = {}
    if "metric" in sheet.columns:
        others["metric"] = texts(coded(sheet.columns["metric"]).map(lambda cell: text_of(cell) or METRIC), keep)
    for field, column in tidy_measures.fields_in(sheet.columns):
        told = tidy_measures.values(sheet, column, field, log, keep.tolist())
        others[field] = pa.array(told, contracts.SCORES.field(field).type)
    return score_table(
        sheet,
        prompts,
        ScoreColumns(
            candidates=texts(names, keep),
            prompt_ids=texts(ids, keep),
            scores=values[keep],
            rows=np.asarray(sheet.rows, dtype=np.int64)[keep],
            others=others,
        ),
        lengths,
    )


def _is_text(column: Sequence[object]) -> bool:
    if isinstance(column, Numbers):
        return False
    told = [cell for cell in coded(column).distinct if cell not in (None, "")]
    return bool(told) and all(isinstance(cell, str) for cell in told) and any(number(cell) is None for cell in told)


def _meant(sheet: TableSheet) -> str:
    return tidy_prompts.meant("prompt_id", {name: [] for name in sheet.columns if name not in COLUMNS})


def _read(sheet: TableSheet, layout: LongLayout) -> list[str]:
    return [
        layout.model,
        layout.score,
        "metric",
        *(column for _, column in tidy_measures.fields_in(sheet.columns)),
        *row_numbers(sheet),
    ]
