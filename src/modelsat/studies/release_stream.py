"""The release stream: models appear one after the other, and the router is not retrained (the paper's Figure 5).

The candidates released up to a cut are known by all their outcomes. Every later one is known by a few, the same prompts
for all as in an aptitude test, and stays so. At each release the pool are the five best so far and the newest.

Not retrained means, as in `newcomers.Trial`: a newcomer is one more column of outcomes, of which most are missing. Its
known outcomes join the table of a rival that looks up, and its own head is fitted to them where a method prescribes one
head per candidate. Hyper-parameters are chosen by the old candidates alone, whose outcomes stay what they were. Source:
Capability Instruction Tuning (Model-SAT), AAAI 2025, arXiv 2502.17282, Figure 5.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from modelsat.data.score_matrix import levels
from modelsat.errors import InputError
from modelsat.policy import choice
from modelsat.rivals.rival import Fit, Labelled
from modelsat.studies.newcomers import draw

BEST_KEPT, LEAST_OLD = 5, 6


@dataclass(frozen=True)
class StreamedRelease:
    """A point of the stream, in columns of the outcomes.

    Attributes:
        newest: The candidate that appears.
        best: The five best of those before it.
        before: All released before it, in order of release.
    """

    newest: int
    best: tuple[int, ...]
    before: tuple[int, ...]

    @property
    def pool(self) -> tuple[int, ...]:
        """Return who may be chosen, the newest last."""
        return (*self.best, self.newest)


def by_release(candidates: Sequence[str], released_at: Sequence[date | None]) -> list[int]:
    """Return columns in order of release; of one day in order of their names.

    Raises:
        InputError: A date is missing.
    """
    dated = [(day, name, i) for i, (day, name) in enumerate(zip(released_at, candidates, strict=True)) if day]
    if len(dated) < len(candidates):
        missing = [repr(name) for name, day in zip(candidates, released_at, strict=True) if not day]
        raise InputError(f"candidates {', '.join(missing)} have no release date; add release_date to models.csv")
    return [i for _, _, i in sorted(dated)]


def before_cut(order: Sequence[int]) -> tuple[int, ...]:
    """Return the old candidates: the earlier half, and six at the least.

    Args:
        order: Columns in order of release.

    Raises:
        InputError: Nothing is released after them.
    """
    count = max(LEAST_OLD, len(order) // 2)
    if len(order) <= count:
        raise InputError(f"a release stream needs more than {LEAST_OLD} candidates and has {len(order)}; add some")
    return tuple(order[:count])


def stream(order: Sequence[int], level: np.ndarray) -> Iterator[StreamedRelease]:
    """Yield the releases after the cut.

    Args:
        order: Columns in order of release.
        level: Mean accuracy of every candidate on all training prompts (candidates,), in [0, 1].
    """
    for position in range(len(before_cut(order)), len(order)):
        before = tuple(order[:position])
        best = sorted(before, key=lambda column: (-level[column], column))[:BEST_KEPT]
        yield StreamedRelease(order[position], tuple(best), before)


@dataclass(frozen=True)
class StreamedScores:
    """What came of a release, per test prompt (n,): score of the router's choice and of the best single candidate."""

    router: np.ndarray
    single: np.ndarray


@dataclass(frozen=True)
class Frozen:
    """A router that is fitted to the old candidates and takes the later ones as they come.

    Attributes:
        fit: The router.
        old: Columns of the candidates that are known by all their outcomes.
        train: Training prompts; known outcomes of later candidates are taken from them.
        validation: Validation prompts; outcomes of later candidates there are never known.
        test: Prompts to route.
    """

    fit: Fit
    old: tuple[int, ...]
    train: Labelled
    validation: Labelled
    test: Labelled

    def at(self, release: StreamedRelease, count: int, seed: int) -> StreamedScores:
        """Choose from the pool where every later candidate is known by the same `count` prompts, drawn by `seed`."""
        columns = [*self.old, *(column for column in release.pool if column not in self.old)]
        late = np.arange(len(columns)) >= len(self.old)
        train, validation = (part.of(columns) for part in (self.train, self.validation))
        unknown = ~draw(len(train.outcomes), count, seed)
        train.outcomes[np.ix_(unknown, late)] = np.nan
        validation.outcomes[:, late] = np.nan
        return self._choose(train, validation, columns, release)

    def retrained(self, release: StreamedRelease) -> StreamedScores:
        """Choose from the pool by a router that is fitted anew to all outcomes of all candidates released so far."""
        columns = [*release.before, release.newest]
        return self._choose(self.train.of(columns), self.validation.of(columns), columns, release)

    def _choose(
        self, train: Labelled, validation: Labelled, columns: list[int], release: StreamedRelease
    ) -> StreamedScores:
        scores = self.fit(train, validation)(self.test.vectors)
        inside = [columns.index(column) for column in release.pool]
        level = levels(train.outcomes)[inside]
        truth = self.test.outcomes[:, list(release.pool)].astype(np.float64)
        chosen = choice.choose(scores[:, inside], mean_score=level)
        return StreamedScores(truth[np.arange(len(truth)), chosen], truth[:, int(level.argmax())])
