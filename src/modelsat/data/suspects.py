"""The rows that break the data contract, picked out of millions: Great Expectations judges these alone.

Every row that could break an expectation is counted, and the first thousand of each kind are in the frame, with file
and row where they have one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import score_matrix
from modelsat.data.collection import Collection
from modelsat.data.short_scores import Numbering

NO_NUMBER, OUT_OF_RANGE, TWICE = "no number", "out of range", "twice"
UNKNOWN_PROMPT, UNKNOWN_CANDIDATE = "unknown prompt", "unknown candidate"
EMPTY, LONG = "empty", "long"
_MOST = 1000
_SHIFT = 32
"""Bits of a prompt's number in the number of a candidate and a prompt."""


@dataclass
class Suspects:
    """Rows that may break an expectation, in the order of their table.

    Attributes:
        counts: How many rows there are of each kind, those that are not in the frame included.
    """

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _tables: list[pa.Table] = field(default_factory=list)
    _places: list[np.ndarray] = field(default_factory=list)

    def add(self, table: pa.Table, start: int, kinds: dict[str, np.ndarray]) -> None:
        """Take rows of a table.

        Args:
            table: Some rows.
            start: Place of the first of them among all.
            kinds: Which rows are suspect, by kind.
        """
        taken: list[np.ndarray] = []
        for kind, wrong in kinds.items():
            rows = np.flatnonzero(wrong)
            taken.append(rows[: max(_MOST - self.counts[kind], 0)])
            self.counts[kind] += len(rows)
        rows = np.unique(np.concatenate(taken))
        self._tables.append(table.take(pa.array(rows)))
        self._places.append(start + rows)

    def frame(self) -> Any:
        """Return the rows as a data frame, each once."""
        frame = pd.concat([_plain(table) for table in self._tables])
        _, first = np.unique(np.concatenate(self._places), return_index=True)
        return frame.iloc[first].reset_index(drop=True)


def of_scores(collection: Collection) -> Suspects:
    """Return scores that are no number or out of range, on unknown prompts, of unknown candidates, or twice there."""
    found = Suspects()
    columns = ("source_uri", "source_row", "candidate", "prompt_id", "metric", "score")
    known = _Known(collection.prompts["prompt_id"]), _Known(collection.candidates["candidate"])
    repeated = _Repeated()
    start = 0
    for block in collection.blocks(*columns):
        ids, names = known[0].numbers(block["prompt_id"]), known[1].numbers(block["candidate"])
        repeated.add(names << _SHIFT | ids)
        scores = pc.fill_null(block["score"], np.nan).to_numpy()
        missing = np.isnan(scores)
        kinds = {
            NO_NUMBER: missing,
            OUT_OF_RANGE: ~(missing | ((scores >= 0) & (scores <= 1))),
            UNKNOWN_PROMPT: ids >= known[0].size,
            UNKNOWN_CANDIDATE: names >= known[1].size,
        }
        found.add(block, start, kinds)
        start += len(ids)
    twice = repeated.keys()
    if twice is None:
        twice = _repeated(np.concatenate(list(_keys(collection, *known))))
    if len(twice):
        start = 0
        for block in collection.blocks(*columns):
            ids, names = known[0].numbers(block["prompt_id"]), known[1].numbers(block["candidate"])
            found.add(block, start, {TWICE: np.isin(names << _SHIFT | ids, twice)})
            start += len(ids)
    if not start:
        found.add(collection.scores.select(list(columns)), 0, {TWICE: np.empty(0, dtype=bool)})
    return found


def of_prompts(prompts: pa.Table, longest: int) -> Suspects:
    """Return the prompts that stand twice, are empty or long.

    Args:
        prompts: Table of the contract `PROMPTS`.
        longest: Longer ones are suspect, in characters.
    """
    characters = pc.utf8_length(prompts["prompt"])
    table = prompts.select(["prompt_id", "prompt"]).append_column("characters", characters)
    length = characters.to_numpy()
    ids = Numbering().of(prompts["prompt_id"].to_pylist())
    found = Suspects()
    twice = np.isin(ids, _repeated(ids.copy()))
    found.add(table, 0, {TWICE: twice, EMPTY: length < 1, LONG: length > longest})
    return found


class _Known:
    """Numbers names: those of a table by their place in it, others beyond."""

    def __init__(self, names: pa.ChunkedArray) -> None:
        self._names: Sequence[str] = names.to_pylist()
        self._others = Numbering()
        self.size = len(self._names)

    def numbers(self, column: pa.ChunkedArray) -> np.ndarray:
        found = score_matrix.positions(column, self._names)
        strange = np.flatnonzero(found < 0)
        if len(strange):
            found[strange] = self.size + self._others.of(column.take(pa.array(strange)).to_pylist())
        return found


def _keys(collection: Collection, prompts: _Known, candidates: _Known) -> Iterator[np.ndarray]:
    for block in collection.blocks("candidate", "prompt_id"):
        yield candidates.numbers(block["candidate"]) << _SHIFT | prompts.numbers(block["prompt_id"])


class _Repeated:
    """Finds the keys that stand more than once while they pass, as long as they ascend, as those of a merge do."""

    def __init__(self) -> None:
        self._last = np.empty(0, dtype=np.int64)
        self._found: list[np.ndarray] = []
        self._ascend = True

    def add(self, keys: np.ndarray) -> None:
        """Take the next keys."""
        known = np.concatenate([self._last, keys])
        steps = np.diff(known)
        self._ascend = self._ascend and bool((steps >= 0).all())
        self._found.append(np.unique(known[1:][steps == 0]))
        self._last = known[-1:]

    def keys(self) -> np.ndarray | None:
        """Return the keys, ascending; None where keys did not ascend, so that equal ones may stand far apart."""
        return np.unique(np.concatenate([self._last[:0], *self._found])) if self._ascend else None


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Return the keys that stand more than once; the array is sorted in place."""
    keys.sort()
    return np.unique(keys[1:][keys[1:] == keys[:-1]])


def _plain(table: pa.Table) -> Any:
    """Return a data frame whose texts are texts."""
    plain = [column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in table.columns]
    return pa.table(plain, names=table.column_names).to_pandas(strings_to_categorical=False)
