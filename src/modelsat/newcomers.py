"""What a newly released candidate adds to a pool of its peers, by how many of its outcomes are known.

Pools are matched in strength: beside candidates as good as itself a newcomer can only add by being better on some
prompts, so a router that merely finds out its level gains nothing.
"""

from collections.abc import Iterator
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
    outcomes = prompts.outcomes[:, pool.columns].copy()
    outcomes[~known, -1] = np.nan
    return Labelled(prompts.vectors, outcomes, prompts.tasks, prompts.cost[:, pool.columns])


def draw(rows: int, count: int, seed: int) -> np.ndarray:
    """Draw on which prompts a newcomer was asked, boolean (rows,); all where `count` is not less than `rows`."""
    known = np.zeros(rows, dtype=bool)
    known[np.random.default_rng(seed).permutation(rows)[:count]] = True
    return known


def gain(
    fit: Fit, train: Labelled, validation: Labelled, test: Labelled, pool: Pool, count: int, seed: int
) -> np.ndarray:
    """Return what the newcomer adds on every test prompt: the choice with it minus the choice without it.

    Args:
        fit: The router.
        train: Training prompts; `count` of the newcomer's outcomes are taken from them.
        validation: Validation prompts; the newcomer's outcomes there are not known.
        test: Prompts to route.
        pool: The newcomer and its peers.
        count: How many outcomes of the newcomer are known.
        seed: Of the draw.
    """
    truth = test.outcomes[:, pool.columns]
    with_it = known_in_part(train, pool, draw(len(train.outcomes), count, seed))
    nothing = np.zeros(len(validation.outcomes), dtype=bool)
    scores = fit(with_it, known_in_part(validation, pool, nothing))(test.vectors)
    tie_break = np.append(with_it.outcomes[:, :-1].mean(axis=0), 0.0)
    rows = np.arange(len(truth))
    chosen = truth[rows, policy.choose(scores, tie_break=tie_break)]
    peers = np.append(np.ones(len(pool.peers), dtype=bool), False)
    without = truth[rows, policy.choose(_without(fit, train, validation, test, pool), peers, tie_break)]
    return np.asarray(chosen - without, dtype=np.float64)


def _without(fit: Fit, train: Labelled, validation: Labelled, test: Labelled, pool: Pool) -> np.ndarray:
    """Score the peers with a router that never heard of the newcomer; its own column is filler."""

    def peers_only(prompts: Labelled) -> Labelled:
        columns = list(pool.peers)
        return Labelled(prompts.vectors, prompts.outcomes[:, columns], prompts.tasks, prompts.cost[:, columns])

    scores = fit(peers_only(train), peers_only(validation))(test.vectors)
    return np.column_stack([scores, np.zeros(len(scores))])
