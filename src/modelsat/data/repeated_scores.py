"""One score per candidate, prompt and metric, where several runs or files give one.

Equal scores are one row, counted. Of different scores stands, in this order:

1. the number of examples before the question that most candidates have on the task, then that of most rows, then the
   fewest examples, which is nearest to what a router's clients send;
2. the newest version of the harness;
3. the file with more results of that candidate on the benchmark, so a whole run before a limited one;
4. the run of the latest date, where the harness writes dates.

What one of several rows with the same score says of cost, tokens and time completes the row that stands.

A difference that remains is a conflict, and both rows go among the rejects, named. The order in which files are listed
never decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from modelsat.data import measures, repeated_notes, short_scores
from modelsat.data.readers.harvest import reject
from modelsat.data.repeated_notes import Repetitions
from modelsat.data.score_ranks import ScoreRanks
from modelsat.data.short_scores import ScoreBooks, ShortScores

SAME_SCORE = 1e-6


@dataclass(frozen=True)
class SettledScores:
    """Scores without repetition.

    Attributes:
        scores: The rows, some with measures that they had not themselves.
        order: The rows that stand, one per (candidate, prompt, metric), in the order of these names.
        rejects: Rows in conflict.
        counts: What was counted once and what gave way, for `repeated_notes.notes`.
    """

    scores: ShortScores
    order: np.ndarray
    rejects: list[dict[str, object]]
    counts: Repetitions


def settle(scores: ShortScores, ranks: ScoreRanks) -> SettledScores:
    """Keep one score per (candidate, prompt, metric) by the rule at the top of this module.

    Args:
        scores: All rows of some candidates.
        ranks: Of the whole collection.
    """
    order, starts = _grouped(scores, ranks)
    ends = np.r_[starts[1:], len(order)]
    doubled = np.flatnonzero(ends - starts > 1)
    if not len(doubled):
        return SettledScores(scores, order, [], {})
    sizes = (ends - starts)[doubled]
    bounds = np.r_[0, np.cumsum(sizes)[:-1]]
    where = np.repeat(starts[doubled] - bounds, sizes) + np.arange(sizes.sum())
    group = np.repeat(np.arange(len(doubled)), sizes)
    rows = order[where].astype(np.int64)
    rows = rows[np.lexsort((scores.row[rows], ranks.uri[scores.origin[rows]], group))]
    order[where] = rows
    found = _Doubled(scores, ranks.books, rows, group, bounds)
    standing = found.standing(_criteria(scores, ranks, rows))
    kept, beaten = found.kept(standing)
    stays = np.ones(len(order), dtype=bool)
    stays[where] = False
    stays[where[kept[kept >= 0]]] = True
    counts = repeated_notes.counted(scores, rows, bounds, kept, beaten)
    scores = measures.completed(scores, ranks.books, found.rows, found.group, found.starts, kept)
    return SettledScores(scores, order[stays], found.conflicts(standing, kept), counts)


def _grouped(scores: ShortScores, ranks: ScoreRanks) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in the order of candidate, prompt and metric, and where in it each such group begins."""
    size = len(scores)
    key = ranks.candidate[scores.candidate]
    key *= max(len(ranks.prompt), 1)
    key += ranks.prompt[scores.prompt]
    kinds = int(ranks.metric.max(initial=0)) + 1
    if kinds > 1:
        key *= kinds
        key += ranks.metric[scores.origin]
    bits = max(size, 1).bit_length()
    if int(key.max(initial=0)).bit_length() + bits < 63:
        # A sort of numbers takes a fraction of the time of one that returns the order.
        key <<= bits
        key |= np.arange(size)
        key.sort()
        order = (key & ((1 << bits) - 1)).astype(np.int32 if bits < 32 else np.int64)
        key >>= bits
    else:
        order = np.argsort(key, kind="stable")
        key = key[order]
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if size else np.empty(0, dtype=np.int64)
    return order, starts


@dataclass(frozen=True)
class _Criterion:
    """What decides between rows: the highest value; it does not decide where `told` is False for one of them."""

    values: np.ndarray
    told: np.ndarray


def _criteria(scores: ShortScores, ranks: ScoreRanks, rows: np.ndarray) -> list[_Criterion]:
    """Return the criteria in their order, for the rows that have a rival."""
    everywhere = np.ones(len(rows), dtype=bool)
    origin = scores.origin[rows]
    return [
        _Criterion(ranks.shots(scores, rows), everywhere),
        _Criterion(ranks.version[origin], everywhere),
        _Criterion(_results_in_file(scores, ranks, rows), everywhere),
        _Criterion(ranks.date[origin], ranks.dated[origin]),
    ]


def _results_in_file(scores: ShortScores, ranks: ScoreRanks, rows: np.ndarray) -> np.ndarray:
    """Return how many results the file of each row has of its candidate on its benchmark."""
    benchmark, file = ranks.benchmark, ranks.file
    places, files = int(benchmark.max(initial=0)) + 1, int(file.max(initial=0)) + 1
    numbers = (scores.candidate.astype(np.int64) * places + benchmark[scores.place]) * files + file[scores.origin]
    codes, found = short_scores.distinct_numbers(numbers, len(ranks.candidate) * places * files)
    told = pc.is_valid(scores.score).to_numpy(zero_copy_only=False)
    return np.bincount(codes[told], minlength=len(found))[codes[rows]]


@dataclass(frozen=True)
class _Doubled:
    """Rows that have a rival: `rows` group by group, `group` of each, `starts` of the groups."""

    scores: ShortScores
    books: ScoreBooks
    rows: np.ndarray
    group: np.ndarray
    starts: np.ndarray

    def standing(self, criteria: Iterable[_Criterion]) -> np.ndarray:
        """Return which rows no criterion excludes."""
        current = np.ones(len(self.rows), dtype=bool)
        settled = np.zeros(len(self.starts), dtype=bool)
        for i, criterion in enumerate(criteria):
            # An older version gives way even where it agrees, so that what stands comes from the newest.
            if i > 1:
                settled |= self._agree(current)
            undecided = np.logical_or.reduceat(current & ~criterion.told, self.starts)
            decides = ~(settled | undecided)[self.group]
            best = np.maximum.reduceat(np.where(current, criterion.values, -1), self.starts)
            current &= ~decides | (criterion.values == best[self.group])
        return current

    def kept(self, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return for each group the place of the row that stands, and of one that differs and gave way; -1 for none."""
        first = self._first(current)
        kept = np.where(self._agree(current), first, -1)
        beaten = self._first(~current & ~self._as_first(first))
        return kept, np.where((kept >= 0) & (beaten < len(self.rows)), beaten, -1)

    def conflicts(self, current: np.ndarray, kept: np.ndarray) -> list[dict[str, object]]:
        """Return the rows in conflict as rejects."""
        out = []
        names, ids, uris = self.books.candidates.values, self.books.prompts.values, self.books.column("source_uri")
        ends = np.r_[self.starts[1:], len(self.rows)]
        for group in np.flatnonzero(kept < 0):
            rows = self.rows[self.starts[group] : ends[group]][current[self.starts[group] : ends[group]]].tolist()
            told = [
                (self.scores.score[row].as_py(), uris[self.scores.origin[row]], int(self.scores.row[row]))
                for row in rows
            ]
            where = " and ".join(f"{score} in {uri} row {line}" for score, uri, line in told[:3])
            reason = (
                f"candidate {names[self.scores.candidate[rows[0]]]!r} has different scores for prompt "
                f"{ids[self.scores.prompt[rows[0]]]!r} ({where}); keep the right one"
            )
            out += [reject(uri, reason, line, "score", score) for score, uri, line in told]
        return out

    def _agree(self, current: np.ndarray) -> np.ndarray:
        return ~np.logical_or.reduceat(current & ~self._as_first(self._first(current)), self.starts)

    def _first(self, chosen: np.ndarray) -> np.ndarray:
        """Return the place of the first chosen row of each group, beyond all rows where there is none."""
        return np.minimum.reduceat(np.where(chosen, np.arange(len(self.rows)), len(self.rows)), self.starts)

    def _as_first(self, first: np.ndarray) -> np.ndarray:
        """Say which rows have the score of their group's row at `first`."""
        values, null = values_of(self.scores, self.rows)
        there = np.minimum(first, len(self.rows) - 1)[self.group]
        with np.errstate(invalid="ignore"):
            near = np.abs(values - values[there]) <= SAME_SCORE
        near |= np.isnan(values) & np.isnan(values[there])
        return (null == null[there]) & (null | near)


def values_of(scores: ShortScores, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of rows as float64, and which of them are null."""
    taken = scores.score.take(rows)
    return pc.fill_null(taken, 0.0).to_numpy(zero_copy_only=False), pc.is_null(taken).to_numpy(zero_copy_only=False)
