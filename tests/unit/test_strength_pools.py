"""Pools by strength hold neighbours or tiers, and of those the ones that complete each other best."""

import numpy as np

from modelsat.studies import strength_pools
from modelsat.studies.strength_pools import ALL_STRONG, ALL_WEAK, STRONG_TO_WEAK


def scores(*means: float, n: int = 100) -> np.ndarray:
    """Candidates that are right on their first prompts, so that the oracle of a pool is its best candidate."""
    return np.column_stack([np.arange(n) < round(mean * n) for mean in means]).astype(np.float32)


def test_weak_and_strong_pools_are_neighbours_at_the_ends_of_the_ranking() -> None:
    pools = strength_pools.build(scores(0.5, 0.2, 0.8, 0.3, 0.6, 0.7), 2)

    assert pools[ALL_WEAK] == (1, 3)
    assert pools[ALL_STRONG] == (5, 2)


def test_one_of_each_tier_is_taken_weak_to_strong() -> None:
    columns = strength_pools.build(scores(0.2, 0.3, 0.4, 0.5, 0.6, 0.7), 3)[STRONG_TO_WEAK]

    assert [column // 2 for column in columns] == [0, 1, 2]


def test_window_with_the_richest_oracle_is_taken() -> None:
    found = scores(*np.linspace(0.2, 0.8, 20))
    found[:, 2] = found[::-1, 2]

    # The four weakest of twenty: only windows with the third hold prompts that nobody else solves.
    assert strength_pools.build(found, 2)[ALL_WEAK] == (2, 3)


def test_candidates_that_hardly_ever_or_always_score_are_left_out() -> None:
    pools = strength_pools.build(scores(0.1, 0.11, 0.5, 0.9, 0.91), 3)

    assert set(pools.values()) == {(1, 2, 3)}


def test_no_pool_is_made_of_too_few_candidates() -> None:
    assert strength_pools.build(scores(0.2, 0.5), 3) == {}


def test_same_seed_gives_the_same_pools() -> None:
    found = (np.random.default_rng(0).random((50, 20)) < 0.5).astype(np.float32)

    assert strength_pools.build(found, 5) == strength_pools.build(found, 5)


def test_more_draws_find_a_richer_oracle() -> None:
    found = (np.random.default_rng(0).random((200, 20)) < 0.3).astype(np.float32)

    few, many = (strength_pools.build(found, 3, draws)[STRONG_TO_WEAK] for draws in (1, 200))

    assert found[:, many].max(axis=1).mean() > found[:, few].max(axis=1).mean()
