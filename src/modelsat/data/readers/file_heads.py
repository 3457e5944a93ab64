"""The beginning of a file, by which formats are told apart: names of columns, or the first characters."""

import csv
import gzip
import io
import json
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from modelsat.io.storage import SourceFile

_LENGTH = 64 * 1024


@dataclass(frozen=True)
class Head:
    """What a file begins with.

    Attributes:
        name: Of the file, in lower case.
        folders: Names of the folders above it, innermost last.
        columns: Of a table, or the fields of the first line of JSON Lines.
        text: The first 64 KiB, empty for Parquet.
    """

    name: str
    folders: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    text: str = ""


def head_of(file: SourceFile) -> Head:
    """Read the beginning of a file; of a damaged one it is empty."""
    path = PurePosixPath(file.name)
    name, folders = path.name.lower(), path.parent.parts
    try:
        if name.endswith(".parquet"):
            return Head(name, folders, tuple(pq.read_schema(file.path).names))
        with gzip.open(file.path) if name.endswith(".gz") else file.path.open("rb") as opened:
            text = opened.read(_LENGTH).decode("utf-8-sig", "replace")
    except (pa.ArrowException, OSError, EOFError, zlib.error):
        return Head(name, folders)
    plain = name.removesuffix(".gz")
    if plain.endswith((".csv", ".tsv")):
        try:
            header = next(csv.reader(io.StringIO(text, newline="")), [])
        except csv.Error:
            header = []
        return Head(name, folders, tuple(column.strip() for column in header), text)
    if plain.endswith((".jsonl", ".json", ".ndjson")):
        return Head(name, folders, _fields(text), text)
    return Head(name, folders, (), text)


def _fields(text: str) -> tuple[str, ...]:
    """Return the fields of the first object of JSON Lines, or of a list of objects."""
    start = text.lstrip().removeprefix("[").lstrip()
    try:
        first, _ = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return ()
    return tuple(first) if isinstance(first, dict) else ()
