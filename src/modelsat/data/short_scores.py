"""Scores in short: a row has a number for whatever it repeats, and what is repeated stands once.

A row of the contract `SCORES` names its candidate, its prompt and where it comes from in some hundred bytes. Here it
has a number for its candidate, its prompt, its benchmark and task (its *place*) and all that a run or a file has in
common (its *origin*), beside its score, its row in the file and what was measured: 32 bytes, and eight a measure.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts, table_blocks
from modelsat.data.table_blocks import BLOCK

PLACE = ("benchmark", "task")
ORIGIN = ("metric", "num_fewshot", "harness", "harness_version", "source_uri", "source_digest", "collected_at")
MEASURES = ("tokens_in", "tokens_out", "cost_usd", "latency_seconds")
_FLAGGED = 2**26
"""Up to so many possible combinations are looked up in a table, more are sorted."""


class Numbering:
    """Gives each distinct value a number, in the order in which values come."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def values(self) -> list[Any]:
        """Return the values in the order of their numbers."""
        return list(self._numbers)

    def of(self, values: Iterable[Hashable]) -> np.ndarray:
        """Return the numbers of values, int32; a value that is new gets the next number."""
        known = self._numbers
        return np.asarray([known.setdefault(value, len(known)) for value in values], dtype=np.int32)


@dataclass
class ScoreBooks:
    """What numbers stand for, for all scores of one collection: names, prompt ids, places and origins."""

    candidates: Numbering = field(default_factory=Numbering)
    prompts: Numbering = field(default_factory=Numbering)
    places: Numbering = field(default_factory=Numbering)
    origins: Numbering = field(default_factory=Numbering)

    def column(self, name: str) -> list[Any]:
        """Return a column of the contract `SCORES` by the number of the place or origin that it belongs to."""
        book, names = (self.places, PLACE) if name in PLACE else (self.origins, ORIGIN)
        at = names.index(name)
        return [value[at] for value in book.values]


@dataclass
class ShortScores:
    """Rows of scores, all arrays of the same length.

    Attributes:
        candidate: Number of the candidate, int32; so `prompt`, `place` and `origin`.
        prompt: Of the prompt.
        place: Of benchmark and task.
        origin: Of `ORIGIN`.
        score: float64, null or NaN where the source says so.
        row: Row in its file, int64.
        measures: Those of `MEASURES` that any row has.
    """

    candidate: np.ndarray
    prompt: np.ndarray
    place: np.ndarray
    origin: np.ndarray
    score: pa.Array
    row: np.ndarray
    measures: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.row)


def shorten(scores: pa.Table, books: ScoreBooks) -> ShortScores:
    """Return scores in short.

    Args:
        scores: Table of the contract `SCORES`; its texts may be dictionary columns.
        books: Get what is new.
    """
    candidate, names = _coded(scores["candidate"])
    prompt, ids = _coded(scores["prompt_id"])
    return ShortScores(
        books.candidates.of(names)[candidate],
        books.prompts.of(ids)[prompt],
        _combined(scores, PLACE, books.places),
        _combined(scores, ORIGIN, books.origins),
        _whole(scores["score"]),
        _whole(scores["source_row"]).to_numpy(zero_copy_only=False),
        {name: _whole(scores[name]) for name in MEASURES if scores[name].null_count < scores.num_rows},
    )


def joined(parts: Sequence[ShortScores]) -> ShortScores:
    """Return the rows of all parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    names = [name for name in MEASURES if any(name in part.measures for part in parts)]
    kinds = {name: contracts.SCORES.field(name).type for name in names}
    arrays = (
        np.concatenate([np.empty(0, dtype), *(getattr(part, name) for part in parts)])
        for name, dtype in (("candidate", "i4"), ("prompt", "i4"), ("place", "i4"), ("origin", "i4"), ("row", "i8"))
    )
    candidate, prompt, place, origin, row = arrays
    score = pa.concat_arrays([pa.array([], pa.float64()), *(part.score for part in parts)])
    measures = {
        name: pa.concat_arrays([part.measures.get(name, pa.nulls(len(part), kinds[name])) for part in parts])
        for name in names
    }
    return ShortScores(candidate, prompt, place, origin, score, row, measures)


def taken(scores: ShortScores, rows: np.ndarray) -> ShortScores:
    """Return some rows, in the order of `rows`."""
    places = pa.array(rows)
    return ShortScores(
        scores.candidate[rows],
        scores.prompt[rows],
        scores.place[rows],
        scores.origin[rows],
        scores.score.take(places),
        scores.row[rows],
        {name: column.take(places) for name, column in scores.measures.items()},
    )


def blocks(parts: Iterable[tuple[ShortScores, np.ndarray]], books: ScoreBooks) -> Iterator[pa.Table]:
    """Return rows as tables of the contract `SCORES`, `BLOCK` rows each, whose texts are dictionary columns.

    Args:
        parts: Rows, with which of them to return in which order.
        books: What their numbers stand for; everything is in it when the first part comes.
    """
    spelling: dict[str, _Spelling] = {}
    waiting: list[ShortScores] = []
    for short, order in parts:
        spelling = spelling or _spelling(books)
        start = 0
        while start < len(order):
            rows = order[start : start + BLOCK - sum(map(len, waiting))]
            waiting.append(taken(short, rows))
            start += len(rows)
            if sum(map(len, waiting)) == BLOCK:
                yield _spelt(joined(waiting), spelling)
                waiting = []
        del short, order
    if waiting:
        yield _spelt(joined(waiting), spelling)


@dataclass(frozen=True)
class _Spelling:
    """What the numbers of a column stand for.

    Attributes:
        values: Distinct ones, ascending, so that a file does not depend on what was read first.
        places: By number the place of its value among them, -1 for a missing one; int32.
    """

    values: pa.Array
    places: np.ndarray

    @classmethod
    def of(cls, told: Sequence[Any], kind: pa.DataType) -> "_Spelling":
        distinct = pa.array(told, kind).dictionary_encode()
        order = pc.sort_indices(distinct.dictionary).to_numpy()
        place = np.full(len(order) + 1, -1, dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        numbers = distinct.indices.fill_null(len(order)).to_numpy(zero_copy_only=False)
        return cls(distinct.dictionary.take(pa.array(order)), place[numbers])

    def column(self, numbers: np.ndarray) -> pa.DictionaryArray:
        """Return a dictionary column that has each value once, and only those which occur."""
        places = self.places[numbers]
        missing = places < 0
        used = np.zeros(len(self.values) + 1, dtype=bool)
        used[places] = True
        used = used[:-1]
        codes = np.append(np.cumsum(used, dtype=np.int32) - 1, np.int32(0))[places]
        indices = pa.array(codes, mask=missing if missing.any() else None)
        return pa.DictionaryArray.from_arrays(indices, self.values.filter(pa.array(used)))


def _spelling(books: ScoreBooks) -> dict[str, _Spelling]:
    """Return what numbers stand for, by column of the contract."""
    told = {name: books.column(name) for name in (*PLACE, *ORIGIN)}
    told |= {"candidate": books.candidates.values, "prompt_id": books.prompts.values}
    return {name: _Spelling.of(values, contracts.SCORES.field(name).type) for name, values in told.items()}


def _spelt(short: ShortScores, spelling: Mapping[str, _Spelling]) -> pa.Table:
    codes = {"candidate": short.candidate, "prompt_id": short.prompt}
    codes |= dict.fromkeys(PLACE, short.place) | dict.fromkeys(ORIGIN, short.origin)
    numbers: dict[str, pa.Array] = {"score": short.score, "source_row": pa.array(short.row), **short.measures}
    schema = table_blocks.with_dictionaries(contracts.SCORES)
    columns = []
    for one in schema:
        if one.name in codes:
            column = spelling[one.name].column(codes[one.name])
            columns.append(column if pa.types.is_dictionary(one.type) else column.dictionary_decode())
        else:
            columns.append(numbers[one.name] if one.name in numbers else pa.nulls(len(short), one.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _combined(scores: pa.Table, names: Sequence[str], book: Numbering) -> np.ndarray:
    """Return the number of each row's values in some columns."""
    total, sizes, values, parts = 1, [], [], []
    for name in names:
        codes, distinct = _coded(scores[name])
        parts.append(codes)
        values.append(distinct)
        sizes.append(max(len(distinct), 1))
        total *= sizes[-1]
    if total == 1 and scores.num_rows:
        return np.broadcast_to(book.of([tuple(column[0] for column in values)]), scores.num_rows).copy()
    codes = np.zeros(scores.num_rows, dtype=np.int64)
    held: list[tuple[Any, ...]] = [()]
    for column, size, distinct in zip(parts, sizes, values, strict=True):
        if size == 1:
            held = [(*one, *distinct) for one in held]
            continue
        codes, found = distinct_numbers(codes * size + column, len(held) * size)
        held = [(*held[one // size], distinct[one % size]) for one in found.tolist()]
    return book.of(held)[codes] if scores.num_rows else np.empty(0, dtype=np.int32)


def distinct_numbers(numbers: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each number its place among the distinct ones, and these, ascending.

    Args:
        numbers: Whole numbers in [0, bound).
        bound: Beyond all of them.
    """
    if bound > _FLAGGED:
        found, codes = np.unique(numbers, return_inverse=True)
        return codes, found
    used = np.zeros(bound, dtype=bool)
    used[numbers] = True
    found = np.flatnonzero(used)
    places = np.zeros(bound, dtype=np.int64)
    places[found] = np.arange(len(found))
    return places[numbers], found


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[Any]]:
    """Return a column as numbers of its distinct values, null being one, and these values."""
    whole = _whole(column)
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode(null_encoding="encode")
    values = whole.dictionary.to_pylist()
    indices = whole.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values = [*values, None]
    return indices.to_numpy(zero_copy_only=False), values


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks > 1 and pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def ranks(values: Iterable[Any], key: Any = None) -> np.ndarray:
    """Return the place of each value among all in ascending order; equal ones share it.

    Args:
        values: Comparable, or made so by `key`.
        key: Of one value; None takes the value itself.
    """
    keys = [value if key is None else key(value) for value in values]
    place: Mapping[Any, int] = {value: i for i, value in enumerate(sorted(set(keys)))}
    return np.asarray([place[one] for one in keys], dtype=np.int64)
