"""RouterEval's metrics and reference policies, worked by hand."""

import math

import numpy as np
import pytest

from modelsat.studies import routereval

# The first candidate is right on three prompts, the second on one of these and on the fourth.
SCORES = np.asarray([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def test_mean_score_is_that_of_the_chosen_candidates() -> None:
    assert routereval.mean_score(SCORES, routereval.chosen(np.asarray([0, 1, 1, 1]), 2)) == 3 / 4


def test_mean_score_of_a_distribution_is_its_expectation() -> None:
    assert routereval.mean_score(SCORES, np.tile([0.75, 0.25], (4, 1))) == (0.75 + 0.75 + 1 + 0.25) / 4


def test_reference_score_is_that_of_the_benchmark() -> None:
    assert routereval.to_reference(0.46, "gsm8k") == pytest.approx(0.5)
    assert routereval.to_reference(0.794, "gpqa") == pytest.approx(2.0)
    assert routereval.to_reference(0.5, "zeroeval") is None


def test_best_single_of_the_test_prompts_is_the_published_denominator() -> None:
    assert routereval.to_best_single(0.9, SCORES, SCORES) == pytest.approx(0.9 / 0.75)


def test_best_single_of_training_prompts_may_be_worse_on_test_prompts() -> None:
    training = np.asarray([[0.0, 1.0], [0.0, 1.0]])

    assert routereval.to_best_single(0.9, SCORES, training) == pytest.approx(0.9 / 0.5)


def test_entropy_is_in_bits_per_prompt() -> None:
    policy = np.asarray([[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])

    assert routereval.entropy(policy) == pytest.approx((1 + 2 + 0 + 0) / 4)


def test_entropy_is_of_each_prompt_and_not_of_how_often_candidates_are_chosen() -> None:
    assert routereval.entropy(routereval.chosen(np.asarray([0, 1, 2, 3]), 4)) == 0.0


def test_softmax_by_hand_and_of_large_scores() -> None:
    assert routereval.softmax(np.asarray([[math.log(3), 0.0]])).tolist() == [pytest.approx([0.75, 0.25])]
    assert routereval.softmax(np.asarray([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]


def test_oracle_scores_what_the_best_candidate_scores() -> None:
    scores = np.asarray([[0.2, 0.7, 0.1], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])

    policy = routereval.oracle(scores)

    assert policy.tolist() == [[0.0, 1.0, 0.0], [pytest.approx(1 / 3)] * 3, [0.5, 0.5, 0.0]]
    assert routereval.mean_score(scores, policy) == pytest.approx((0.7 + 0.0 + 1.0) / 3)


def test_half_an_oracle_is_half_way_between_random_and_oracle() -> None:
    random, half, oracle = (routereval.mean_score(SCORES, routereval.oracle(SCORES, p)) for p in (0.0, 0.5, 1.0))

    assert (random, half, oracle) == (pytest.approx(5 / 8), pytest.approx(13 / 16), 1.0)


def test_half_an_oracle_is_what_draws_of_it_score_on_average() -> None:
    rng = np.random.default_rng(0)
    draws = 20_000
    is_oracle = rng.random((draws, 4)) < 0.5
    anyone = SCORES[np.arange(4), rng.integers(0, 2, (draws, 4))]
    drawn = np.where(is_oracle, SCORES.max(axis=1), anyone).mean()

    assert routereval.mean_score(SCORES, routereval.oracle(SCORES, 0.5)) == pytest.approx(drawn, abs=0.01)


def test_distribution_of_the_oracle_is_the_share_of_each_score() -> None:
    scores = np.asarray([[0.6, 0.2], [0.0, 0.0]])

    assert routereval.shared(scores).tolist() == [pytest.approx([0.75, 0.25]), [0.5, 0.5]]


def test_random_has_the_largest_entropy_there_is() -> None:
    assert routereval.entropy(routereval.oracle(np.zeros((2, 8)), 0.0)) == pytest.approx(math.log2(8))
