"""Scores of all sources become one file: some candidates at a time, in the order of their names.

The order of the file is that of candidate, prompt and metric, and all rules look at the rows of one candidate and at
counts of all. So memory holds what was read last, and the rows of the candidates at hand.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from modelsat.data import contracts, measures, repeated_notes, repeated_scores, short_scores, table_blocks
from modelsat.data.repeated_notes import Repetitions
from modelsat.data.score_ranks import ScoreRanks
from modelsat.data.score_runs import ScoreRuns
from modelsat.data.short_scores import ScoreBooks, ShortScores


class ScoreMerge:
    """Takes scores as they are read, writes them merged, and says then what became of them.

    Attributes:
        rejects: Rows in conflict.
    """

    def __init__(self, folder: Path) -> None:
        """Take no scores yet.

        Args:
            folder: An empty one, for rows that do not fit into memory.
        """
        self.rejects: list[dict[str, object]] = []
        self._books = ScoreBooks()
        self._runs = ScoreRuns(self._books, folder)
        self._candidates: set[int] = set()
        self._origins: set[int] = set()
        self._disbelieved: dict[str, list[str]] = {field: [] for field in measures.MOST}
        self._counts: Repetitions = {}

    def add(self, scores: pa.Table) -> None:
        """Take rows of the contract `SCORES`; their texts may be dictionary columns.

        Raises:
            ResourceError: The disk is full.
        """
        self._runs.add(short_scores.shorten(scores, self._books))

    def write(self, path: Path) -> None:
        """Write all rows that stand; once, when all were added."""
        table_blocks.write(short_scores.blocks(self._settled(), self._books), path, contracts.SCORES)

    @property
    def candidates(self) -> set[str]:
        """Return the candidates that have scores."""
        names = self._books.candidates.values
        return {names[number] for number in self._candidates}

    @property
    def files(self) -> list[str]:
        """Return the files that gave scores, as often as they have origins."""
        uris = self._books.column("source_uri")
        return [uris[number] for number in sorted(self._origins)]

    @property
    def read(self) -> list[str]:
        """Return the files that hold scores, those that repeat others or gave way included."""
        return self._books.column("source_uri")

    @property
    def notes(self) -> list[str]:
        """Return sentences on what is not believed, what was counted once and what gave way."""
        disbelieved = [note for said in self._disbelieved.values() for note in said]
        return disbelieved + repeated_notes.notes(self._counts, self._books)

    def _settled(self) -> Iterator[tuple[ShortScores, np.ndarray]]:
        ranks = ScoreRanks(self._books, self._runs.shots)
        for rows in self._runs.ranges(np.argsort(short_scores.ranks(self._books.candidates.values)).tolist()):
            scores, disbelieved = measures.believed(rows, self._books)
            settled = repeated_scores.settle(scores, ranks)
            self._candidates.update(np.unique(settled.scores.candidate[settled.order]).tolist())
            self._origins.update(np.unique(settled.scores.origin[settled.order]).tolist())
            self.rejects += settled.rejects
            self._counts |= settled.counts
            for field, said in disbelieved.items():
                self._disbelieved[field] += said
            yield settled.scores, settled.order
            # They would be in memory beside the next.
            del rows, scores, settled
