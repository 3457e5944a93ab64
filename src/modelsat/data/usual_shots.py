"""With how many examples before the question each task was asked, and of how many candidates."""

from collections import defaultdict

import numpy as np
import pyarrow.compute as pc

from modelsat.data import short_scores
from modelsat.data.short_scores import Numbering, ScoreBooks, ShortScores


class UsualShots:
    """Counts rows by task, number of examples and candidate, while they come."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int | None], dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, scores: ShortScores, books: ScoreBooks) -> None:
        """Count rows; a candidate counts wherever it has a row, a row where it has a score.

        Args:
            scores: Some of a collection's rows.
            books: What their numbers stand for.
        """
        tasks, shots, candidates = Numbering(), Numbering(), max(len(books.candidates), 1)
        task, kind = tasks.of(books.column("task")).astype(np.int64), shots.of(books.column("num_fewshot"))
        if not len(scores):
            return
        key = (task[scores.place] * len(shots) + kind[scores.origin]) * candidates + scores.candidate
        codes, found = short_scores.distinct_numbers(key, len(tasks) * len(shots) * candidates)
        counts = np.bincount(codes[pc.is_valid(scores.score).to_numpy(zero_copy_only=False)], minlength=len(found))
        names, kinds = tasks.values, shots.values
        for one, count in zip(found.tolist(), counts.tolist(), strict=True):
            usual, candidate = divmod(one, candidates)
            self._rows[names[usual // len(shots)], kinds[usual % len(shots)]][candidate] += count

    def ranks(self, books: ScoreBooks) -> np.ndarray:
        """Return the rank of each place's task with each origin's number of examples, int64 (places, origins' kinds).

        The highest has most candidates, then most scores, then fewest examples. Columns are in the order of
        `Numbering().of(books.column("num_fewshot"))`.
        """
        order = [
            (len(counts), sum(counts.values()), -np.inf if shots is None else -shots)
            for (_, shots), counts in self._rows.items()
        ]
        rank = dict(zip(self._rows, short_scores.ranks(order).tolist(), strict=True))
        kinds = list(dict.fromkeys(books.column("num_fewshot")))
        table = [[rank.get((task, shots), -1) for shots in kinds] for task in books.column("task")]
        return np.asarray(table, dtype=np.int64)
