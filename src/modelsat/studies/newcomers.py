"""What a newly released candidate adds to a pool of its peers, by how many of its outcomes are known.

Pools are matched in strength: beside candidates as good as itself a newcomer can only add by being better on some
prompts, so a router that merely finds out its level gains nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from modelsat.data.score_matrix import levels
from modelsat.policy import choice
from modelsat.rivals.rival import Labelled, PromptFit

PEERS, MOST_DISTANCE = 4, 0.08


@dataclass(frozen=True)
class NewcomerPool:
    """A newcomer and its peers, as columns of the outcomes; the newcomer stands last."""

    newcomer: int
    peers: tuple[int, ...]

    @property
    def columns(self) -> list[int]:
        """Return peers and newcomer."""
        return [*self.peers, self.newcomer]


def matched_pools(levels: np.ndarray) -> Iterator[NewcomerPool]:
    """Yield for every candidate its nearest peers in mean accuracy; a candidate with fewer than two is left out.

    Args:
        levels: Mean accuracy on training prompts (candidates,), in [0, 1].
    """
    for newcomer in range(len(levels)):
        distance = np.abs(levels - levels[newcomer])
        distance[newcomer] = np.inf
        near = [int(i) for i in np.argsort(distance, kind="stable")[:PEERS] if distance[i] <= MOST_DISTANCE]
        if len(near) >= 2:
            yield NewcomerPool(newcomer, tuple(sorted(near)))


def known_in_part(prompts: Labelled, newcomer: int, known: np.ndarray) -> Labelled:
    """Return everybody's outcomes, the newcomer's only on some of the prompts.

    Args:
        prompts: With outcomes of all candidates (n, candidates).
        newcomer: Its column.
        known: On which rows its outcome is known, boolean (n,).
    """
    outcomes = prompts.outcomes.copy()
    outcomes[~known, newcomer] = np.nan
    return replace(prompts, outcomes=outcomes)


def draw(rows: int, count: int, seed: int) -> np.ndarray:
    """Draw on which prompts a newcomer was asked, boolean (rows,); all where `count` is not less than `rows`."""
    known = np.zeros(rows, dtype=bool)
    known[np.random.default_rng(seed).permutation(rows)[:count]] = True
    return known


@dataclass(frozen=True)
class Trial:
    """A router that is fitted to all candidates, with and without a newcomer; the pool says who may be chosen.

    Attributes:
        fit: The router.
        train: Training prompts; a newcomer's known outcomes are taken from them.
        validation: Validation prompts; a newcomer's outcomes there are never known.
        test: Prompts to route.
    """

    fit: PromptFit
    train: Labelled
    validation: Labelled
    test: Labelled

    def without(self, pool: NewcomerPool) -> np.ndarray:
        """Return the score of the peer that is chosen on each test prompt by a router that knows no newcomer."""
        others = [i for i in range(self.train.outcomes.shape[1]) if i != pool.newcomer]
        scores = self.fit(self.train.of(others), self.validation.of(others))(self.test.vectors, self.test.texts)
        return self._scored(scores[:, [others.index(i) for i in pool.peers]], self.train, pool.peers)

    def beside(self, pool: NewcomerPool, count: int, seed: int) -> np.ndarray:
        """Return the same where `count` outcomes of the newcomer are known, drawn by `seed`, and it may be chosen."""
        train = known_in_part(self.train, pool.newcomer, draw(len(self.train.outcomes), count, seed))
        nowhere = np.zeros(len(self.validation.outcomes), dtype=bool)
        validation = known_in_part(self.validation, pool.newcomer, nowhere)
        scores = self.fit(train, validation)(self.test.vectors, self.test.texts)
        return self._scored(scores[:, pool.columns], train, pool.columns)

    def _scored(self, scores: np.ndarray, train: Labelled, columns: Sequence[int]) -> np.ndarray:
        level = levels(train.outcomes)[list(columns)]
        chosen = choice.choose(scores, mean_score=level)
        return np.asarray(self.test.outcomes[:, columns][np.arange(len(scores)), chosen], dtype=np.float64)
