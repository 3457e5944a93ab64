"""Prompts of tidy tables: what was asked, of which benchmark and category, with which options."""

import difflib
import math
import re
from collections.abc import Iterable

import pyarrow as pa

from modelsat.data import contracts
from modelsat.data.readers import tidy_pictures
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.options import options_of
from modelsat.data.readers.table_files import TableSheet, row_numbers
from modelsat.data.readers.tidy_pictures import PictureColumn
from modelsat.data.remarks import Remark
from modelsat.text.blank import is_blank
from modelsat.text.pictures import PictureError
from modelsat.text.rendering import digest, stem_digest

COLUMNS = ("prompt_id", "benchmark", "category", "task", "prompt", "choices", "answer", "scorer", tidy_pictures.COLUMN)
_SERIES = ("abcdefghij", "0123456789", "123456789")
_OPTION = re.compile(r"(?:(?:option|choice|opt)[_ ]?)?([a-j])|(?:option|choice|opt)[_ ]?([0-9])")
_REQUIRED = ("benchmark", "prompt")
# What pandas writes for a missing text that was turned into text.
_MISSING = {"nan", "none", "null", "<na>"}
_NEEDS = "a prompt needs a benchmark, a text, and choices as a JSON list of strings or none"


def prompts_of(sheets: list[TableSheet], log: ReadingLog) -> pa.Table:
    """Return the prompts of all sheets as a table of the contract `PROMPTS`."""
    rows: list[dict[str, object]] = []
    for sheet in sheets:
        missing = [name for name in _REQUIRED if name not in sheet.columns]
        if missing:
            found = ", ".join(f"{name}{meant(name, sheet.columns)}" for name in sorted(missing))
            log.reject(sheet.file.uri, f"the prompts have no column {found}; add it")
            continue
        pictures = PictureColumn(sheet, log)
        for line, cells in zip(sheet.rows, sheet.cells(*COLUMNS), strict=True):
            row = _row(pictures, line, dict(zip(COLUMNS, cells, strict=True)))
            if row is not None:
                rows.append(row)
    return contracts.from_rows(rows, contracts.PROMPTS)


def with_ids(sheet: TableSheet) -> TableSheet:
    """Return a table that has its prompts' text with ids of its own making, where it has none."""
    if "prompt_id" in sheet.columns or "prompt" not in sheet.columns:
        return sheet
    names = ("benchmark", "category", "prompt", "choices", tidy_pictures.COLUMN)
    ids: list[object] = [_id(*cells) if cells[2] else None for cells in sheet.cells(*names)]
    return TableSheet(sheet.file, {"prompt_id": ids, **sheet.columns}, sheet.rows)


def with_options(sheet: TableSheet) -> TableSheet:
    """Return a table with its options in one column, where each has a column of its own: A, B, ... or option_a, ..."""
    if "choices" in sheet.columns:
        return sheet
    if "options" in sheet.columns:
        columns = {"choices" if name == "options" else name: cells for name, cells in sheet.columns.items()}
        return TableSheet(sheet.file, columns, sheet.rows)
    found: dict[str, str] = {}
    for name in sheet.columns:
        match = _OPTION.fullmatch(name.strip().lower())
        if match:
            found.setdefault(match[1] or match[2], name)
    named = next((_named(found, series) for series in _SERIES if len(_named(found, series)) > 1), [])
    if not named:
        return sheet
    options = [_without_blanks_at_the_end(cells) for cells in sheet.cells(*named)]
    columns = {name: cells for name, cells in sheet.columns.items() if name not in named}
    return TableSheet(sheet.file, {**columns, "choices": list(options)}, sheet.rows)


def _named(found: dict[str, str], series: str) -> list[str]:
    """Return the columns of the options under a series of letters or numbers, none where there are gaps in it."""
    labels = "".join(label for label in series if label in found)
    return [found[label] for label in labels] if series.startswith(labels) else []


def _without_blanks_at_the_end(cells: tuple[object, ...]) -> list[str | None] | None:
    """Return options; a gap stays, since an answer names what comes behind it by its place."""
    texts = [text_of(cell) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return texts or None


def name_unread(sheet: TableSheet, known: tuple[str, ...], log: ReadingLog) -> None:
    """Name the columns that are not read: a misspelt one would be missing without a word."""
    surplus = [name for name in sheet.columns if name not in known and name not in row_numbers(sheet)]
    if surplus:
        shown = ", ".join(f"{name!r}{_instead(name, known)}" for name in surplus[:10])
        log.note(Remark.COLUMN_NOT_READ, f"{sheet.file.uri!r} has columns that are not read: {shown}")


def meant(name: str, columns: Iterable[str]) -> str:
    """Return a remark on the column that may be meant by `name`, empty where none is like it."""
    close = difflib.get_close_matches(name, [column for column in columns if column not in COLUMNS], 1, 0.75)
    return f" (is {close[0]!r} meant?)" if close else ""


def _instead(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name.lower(), known, 1, 0.8)
    return f" (is {close[0]!r} meant?)" if close else ""


def _row(pictures: PictureColumn, line: int, cells: dict[str, object]) -> dict[str, object] | None:
    sheet, log = pictures.sheet, pictures.log
    for name in ("prompt_id", "benchmark", "category", "task", "prompt", "answer", "scorer"):
        if isinstance(cells[name], list | tuple | dict):
            reason = f"the {name} is nested; write it as one text"
            log.reject(sheet.file.uri, reason, line, name, cells[name])
            return None
    prompt, benchmark = text_of(cells["prompt"]), text_of(cells["benchmark"])
    if not prompt or is_blank(prompt) or not benchmark or is_blank(benchmark):
        log.reject(sheet.file.uri, _NEEDS, line, "prompt", cells["choices"])
        return None
    if prompt.strip().lower() in _MISSING:
        reason = f"the prompt is {prompt!r}, which is written for a missing text; add the text or remove the row"
        log.reject(sheet.file.uri, reason, line, "prompt", prompt)
        return None
    try:
        options = options_of(cells["choices"])
    except ValueError as fault:
        log.reject(sheet.file.uri, f"{_NEEDS}; {fault}", line, "choices", cells["choices"])
        return None
    try:
        seen = pictures.pictures_of(cells[tidy_pictures.COLUMN])
    except PictureError as fault:
        log.reject(sheet.file.uri, f"the picture {fault}", line, tidy_pictures.COLUMN, cells[tidy_pictures.COLUMN])
        return None
    task = text_of(cells["category"]) or text_of(cells["task"])
    stem, named = stem_digest(prompt, options), (benchmark, cells["category"], prompt, cells["choices"])
    return {
        "prompt_id": id_of(cells["prompt_id"]) or _id(*named, cells[tidy_pictures.COLUMN]),
        # The same words about another picture are another question.
        "stem_digest": digest(f"{stem}\n{seen.image}") if seen else stem,
        "benchmark": benchmark,
        "task": task or benchmark,
        "prompt": prompt,
        "choices": options,
        "answer": text_of(cells["answer"]),
        "scorer": text_of(cells["scorer"]),
        "image": seen.image if seen else None,
        "image_text": seen.image_text if seen else None,
    }


def _id(benchmark: object, category: object, prompt: object, choices: object, image: object) -> str:
    seen = f"\n{image}" if text_of(image) else ""
    return digest(f"{benchmark}\n{category}\n{prompt}\n{choices}{seen}")


def id_of(cell: object) -> str | None:
    """Return a prompt's id, None where it is missing; space around it, as some programs write, is no part of it."""
    return (text_of(cell) or "").strip() or None


def text_of(cell: object) -> str | None:
    """Return a cell as text, None where it is missing; a whole number that Parquet holds as a float has no point."""
    if cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)):
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
