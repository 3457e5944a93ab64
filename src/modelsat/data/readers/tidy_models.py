"""Candidates of tidy tables: `models.csv`, a row per candidate."""

from collections.abc import Iterable

import pyarrow as pa

from modelsat.data import candidate_facts, contracts
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.table_files import TableSheet
from modelsat.data.readers.tidy_prompts import text_of
from modelsat.data.remarks import Remark

NAMES = ("model", "candidate")
COLUMNS = (*NAMES, *candidate_facts.COLUMNS)


def facts_of(sheets: list[TableSheet], log: ReadingLog) -> dict[str, dict[str, object]]:
    """Return what the models tables say, by candidate."""
    rows: dict[str, dict[str, object]] = {}
    for sheet in sheets:
        names = next((sheet.columns[name] for name in NAMES if name in sheet.columns), None)
        if names is None:
            log.reject(sheet.file.uri, "the models have no column model; add it")
            continue
        _name_misspelt(sheet, log)
        for i, (line, cell) in enumerate(zip(sheet.rows, names, strict=True)):
            name = cell.strip() if isinstance(cell, str) else cell
            cells = {column: values[i] for column, values in sheet.columns.items() if values[i] not in (None, "")}
            fault = fault_in_candidate(name)
            facts: dict[str, object] = {}
            try:
                facts = candidate_facts.parse(cells)
            except (ValueError, OverflowError) as error:
                fault = f"a fact about {name!r} is not readable ({error}); correct it or leave the cell empty"
            if fault is None and str(name) in rows:
                fault = f"candidate {name!r} stands there twice; keep one row"
            if fault is None:
                rows[str(name)] = facts
            else:
                log.reject(sheet.file.uri, fault, line, "model", name)
    return rows


def listed_in(sheets: list[TableSheet]) -> set[str]:
    """Return every name that the models tables list, of rows with faults and aliases, too."""
    listed: set[str] = set()
    for sheet in sheets:
        for name, aliases in sheet.cells(next((one for one in NAMES if one in sheet.columns), NAMES[0]), "aliases"):
            listed.add((text_of(name) or "").strip())
            listed.update(candidate_facts.names_in(aliases))
    return listed - {""}


def candidates_of(facts: dict[str, dict[str, object]], scored: Iterable[str]) -> pa.Table:
    """Return a table of the contract `CANDIDATES`: those that are listed and those that have scores."""
    rows = {name: {"candidate": name, **facts.get(name, {})} for name in {*facts, *scored}}
    return contracts.from_rows([rows[name] for name in sorted(rows)], contracts.CANDIDATES)


def _name_misspelt(sheet: TableSheet, log: ReadingLog) -> None:
    for column in sheet.columns:
        close = candidate_facts.near_miss(column) if column not in COLUMNS else None
        if close:
            log.note(
                Remark.COLUMN_NOT_READ, f"column {column!r} of {sheet.file.uri!r} is not read; is {close!r} meant?"
            )
