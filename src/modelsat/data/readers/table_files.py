"""Rectangular files: Parquet, CSV and JSON Lines, each opened as columns with the row numbers a person would count."""

import csv
import gzip
import io
import json
import re
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modelsat.data.readers import cells
from modelsat.data.readers.cells import CellsBuilder
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.remarks import Remark
from modelsat.data.written_numbers import number
from modelsat.io.storage import SourceFile

ENDINGS = r"(parquet|csv|csv\.gz|jsonl|jsonl\.gz)"
MOST_BYTES = 2**31
"""A file that unpacks to more than this is refused: a few kilobytes of gzip or Parquet can ask for all memory."""
MOST_CELLS = 500_000_000

_DAMAGED = "the file is damaged or not what its name says ({}); copy it again from its source"
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# The numbers of the rows, as pandas and R write them beside the columns.
_INDEX = re.compile(
    r"__index_level_\d+__|unnamed: \d+(\.\d+)*|index|idx|#|level_\d+|\.\.\.1|rownames"
    r"|row(_?(id|idx|index|nr|no|num|number))?"
)

_NUMBERED = ("id", "no", "nr", "n", "num", "number", "sno", "s.no", "seq", "order", "position")


@dataclass(frozen=True)
class TableSheet:
    """A rectangular file: its columns, and the line or row number of each row as a person would count it."""

    file: SourceFile
    columns: Mapping[str, Sequence[object]]
    rows: Sequence[int]

    def cells(self, *names: str) -> Iterable[tuple[object, ...]]:
        """Return the cells of these columns row by row; None where a column is absent."""
        empty: Sequence[object] = [None] * len(self.rows)
        return zip(*(self.columns.get(name, empty) for name in names), strict=True)


def open_sheet(file: SourceFile, known: Iterable[str], log: ReadingLog) -> TableSheet | None:
    """Open a file of a table.

    Args:
        file: Parquet, CSV or JSON Lines, the latter two also in gzip.
        known: Columns that have a meaning. They are found in any case and with spaces or hyphens for underscores.
        log: Receives what cannot be read, and a remark on a file that may be cut.

    Returns:
        The table, or None where the file as a whole cannot be read.
    """
    name = PurePosixPath(file.name).name.lower()
    try:
        if name.endswith(".parquet"):
            sheet = _open_parquet(file, log)
        else:
            with _opened(file, newline="\n" if "jsonl" in name.split(".") else "") as text:
                sheet = _open_json_lines(file, text, log) if "jsonl" in name.split(".") else _open_csv(file, text, log)
    except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error, _TooLargeError) as error:
        log.reject(file.uri, str(error) if isinstance(error, _TooLargeError) else _DAMAGED.format(error))
        return None
    except _FormatError as fault:
        log.reject(file.uri, str(fault))
        return None
    return None if sheet is None else _canonical(sheet, set(known), log)


def row_numbers(sheet: TableSheet) -> list[str]:
    """Return the columns that number the rows and are no data."""
    first = next(iter(sheet.columns), None)
    return [
        name
        for name, column in sheet.columns.items()
        if _INDEX.fullmatch(name.lower())
        or (not name and (name == first or all(cell in (None, "") for cell in column)))
        or (name.lower() in _NUMBERED and _counts(column))
    ]


def _counts(column: Sequence[object]) -> bool:
    """Say whether a column counts the rows, from 0 or from 1."""
    return len(column) > 2 and any(all(number(cell) == i + start for i, cell in enumerate(column)) for start in (0, 1))


class _TooLargeError(Exception):
    """The file unpacks to more than is read."""


class _FormatError(Exception):
    """The file is whole but written in another way."""


def _open_parquet(file: SourceFile, log: ReadingLog) -> TableSheet | None:
    facts = pq.read_metadata(file.path)
    size = sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups))
    _check_size(max(size, facts.num_rows * facts.num_columns * MOST_BYTES // MOST_CELLS))
    table = pq.read_table(file.path, partitioning=None)
    columns: dict[str, Sequence[object]] = {}
    bad: dict[int, str] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns[name] = cells.of_arrow(column)
        except UnicodeDecodeError:
            # Arrow does not look into the bytes of a text.
            column = column.cast(pa.large_binary())
        if "binary" in str(column.type):
            texts = column.to_pylist()
            for i, cell in enumerate(texts):
                try:
                    texts[i] = _decoded(cell)
                except UnicodeDecodeError:
                    bad.setdefault(i, name)
            columns[name] = texts
    if _repeated(file, table.column_names, None, log):
        return TableSheet(file, {}, [])
    for row, name in sorted(bad.items()):
        reason = f"column {name!r} holds bytes that are no UTF-8 text; write it as text"
        log.reject(file.uri, reason, row + 1, name)
    return _without(TableSheet(file, columns, range(1, table.num_rows + 1)), bad)


def _decoded(cell: object) -> object:
    """Return the value with text for bytes, at any depth."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8")
    if isinstance(cell, list | tuple):
        return type(cell)(_decoded(one) for one in cell)
    if isinstance(cell, dict):
        return {name: _decoded(one) for name, one in cell.items()}
    return cell


def _without(sheet: TableSheet, rows: Iterable[int]) -> TableSheet:
    gone = set(rows)
    if not gone:
        return sheet
    kept = [i for i in range(len(sheet.rows)) if i not in gone]
    columns: dict[str, Sequence[object]] = {name: [one[i] for i in kept] for name, one in sheet.columns.items()}
    return TableSheet(sheet.file, columns, [sheet.rows[i] for i in kept])


def _opened(file: SourceFile, newline: str) -> io.TextIOWrapper:
    """Open a text whose bytes that are no UTF-8 stand as halves of surrogate pairs."""
    if file.name.lower().endswith(".gz"):
        with gzip.open(file.path) as unpacked:
            _check_size(_unpacked_size(unpacked))
        raw: Any = gzip.open(file.path)  # noqa: SIM115 - closed by the wrapper that is returned
    else:
        _check_size(file.path.stat().st_size)
        raw = file.path.open("rb")
    start = raw.read(2)
    raw.seek(0)
    if start in _UTF_16:
        raw.close()
        raise _FormatError("the file is UTF-16, as spreadsheets write 'Unicode text'; save it as UTF-8")
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _unpacked_size(unpacked: gzip.GzipFile) -> int:
    """Return how long the text is, without keeping it, as far as it matters."""
    size = 0
    while size <= MOST_BYTES and (part := unpacked.read(2**20)):
        size += len(part)
    return size


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise _TooLargeError(f"the file unpacks to more than {MOST_BYTES:,} bytes; split it into smaller files")


def _open_csv(file: SourceFile, text: Iterable[str], log: ReadingLog) -> TableSheet | None:
    csv.field_size_limit(2**30)
    reader = csv.reader(text, strict=True)
    header = [name.strip() for name in next(reader, [])]
    if len(header) == 1:
        for separator, word in _OTHER_SEPARATORS.items():
            if separator in header[0]:
                raise _FormatError(f"the file is separated by {word}; save it separated by commas, with decimal points")
    if _repeated(file, header, 1, log):
        return TableSheet(file, {}, [])
    # A long table repeats each prompt for every model: one copy of a text is enough.
    columns = [CellsBuilder() for _ in header]
    numbers, first_line = array("q"), 2
    whole = False
    for row in reader:
        line, first_line = first_line, reader.line_num + 1
        if not row:
            continue
        whole = len(row) == len(header) and all(_is_unicode(cell) for cell in row)
        if whole:
            for column, cell in zip(columns, row, strict=True):
                column.add(cell)
            numbers.append(line)
        elif len(row) != len(header):
            reason = f"the row has {len(row)} of {len(header)} fields; the file may be cut off, copy it again"
            log.reject(file.uri, reason, line)
        else:
            log.reject(file.uri, "the row is not UTF-8; save the file as UTF-8", line)
    if whole:
        _note_open_end(file, numbers[-1], log)
    return TableSheet(file, {name: columns[i].cells() for i, name in enumerate(header)}, numbers)


def _open_json_lines(file: SourceFile, text: Iterable[str], log: ReadingLog) -> TableSheet:
    columns: dict[str, CellsBuilder] = {}
    numbers = array("q")
    for line, content in enumerate(text, start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content, object_pairs_hook=_each_once) if _is_unicode(content) else None
            if "\\u" in content:
                # JSON can spell half a surrogate pair, which is no text.
                json.dumps(row, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            for name, cell in row.items():
                column = columns.setdefault(name, CellsBuilder())
                column.fill(len(numbers))
                column.add(cell)
            numbers.append(line)
        else:
            log.reject(
                file.uri, "the line is not a JSON object in UTF-8 with each field once; write one object per line", line
            )
    for column in columns.values():
        column.fill(len(numbers))
    return TableSheet(file, {name: column.cells() for name, column in columns.items()}, numbers)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field stands twice")
    return fields


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)


def _note_open_end(file: SourceFile, line: int, log: ReadingLog) -> None:
    """Say that a CSV ends within its last line: that is allowed, and what a copy that broke off looks like, too."""
    if file.name.lower().endswith(".gz"):
        return  # a packed file that is not whole cannot be unpacked
    with file.path.open("rb") as raw:
        raw.seek(-1, io.SEEK_END)
        # A closing quote is the end of a field that is whole.
        is_open = raw.read(1) not in b'\r\n"'
    if is_open:
        log.note(
            Remark.LAST_LINE_OPEN,
            f"{file.uri!r} does not end with a line break: if it was cut off, its last row (line {line}) is not what "
            "it was; compare it with its source",
        )


def _repeated(file: SourceFile, names: list[str], line: int | None, log: ReadingLog) -> bool:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        reason = f"the columns {', '.join(map(repr, twice))} stand twice; keep the right one"
        log.reject(file.uri, reason, line, twice[0])
    return bool(twice)


def _canonical(sheet: TableSheet, known: set[str], log: ReadingLog) -> TableSheet | None:
    """Give known columns their known names."""
    names = {name: re.sub(r"[\s-]+", "_", name.strip().lower()) for name in sheet.columns}
    columns = {
        (names[name] if names[name] in known and name not in known else name): column
        for name, column in sheet.columns.items()
    }
    if len(columns) < len(sheet.columns):
        same = sorted(
            name for name in sheet.columns if names[name] in known and list(names.values()).count(names[name]) > 1
        )
        shown = ", ".join(map(repr, same))
        log.reject(sheet.file.uri, f"the columns {shown} are the same in lower case; keep the right one", None, same[0])
        return None
    return TableSheet(sheet.file, columns, sheet.rows)
