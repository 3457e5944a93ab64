"""What answers cost, in tidy tables: dollars, tokens and seconds per prompt and candidate, beside the scores.

They stand in the columns of a long table of scores, in a long table `measures` (`prompt_id, model` and any of the
columns below), in wide tables `cost_usd`, `tokens_in`, `tokens_out` and `latency_seconds` of the shape of a wide
`scores`, or in the columns of a wide `scores` itself (`ada_score, ada_cost`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from modelsat.data import contracts
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.table_files import TableSheet
from modelsat.data.readers.tidy_prompts import id_of, name_unread, text_of
from modelsat.data.remarks import Remark
from modelsat.data.written_numbers import number

WHOLE = {
    "tokens_in": ("tokens_in", "input_tokens", "prompt_tokens"),
    "tokens_out": ("tokens_out", "output_tokens", "completion_tokens"),
}
REAL = {
    "cost_usd": ("cost_usd", "cost", "total_cost"),
    "latency_seconds": ("latency_seconds", "latency_s"),
}
FIELDS = WHOLE | REAL
"""Columns of the contract `SCORES`, each with the names under which people write it.

A time has its unit in its name: `latency` is seconds to one and milliseconds to another. Costs are US dollars.
"""
MODEL = ("model", "candidate", "model_name", "llm", "model_id")
LONG = "measures"

Measured = dict[tuple[str, str], dict[str, float | int]]
"""By prompt id and candidate what was measured of the answer, by field."""


def fields_in(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return (field, column) of each measure that a table has a column for."""
    known = set(names)
    pairs = ((field, next((one for one in written if one in known), None)) for field, written in FIELDS.items())
    return [(field, column) for field, column in pairs if column is not None]


def values(
    sheet: TableSheet, column: str, field: str, log: ReadingLog, keep: Sequence[int] | None = None
) -> list[float | int | None]:
    """Return a column's numbers, None for an empty cell; one note tells of all cells that are no number from 0 on.

    Args:
        sheet: The table.
        column: Of it.
        field: What it holds: a name of `FIELDS`.
        log: Receives the note.
        keep: Rows to read; None for all.
    """
    cells = sheet.columns[column]
    found: list[float | int | None] = []
    bad = []
    for i in range(len(cells)) if keep is None else keep:
        cell = cells[i]
        value = None if cell is None or (isinstance(cell, str) and not cell.strip()) else number(cell)
        if value is not None and 0 <= value < 2**31:
            found.append(round(value) if field in WHOLE else value)
            continue
        found.append(None)
        if (value is None and isinstance(cell, str) and cell.strip()) or (value is not None and value == value):
            bad.append(sheet.rows[i])
    if bad:
        rows = f"row {bad[0]}" if len(bad) == 1 else f"{len(bad):,} rows, the first being row {bad[0]},"
        log.note(
            Remark.FIGURE_NOT_READ,
            f"{rows} of {sheet.file.uri!r}: {column} is no number of at least 0 and is left out; correct it",
        )
    return found


def read(sheets: Mapping[str, Sequence[TableSheet]], log: ReadingLog) -> Measured:
    """Read the tables beside the scores: `measures`, and one of the shape of `scores` for each field.

    Args:
        sheets: Tables by what their file is called.
        log: Receives notes.
    """
    found: Measured = defaultdict(dict)
    contradicted: set[tuple[str, str, str]] = set()

    def add(prompt_id: str | None, candidate: str, field: str, value: float | int | None) -> None:
        if prompt_id is None or not candidate or value is None:
            return
        known = found[prompt_id, candidate]
        if known.setdefault(field, value) != value:
            contradicted.add((prompt_id, candidate, field))

    for sheet in sheets.get(LONG, ()):
        model = next((name for name in MODEL if name in sheet.columns), None)
        fields = fields_in(sheet.columns)
        if model is None or "prompt_id" not in sheet.columns or not fields:
            log.reject(sheet.file.uri, f"the table needs columns prompt_id, model and one of {', '.join(FIELDS)}")
            continue
        name_unread(sheet, ("prompt_id", model, *(column for _, column in fields)), log)
        ids = [id_of(cell) for cell in sheet.columns["prompt_id"]]
        names = [(text_of(cell) or "").strip() for cell in sheet.columns[model]]
        for field, column in fields:
            for one, name, value in zip(ids, names, values(sheet, column, field, log), strict=True):
                add(one, name, field, value)
    for field in FIELDS:
        for sheet in sheets.get(field, ()):
            if "prompt_id" not in sheet.columns:
                log.reject(sheet.file.uri, "the table has no column prompt_id; add it")
                continue
            ids = [id_of(cell) for cell in sheet.columns["prompt_id"]]
            for name in sheet.columns:
                if name != "prompt_id":
                    for one, value in zip(ids, values(sheet, name, field, log), strict=True):
                        add(one, name, field, value)
    for prompt_id, candidate, field in contradicted:
        del found[prompt_id, candidate][field]
    if contradicted:
        first = min(contradicted)
        log.note(
            Remark.MEASURES_CONTRADICT,
            f"{len(contradicted):,} measures have two values, such as {first[2]} of {first[1]!r} on {first[0]!r}, and "
            "none of them is used; keep the right one",
        )
    return dict(found)


def beside(scores: pa.Table, measured: Measured, log: ReadingLog) -> pa.Table:
    """Return scores with what was measured of the same answers; where a score has such a value itself, it stands.

    Lengths that were only told in characters give way to counted tokens.

    Args:
        scores: Table of the contract `SCORES`.
        measured: As of `read`.
        log: Receives a note on measures of answers that have no score.
    """
    if not measured:
        return scores
    keys = list(zip(scores["prompt_id"].to_pylist(), scores["candidate"].to_pylist(), strict=True))
    lost = measured.keys() - set(keys)
    if lost:
        first = min(lost)
        log.note(
            Remark.MEASURES_WITHOUT_SCORE,
            f"measures of {len(lost):,} answers have no score, such as {first[1]!r} on {first[0]!r}; left out",
        )
    for field in FIELDS:
        told = [measured.get(key, {}).get(field) for key in keys]
        if any(value is not None for value in told):
            own = scores[field].to_pylist()
            # `tokens_out` may come from characters, which a counted length replaces.
            merged = [
                (value if mine is None or (field == "tokens_out" and value is not None) else mine)
                for mine, value in zip(own, told, strict=True)
            ]
            column = pa.array(merged, contracts.SCORES.field(field).type)
            scores = scores.set_column(scores.schema.get_field_index(field), contracts.SCORES.field(field), column)
    return scores
