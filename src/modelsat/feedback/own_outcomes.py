"""The operator's own outcomes: `outcomes*.csv` and `outcomes*.parquet` with `id` or `request_id`, and `score`.

An unreadable cell makes only its own row faulty.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from modelsat.feedback import log
from modelsat.io.storage import SourceFile

Fault = tuple[SourceFile, int | None, str]

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_TRUTHS = {"true": 1.0, "false": 0.0}


def read(file: SourceFile) -> tuple[list[tuple[str, float]], list[Fault]]:
    """Return the scores by id of an answer or of a request, and the faults by line."""
    try:
        header, rows = _parquet(file) if file.name.endswith(".parquet") else _csv(file)
        listed = list(rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        return [], [(file, None, f"the outcomes are not readable ({error}); copy the file again")]
    key = next((name for name in ("id", "request_id") if name in header), None)
    if key is None or "score" not in header:
        reason = "the outcomes need a column 'score' and one of 'id' and 'request_id'; add them"
        if len(header) == 1 and ";" in header[0]:
            reason = "the outcomes are separated by semicolons; save the file separated by commas"
        return [], [(file, None, reason)]
    scores: list[tuple[str, float]] = []
    faults: list[Fault] = []
    for number, row in listed:
        name, score = row.get(key), _score(row.get("score"))
        if len(row) != len(header):
            faults.append((file, number, f"the row has {len(row)} of {len(header)} fields; correct it"))
        elif name in (None, "") or score is None:
            shown = row.get("score")
            faults.append((file, number, f"the row needs an id and a score in [0, 1], not {shown!r}; correct it"))
        else:
            scores.append((str(name), score))
    return scores, faults


def _csv(file: SourceFile) -> tuple[list[str], Iterator[tuple[int, dict[str, object]]]]:
    text = file.path.read_bytes().decode("utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip() for name in next(reader, [])]
    return header, _csv_rows(reader, header)


def _csv_rows(reader: Iterable[list[str]], header: list[str]) -> Iterator[tuple[int, dict[str, object]]]:
    line = 2
    for row in reader:
        if row:
            named: dict[str, object] = dict(zip(header, (cell.strip() for cell in row), strict=False))
            surplus = {f"field {i}": cell for i, cell in enumerate(row) if i >= len(header)}
            yield line, named | surplus
        line = reader.line_num + 1  # type: ignore[attr-defined]


def _parquet(file: SourceFile) -> tuple[list[str], Iterator[tuple[int, dict[str, object]]]]:
    table = pq.read_table(file.path, partitioning=None)
    return table.column_names, enumerate(table.to_pylist(), start=1)


def _score(cell: object) -> float | None:
    if isinstance(cell, bool):
        return float(cell)
    if isinstance(cell, str):
        text = cell.strip()
        cell = _TRUTHS.get(text.lower(), float(text) if _NUMBER.fullmatch(text) else None)
    return float(cell) if log.is_share(cell) else None  # type: ignore[arg-type]
