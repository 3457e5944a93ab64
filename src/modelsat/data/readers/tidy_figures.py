"""Several figures of one answer in a wide table of scores, such as `qwen_score` and `qwen_cost`."""

import re
from collections.abc import Sequence

from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.table_files import TableSheet
from modelsat.data.readers.tidy_measures import FIELDS
from modelsat.data.remarks import Remark

_SCORES = r"is_correct|correct|score|acc|accuracy|exact_match|em|f1|performance|passed|success"
_MEASURES = "|".join(re.escape(one) for names in FIELDS.values() for one in names)
_OTHERS = (
    rf"{_MEASURES}|(?:total_|input_|output_|prompt_|completion_|response_)?(?:cost|price|tokens?|latency|time|duration|length|chars)"
    r"(?:_usd|_s|_ms|_seconds)?|response|output|prediction|pred|generation"
)
_BETWEEN = r"[_ .|:/-]"


def with_scores_alone(sheet: TableSheet, names: Sequence[str], log: ReadingLog) -> TableSheet:
    """Return a wide table whose columns of scores have their candidates' names, without further figures of them.

    Args:
        sheet: The table.
        names: Columns that may be renamed or left out.
        log: Receives a note on what is renamed and left out.
    """
    scores, others = _split(sheet, names)
    clashing = set(scores.values()) & set(sheet.columns)
    if clashing or not (scores or others):
        return sheet
    if scores:
        shown = ", ".join(f"{name!r} as {base!r}" for name, base in list(scores.items())[:3])
        log.note(Remark.COLUMN_RENAMED, f"columns of {sheet.file.uri!r} are read under the candidates' names: {shown}")
    measured = [name for name in others if _field(name)]
    unread = [name for name in others if name not in measured]
    if measured:
        shown = ", ".join(f"{name!r} as {_field(name)}" for name in measured[:3])
        log.note(
            Remark.COLUMN_RENAMED,
            f"{sheet.file.uri!r} has further figures of its candidates that are read as measured: {shown}",
        )
    if unread:
        shown = ", ".join(map(repr, unread[:10]))
        log.note(
            Remark.COLUMN_NOT_READ,
            f"{sheet.file.uri!r} has further figures of its candidates that are not read: {shown}",
        )
    columns = {scores.get(name, name): cells for name, cells in sheet.columns.items() if name not in others}
    return TableSheet(sheet.file, columns, sheet.rows)


def measures_in(sheet: TableSheet, names: Sequence[str]) -> dict[str, TableSheet]:
    """Return the dollars, tokens and seconds in a wide table of scores, by field a table with a column per candidate.

    Args:
        sheet: The table of scores, as it was read.
        names: As of `with_scores_alone`.
    """
    found: dict[str, dict[str, Sequence[object]]] = {}
    for name in _split(sheet, names)[1]:
        field, candidate = _field(name), _base(name, _OTHERS)
        if field and candidate and "prompt_id" in sheet.columns:
            columns = found.setdefault(field, {"prompt_id": sheet.columns["prompt_id"]})
            columns.setdefault(candidate, sheet.columns[name])
    return {field: TableSheet(sheet.file, columns, sheet.rows) for field, columns in found.items()}


def _split(sheet: TableSheet, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the columns of scores with their candidates, and the columns of other figures of these candidates."""
    scores = {name: base for name in names if (base := _base(name, _SCORES))}
    # One such name may be a model's own.
    scores = scores if len(scores) > 1 and len(set(scores.values())) == len(scores) else {}
    known = {*sheet.columns, *scores.values()}
    return scores, [name for name in names if name not in scores and _base(name, _OTHERS) in known]


def _field(name: str) -> str | None:
    """Return which measure a column of a candidate holds, None where its unit is not certain."""
    return next(
        (field for field, written in FIELDS.items() for one in written if _base(name, re.escape(one))),
        None,
    )


def _base(name: str, figures: str) -> str | None:
    """Return the candidate in a column's name, None where the name is not of a candidate and a figure."""
    found = re.fullmatch(
        rf"(?P<base>.+?){_BETWEEN}(?:{figures})|(?:{figures}){_BETWEEN}(?P<rest>.+)", name, re.IGNORECASE
    )
    return (found["base"] or found["rest"]) if found else None
