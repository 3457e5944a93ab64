"""What a newly released candidate adds to a pool of its peers, by how many of its outcomes are known.

Pools are matched in strength: beside candidates as good as itself a newcomer can only add by being better on some
prompts, so a router that merely finds out its level gains nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from modelsat import policy
from modelsat.rivals.rival import Fit, Labelled

PEERS, MOST_DISTANCE = 4, 0.08


@dataclass(frozen=True)
class Pool:
    """A newcomer and its peers, as columns of the outcomes; the newcomer stands last."""

    newcomer: int
    peers: tuple[int, ...]

    @property
    def columns(self) -> list[int]:
        """Return peers and newcomer."""
        return [*self.peers, self.newcomer]


def matched_pools(levels: np.ndarray) -> Iterator[Pool]:
    """Yield for every candidate its nearest peers in mean accuracy; a candidate with fewer than two is left out.

    Args:
        levels: Mean accuracy on training prompts (candidates,), in [0, 1].
    """
    for newcomer in range(len(levels)):
        distance = np.abs(levels - levels[newcomer])
        distance[newcomer] = np.inf
        near = [int(i) for i in np.argsort(distance, kind="stable")[:PEERS] if distance[i] <= MOST_DISTANCE]
        if len(near) >= 2:
            yield Pool(newcomer, tuple(sorted(near)))


def known_in_part(prompts: Labelled, pool: Pool, known: np.ndarray) -> Labelled:
    """Return the pool's outcomes, the newcomer's only on some of the prompts.

    Args:
        prompts: With outcomes of all candidates (n, candidates).
        pool: Whom to keep.
        known: On which rows the newcomer's outcome is known, boolean (n,).
    """
    part = _columns(prompts, pool.columns)
    part.outcomes[~known, -1] = np.nan
    return part


def draw(rows: int, count: int, seed: int) -> np.ndarray:
    """Draw on which prompts a newcomer was asked, boolean (rows,); all where `count` is not less than `rows`."""
    known = np.zeros(rows, dtype=bool)
    known[np.random.default_rng(seed).permutation(rows)[:count]] = True
    return known


@dataclass(frozen=True)
class Trial:
    """A router that is fitted with and without newcomers.

    Attributes:
        fit: The router.
        train: Training prompts; a newcomer's known outcomes are taken from them.
        validation: Validation prompts; a newcomer's outcomes there are never known.
        test: Prompts to route.
    """

    fit: Fit
    train: Labelled
    validation: Labelled
    test: Labelled

    def without(self, pool: Pool) -> np.ndarray:
        """Return the score of the peer that is chosen on each test prompt by a router that knows peers only."""
        train, validation = (_columns(part, pool.peers) for part in (self.train, self.validation))
        scores = self.fit(train, validation)(self.test.vectors)
        return self._scored(scores, pool.peers)

    def beside(self, pool: Pool, count: int, seed: int) -> np.ndarray:
        """Return the same where `count` outcomes of the newcomer are known, drawn by `seed`, and it may be chosen."""
        train = known_in_part(self.train, pool, draw(len(self.train.outcomes), count, seed))
        validation = known_in_part(self.validation, pool, np.zeros(len(self.validation.outcomes), dtype=bool))
        scores = self.fit(train, validation)(self.test.vectors)
        return self._scored(scores, pool.columns)

    def _scored(self, scores: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        level = self.train.outcomes[:, columns].mean(axis=0)
        chosen = policy.choose(scores, tie_break=level)
        return np.asarray(self.test.outcomes[:, columns][np.arange(len(scores)), chosen], dtype=np.float64)


def _columns(prompts: Labelled, columns: Sequence[int]) -> Labelled:
    kept = list(columns)
    return Labelled(prompts.vectors, prompts.outcomes[:, kept], prompts.tasks, prompts.cost[:, kept])
