"""Simulated pools: levels and shapes are those of real models, and choices are scored without label noise."""

import numpy as np
import pytest

from modelsat.rivals.rival import Labelled, Scorer
from modelsat.studies import simulated_pools
from modelsat.studies.simulated_pools import SimulatedPool

REAL = np.asarray([[0.2, 0.8], [0.5, 0.5], [0.9, 0.3]])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_overall_accuracy_of_a_candidate_is_the_level_of_a_real_model() -> None:
    levels = np.asarray([0.52, 0.57])

    profiles = simulated_pools.draw_profiles(REAL, levels, 50, rng())

    assert profiles.shape == (50, 2)
    assert set(profiles.mean(axis=1).round(6).tolist()) == {0.52, 0.57}


def test_nobody_is_drawn_beyond_the_models_whose_shape_is_known() -> None:
    levels = np.asarray([0.1, 0.45, 0.55, 0.65, 0.9])

    assert simulated_pools.draw_profiles(REAL, levels, 50, rng()).mean(axis=1) == pytest.approx(0.55)


def test_moving_a_shape_keeps_its_differences_in_log_odds() -> None:
    shape = np.log(np.asarray([[0.2 / 0.8, 0.8 / 0.2]]))

    same, better = (simulated_pools.moved_to(shape, np.asarray([level]))[0] for level in (0.5, 0.7))

    assert same == pytest.approx([0.2, 0.8])
    assert better.mean() == pytest.approx(0.7)
    odds = better / (1 - better)
    assert odds[1] / odds[0] == pytest.approx(16.0)


def test_candidate_between_two_real_ones_lies_between_them() -> None:
    pair = np.asarray([[0.2, 0.8], [0.8, 0.2]])

    first = simulated_pools.draw_profiles(pair, np.asarray([0.5]), 200, rng())[:, 0]

    assert 0.2 <= first.min() < 0.3
    assert 0.7 < first.max() <= 0.8


def test_same_seed_draws_the_same_pool_and_another_another() -> None:
    one, again, other = (simulated_pools.draw_profiles(REAL, np.asarray([0.55]), 9, rng(seed)) for seed in (1, 1, 2))

    assert one.tolist() == again.tolist() != other.tolist()


def test_prompts_train_validate_or_test_and_never_two_of_them() -> None:
    vectors = np.arange(60, dtype=np.float32)[:, None]

    pool = simulated_pools.draw_pool(REAL, vectors, np.arange(60) % 2, (30, 10, 20), rng())

    parts = (pool.train.vectors, pool.validation.vectors, pool.vectors)
    assert [len(part) for part in parts] == [30, 10, 20]
    assert sorted(np.concatenate(parts)[:, 0].tolist()) == list(range(60))
    assert pool.success.tolist() == [REAL[:, int(number) % 2].tolist() for number in pool.vectors[:, 0]]


def test_outcomes_come_as_often_as_the_profile_says() -> None:
    outcomes = simulated_pools.draw_outcomes(np.tile([0.0, 0.25, 1.0], (4000, 1)), rng())

    assert outcomes.mean(axis=0)[[0, 2]].tolist() == [0.0, 1.0]
    assert outcomes[:, 1].mean() == pytest.approx(0.25, abs=0.03)


def labelled(outcomes: np.ndarray) -> Labelled:
    vectors = np.ones((len(outcomes), 1), dtype=np.float32)
    return Labelled(vectors, outcomes.astype(np.float32), np.zeros(len(outcomes)).astype(str), np.nan * outcomes)


def test_choices_score_their_true_success_beside_what_was_promised() -> None:
    def promise_the_second(train: Labelled, validation: Labelled) -> Scorer:
        return lambda vectors: np.tile([0.6, 0.9], (len(vectors), 1))

    lucky = labelled(np.asarray([[1.0, 0.0], [1.0, 0.0]]))
    pool = SimulatedPool(lucky, lucky, np.ones((2, 1), dtype=np.float32), np.asarray([[0.2, 0.5], [0.4, 0.7]]))

    assert pool.single == 0
    assert pool.routed(promise_the_second) == pytest.approx((0.6, 0.9))


def test_the_best_of_many_equal_candidates_promises_more_than_it_keeps() -> None:
    profiles = np.full((200, 1), 0.5)

    pool = simulated_pools.draw_pool(
        profiles, np.ones((120, 1), dtype=np.float32), np.zeros(120, int), (50, 20, 50), rng()
    )

    assert pool.level[pool.single] > 0.6
    assert pool.success[:, pool.single].mean() == 0.5
