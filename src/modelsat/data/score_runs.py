"""Scores in short that wait for their merge: in memory while they are few, then on disk, candidate by candidate.

A run on disk is a file of Arrow with a batch of rows per candidate, so that the rows of any candidates can be read
without the others.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from modelsat.data import contracts, short_scores
from modelsat.data.short_scores import MEASURES, ScoreBooks, ShortScores
from modelsat.data.usual_shots import UsualShots
from modelsat.io.atomic import naming_full_disk

HELD = 2**22
"""So many rows are held in memory, and merged at once: 32 bytes each, and some 100 while they are sorted."""
_NUMBERS = {"prompt": pa.int32(), "place": pa.int32(), "origin": pa.int32(), "row": pa.int64()}


class ScoreRuns:
    """Rows of scores, to which others can be added, and which come back by candidate.

    Attributes:
        shots: What was counted of them.
    """

    def __init__(self, books: ScoreBooks, folder: Path) -> None:
        """Take no rows yet.

        Args:
            books: What the numbers of all rows stand for.
            folder: Receives the runs.
        """
        self.shots = UsualShots()
        self._books = books
        self._folder = folder
        self._held: list[ShortScores] = []
        self._rows = 0
        self._runs: list[_Run] = []

    def add(self, scores: ShortScores) -> None:
        """Add rows.

        Raises:
            ResourceError: The disk is full.
        """
        if self._held and self._rows + len(scores) > HELD:
            self._runs.append(self._run())
        self._held.append(scores)
        self._rows += len(scores)

    def ranges(self, order: Sequence[int]) -> Iterator[ShortScores]:
        """Return all rows once, of some candidates at a time; those of one candidate stand in the order of `add`.

        Args:
            order: The numbers of all candidates; those of a range are neighbours in it.
        """
        if not self._runs and self._rows <= HELD:
            yield self._taken()
            return
        self._runs.append(self._run())
        there: list[int] = []
        rows = 0
        for candidate in order:
            there.append(candidate)
            rows += sum(run.rows_of(candidate) for run in self._runs)
            if rows >= HELD:
                yield self._of(there)
                there, rows = [], 0
        if there:
            yield self._of(there)
        while self._runs:
            self._runs.pop().remove()

    def _of(self, candidates: Sequence[int]) -> ShortScores:
        return short_scores.joined([part for run in self._runs for part in run.read(candidates)])

    def _taken(self) -> ShortScores:
        """Return the rows that are held and let go of them."""
        held = short_scores.joined(self._held)
        self._held, self._rows = [], 0
        self.shots.add(held, self._books)
        return held

    def _run(self) -> "_Run":
        path = self._folder / f"run-{len(self._runs)}.arrow"
        with naming_full_disk(path):
            return _Run(path, self._taken())


class _Run:
    """Rows in a file."""

    def __init__(self, path: Path, scores: ShortScores) -> None:
        counts = np.bincount(scores.candidate)
        numbers = np.flatnonzero(counts)
        self._sizes = counts[numbers].tolist()
        self._batch = {candidate: i for i, candidate in enumerate(numbers.tolist())}
        # Short numbers are sorted in one pass.
        short = scores.candidate.astype(np.uint16) if len(counts) <= 2**16 else scores.candidate
        order = np.argsort(short, kind="stable")
        kinds = {"score": pa.float64(), **{name: contracts.SCORES.field(name).type for name in scores.measures}}
        schema = pa.schema({**_NUMBERS, **kinds})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for rows in np.split(order, np.cumsum(self._sizes)[:-1]):
                part = short_scores.taken(scores, rows)
                columns = [*(pa.array(getattr(part, name)) for name in _NUMBERS), part.score, *part.measures.values()]
                writer.write_batch(pa.record_batch(columns, schema=schema))
        self._path = path
        # Not mapped into memory: what was read would stay there.
        self._file = pa.ipc.open_file(pa.OSFile(str(path)))

    def remove(self) -> None:
        self._path.unlink()

    def rows_of(self, candidate: int) -> int:
        place = self._batch.get(candidate)
        return 0 if place is None else int(self._sizes[place])

    def read(self, candidates: Sequence[int]) -> Iterator[ShortScores]:
        for candidate in candidates:
            if candidate in self._batch:
                batch = self._file.get_batch(self._batch[candidate])
                numbers = {name: batch.column(name).to_numpy() for name in _NUMBERS}
                measures = {name: batch.column(name) for name in MEASURES if name in batch.schema.names}
                number = np.full(batch.num_rows, candidate, dtype=np.int32)
                yield ShortScores(candidate=number, **numbers, score=batch.column("score"), measures=measures)
