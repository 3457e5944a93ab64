"""Reader of tidy tables: `prompts` and `scores` side by side as Parquet, CSV or gzip CSV, and a `models.csv`.

`scores` is wide: a row per prompt, a column per candidate, numbers in [0, 1]; an empty cell or NaN means that the
candidate was not run. `out_chars`, where present, has the shape of `scores` and the answer lengths in characters.
`usage`, where present, has mean answer lengths in characters (model, benchmark, mean_chars): an answer whose own length
is not in `out_chars` takes that mean, so that the lengths of a benchmark add up to what was logged.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelsat.data import candidate_facts, contracts
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.readers.harvest import Harvest, reject, rejects_table
from modelsat.io.storage import SourceFile
from modelsat.text.rendering import digest, stem_digest

HARNESS = "tidy-table"
METRIC = "score"
CHARACTERS_PER_TOKEN = 4.0

_NOT_RUN = {"", "nan", "na", "null", "none"}
# Of a frame whose rows were filtered or sorted before it was written: numbers of rows, no candidate's scores.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
_PARTS = re.compile(r"(prompts|scores|out_chars|usage|models)[\w.-]*?\.(parquet|csv|csv\.gz)")


def claims(names: Iterable[str]) -> bool:
    """Say whether a folder with these file names holds tidy tables."""
    return any(match and match[1] == "scores" for match in map(_PARTS.fullmatch, names))


def read(files: list[SourceFile]) -> Harvest:
    """Read one folder of tidy tables."""
    rejects: list[dict[str, object]] = []
    sheets: dict[str, list[_TableSheet]] = {"prompts": [], "scores": [], "out_chars": [], "usage": [], "models": []}
    for file in files:
        match = _PARTS.fullmatch(PurePosixPath(file.name).name)
        if match:
            sheet = _open(file, rejects)
            if sheet is not None:
                sheets[match[1]].append(sheet)
    prompts = _prompts(sheets["prompts"], rejects)
    lengths, means = _lengths(sheets["out_chars"]), _mean_lengths(sheets["usage"])
    scores = pa.concat_tables(
        [_scores(sheet, prompts, lengths, means, rejects) for sheet in sheets["scores"]]
        or [contracts.SCORES.empty_table()]
    )
    candidates = _candidates(sheets["models"], scores, rejects)
    return Harvest(scores, prompts, candidates, rejects_table(rejects), licences=_licences(files))


def _licences(files: list[SourceFile]) -> tuple[str, ...]:
    """Return the lines of the README beside the tables that speak of licences: they travel with the question text."""
    lines = []
    for file in files:
        if PurePosixPath(file.name).name.lower() == "readme.md":
            text = file.path.read_text(encoding="utf-8", errors="replace")
            lines += [line.strip("* \t") for line in text.splitlines() if re.search(r"licen[cs]e", line, re.IGNORECASE)]
    return tuple(lines)


@dataclass(frozen=True)
class _TableSheet:
    """A rectangular file: its columns, and the line or row number of each row as a person would count it."""

    file: SourceFile
    columns: dict[str, list[object]]
    rows: list[int]


def _open(file: SourceFile, rejects: list[dict[str, object]]) -> "_TableSheet | None":
    try:
        if file.name.endswith(".parquet"):
            table = pq.read_table(file.path, partitioning=None)
            names = [name for name in table.column_names if not _PANDAS_INDEX.fullmatch(name)]
            columns = {name: table[name].to_pylist() for name in names}
            return _TableSheet(file, columns, list(range(1, table.num_rows + 1)))
        return _open_csv(file, rejects)
    except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error) as error:
        rejects.append(
            reject(file.uri, f"the file is damaged or not what its name says ({error}); copy it again from its source")
        )
        return None


def _open_csv(file: SourceFile, rejects: list[dict[str, object]]) -> _TableSheet:
    raw = file.path.read_bytes()
    if file.name.endswith(".gz"):
        raw = gzip.decompress(raw)
    text = raw.decode("utf-8-sig", "surrogateescape")
    csv.field_size_limit(2**30)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        reason = f"the columns {', '.join(map(repr, twice))} stand twice; keep the right one"
        rejects.append(reject(file.uri, reason, 1, twice[0]))
        return _TableSheet(file, {}, [])
    rows, numbers, first_line = [], [], 2
    for row in reader:
        line, first_line = first_line, reader.line_num + 1
        if not row:
            continue
        if len(row) != len(header):
            reason = f"the row has {len(row)} of {len(header)} fields; the file may be cut off, copy it again"
            rejects.append(reject(file.uri, reason, line))
        elif any(not _is_unicode(cell) for cell in row):
            rejects.append(reject(file.uri, "the row is not UTF-8; save the file as UTF-8", line))
        else:
            rows.append(row)
            numbers.append(line)
    return _TableSheet(file, {name: [row[i] for row in rows] for i, name in enumerate(header)}, numbers)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)


def _prompts(sheets: list[_TableSheet], rejects: list[dict[str, object]]) -> pa.Table:
    rows: list[dict[str, object]] = []
    for sheet in sheets:
        missing = {"benchmark", "prompt"} - sheet.columns.keys()
        if missing:
            reason = f"the prompts have no column {', '.join(sorted(missing))}; add it"
            rejects.append(reject(sheet.file.uri, reason))
            continue
        names = ("prompt_id", "benchmark", "category", "prompt", "choices", "answer", "scorer")
        empty: list[object] = [None] * len(sheet.rows)
        cells = zip(*(sheet.columns.get(name, empty) for name in names), strict=True)
        for line, (prompt_id, benchmark, task, prompt, choices, answer, scorer) in zip(sheet.rows, cells, strict=True):
            options = _options(choices)
            if not prompt or not benchmark or options is _MALFORMED:
                reason = "a prompt needs a benchmark, a text, and choices as a JSON list of strings or none"
                rejects.append(
                    reject(sheet.file.uri, reason, line, "choices" if options is _MALFORMED else "prompt", choices)
                )
                continue
            rows.append(
                {
                    "prompt_id": _text(prompt_id) or digest(f"{benchmark}\n{task}\n{prompt}\n{choices}"),
                    "stem_digest": stem_digest(str(prompt), options),
                    "benchmark": _text(benchmark),
                    "task": _text(task) or _text(benchmark),
                    "prompt": _text(prompt),
                    "choices": options,
                    "answer": _text(answer),
                    "scorer": _text(scorer),
                }
            )
    return contracts.from_rows(rows, contracts.PROMPTS)


def _text(cell: object) -> str | None:
    return None if cell is None or cell == "" else str(cell)


_MALFORMED: list[str] = ["malformed"]


def _options(cell: object) -> list[str] | None:
    if cell is None or cell == "":
        return None
    try:
        value = json.loads(cell) if isinstance(cell, str) else list(cell)  # type: ignore[call-overload]
    except (ValueError, TypeError):
        return _MALFORMED
    if value is None:
        return None
    return [str(option) for option in value] if isinstance(value, list) else _MALFORMED


def _scores(
    sheet: _TableSheet,
    prompts: pa.Table,
    lengths: dict[tuple[str, str], float],
    means: dict[tuple[str, str], float],
    rejects: list[dict[str, object]],
) -> pa.Table:
    if "prompt_id" not in sheet.columns:
        rejects.append(reject(sheet.file.uri, "the scores have no column prompt_id; add it"))
        return contracts.SCORES.empty_table()
    ids = [str(value) for value in sheet.columns["prompt_id"]]
    names = [name for name in sheet.columns if name != "prompt_id"]
    usable = []
    for name in names:
        fault = fault_in_candidate(name)
        if fault is None:
            usable.append(name)
        else:
            rejects.append(reject(sheet.file.uri, fault, None, "candidate", name))
    values = np.column_stack([_numbers(sheet, name, rejects) for name in usable] or [np.empty((len(ids), 0))])
    rows, columns = np.nonzero(~np.isnan(values))
    taken = np.asarray(ids, dtype=object)[rows]
    position = pc.index_in(pa.array(taken, pa.string()), value_set=prompts["prompt_id"].combine_chunks())
    size = len(rows)
    # A score whose prompt is unknown stays: the validator names it.
    benchmarks = pc.fill_null(prompts["benchmark"].take(position), "unknown")
    characters = [
        lengths.get((ids[row], usable[column]), means.get((benchmark, usable[column])))
        for row, column, benchmark in zip(rows, columns, benchmarks.to_pylist(), strict=True)
    ]
    table = pa.table(
        {
            "candidate": pa.array(np.asarray(usable, dtype=object)[columns], pa.string()),
            "benchmark": benchmarks,
            "task": pc.fill_null(prompts["task"].take(position), "unknown"),
            "prompt_id": pa.array(taken, pa.string()),
            "score": values[rows, columns],
            "metric": _repeat(METRIC, size),
            "tokens_out": pa.array(
                [None if length is None else round(length / CHARACTERS_PER_TOKEN) for length in characters], pa.int32()
            ),
            "harness": _repeat(HARNESS, size),
            "source_uri": _repeat(sheet.file.uri, size),
            "source_row": np.asarray(sheet.rows, dtype=np.int64)[rows],
            "source_digest": _repeat(sheet.file.digest, size),
            "collected_at": pa.array([datetime.now(UTC)] * size, pa.timestamp("us", tz="UTC")),
        }
    )
    return contracts.conform(table, contracts.SCORES)


def _repeat(value: str, size: int) -> pa.Array:
    return pa.array([value], pa.string()).take(pa.array(np.zeros(size, dtype=np.int64)))


def _numbers(sheet: _TableSheet, name: str, rejects: list[dict[str, object]]) -> np.ndarray:
    out = np.full(len(sheet.rows), np.nan)
    for i, (line, cell) in enumerate(zip(sheet.rows, sheet.columns[name], strict=True)):
        if cell is None or (isinstance(cell, str) and cell.strip().lower() in _NOT_RUN):
            continue
        try:
            out[i] = float(cell)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            reason = f"the score of {name!r} is not a number; write a number in [0, 1] or leave the cell empty"
            rejects.append(reject(sheet.file.uri, reason, line, name, cell))
    return out


def _lengths(sheets: list[_TableSheet]) -> dict[tuple[str, str], float]:
    lengths = {}
    for sheet in sheets:
        ids = sheet.columns.get("prompt_id", [])
        for name, cells in sheet.columns.items():
            if name != "prompt_id":
                for prompt_id, cell in zip(ids, cells, strict=True):
                    length = _length(cell)
                    if length is not None:
                        lengths[str(prompt_id), name] = length
    return lengths


def _mean_lengths(sheets: list[_TableSheet]) -> dict[tuple[str, str], float]:
    means = {}
    for sheet in sheets:
        empty: list[object] = [None] * len(sheet.rows)
        columns = (sheet.columns.get(name, empty) for name in ("benchmark", "model", "mean_chars"))
        for benchmark, model, cell in zip(*columns, strict=True):
            length = _length(cell)
            if length is not None:
                means[str(benchmark), str(model)] = length
    return means


def _length(cell: object) -> float | None:
    try:
        length = float(str(cell))
    except ValueError:
        return None
    return length if 0 <= length < 1e9 else None


def _candidates(sheets: list[_TableSheet], scores: pa.Table, rejects: list[dict[str, object]]) -> pa.Table:
    rows: dict[str, dict[str, object]] = {
        name: {"candidate": name} for name in pc.unique(scores["candidate"]).to_pylist()
    }
    for sheet in sheets:
        names = sheet.columns.get("model", sheet.columns.get("candidate"))
        if names is None:
            rejects.append(reject(sheet.file.uri, "the models have no column model; add it"))
            continue
        for i, (line, name) in enumerate(zip(sheet.rows, names, strict=True)):
            cells = {column: values[i] for column, values in sheet.columns.items() if values[i] not in (None, "")}
            fault = fault_in_candidate(name)
            try:
                facts = candidate_facts.parse(cells)
            except (ValueError, OverflowError) as error:
                fault = f"a fact about {name!r} is not readable ({error}); correct it or leave the cell empty"
            if fault is None:
                rows.setdefault(str(name), {"candidate": name}).update(facts)
            else:
                rejects.append(reject(sheet.file.uri, fault, line, "model", name))
    return contracts.from_rows([rows[name] for name in sorted(rows)], contracts.CANDIDATES)
