"""Estimators of what another policy would have come to, by hand and against what is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsat.offpolicy import estimators

LOGGED = np.array([0, 0, 1, 1])
PROPENSITY = np.array([0.8, 0.8, 0.2, 0.2])
OUTCOME = np.array([1.0, 0.0, 1.0, 1.0])


def test_a_request_counts_by_the_inverse_of_its_probability_where_the_choice_is_the_logged_one() -> None:
    weight = estimators.weights(np.array([0, 1, 1, 0]), LOGGED, PROPENSITY)
    assert weight.tolist() == [1.25, 0.0, 5.0, 0.0]
    # (1.25 * 1 + 5 * 1) / 4, and divided by the weights instead.
    assert estimators.inverse_propensity(OUTCOME, weight) == pytest.approx(1.5625)
    assert estimators.self_normalised(OUTCOME, weight) == pytest.approx(1.0)


def test_the_doubly_robust_score_corrects_what_is_expected_only_where_the_choices_agree() -> None:
    weight = np.array([1.25, 0.0, 5.0, 0.0])
    scores = estimators.doubly_robust(OUTCOME, weight, np.full(4, 0.6), np.array([0.6, 0.3, 0.9, 0.9]))
    # 0.6 + 1.25 * 0.4, 0.6, 0.6 + 5 * 0.1, 0.6
    assert scores.tolist() == pytest.approx([1.1, 0.6, 1.1, 0.6])


def test_an_outcome_that_is_unknown_and_has_no_weight_does_no_harm() -> None:
    scores = estimators.doubly_robust(np.array([np.nan, 1.0]), np.array([0.0, 2.0]), np.full(2, 0.5), np.full(2, 0.5))
    assert scores.tolist() == pytest.approx([0.5, 1.5])


def test_four_requests_of_which_one_weighs_three_times_as_much_say_as_much_as_three() -> None:
    # The square of 6, divided by 9 + 1 + 1 + 1.
    assert estimators.effective_requests(np.array([3.0, 1.0, 1.0, 1.0])) == pytest.approx(3.0)
    assert estimators.largest_share(np.array([3.0, 1.0, 1.0, 1.0])) == pytest.approx(0.5)
    assert estimators.effective_requests(np.zeros(4)) == 0.0
    assert estimators.largest_share(np.zeros(4)) == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2)), min_size=1, max_size=30))
def test_what_was_is_worth_the_mean_of_what_came_whatever_was_expected(
    rows: list[tuple[float, int]],
) -> None:
    outcome, logged = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    weight = estimators.weights(logged, logged, np.ones(len(rows)))
    expected = np.linspace(0, 1, len(rows))
    assert estimators.self_normalised(outcome, weight) == pytest.approx(outcome.mean())
    assert estimators.doubly_robust(outcome, weight, expected, expected).mean() == pytest.approx(outcome.mean())


@settings(max_examples=10)
@given(st.integers(0, 2**31), st.floats(0.2, 0.8))
def test_over_all_draws_of_a_log_the_estimates_are_the_truth(seed: int, share: float) -> None:
    """Two models on five prompts: every possible log, weighted by its probability, averages to the policy's value."""
    rng = np.random.default_rng(seed)
    truth, chosen, expected = rng.random((5, 2)), rng.integers(0, 2, 5), rng.random((5, 2))
    rows, plain, robust = np.arange(5), 0.0, 0.0
    for bits in range(32):
        logged = np.array([bits >> i & 1 for i in rows])
        propensity = np.where(logged == 1, share, 1 - share)
        weight = estimators.weights(chosen, logged, propensity)
        outcome = truth[rows, logged]
        plain += propensity.prod() * estimators.inverse_propensity(outcome, weight)
        scores = estimators.doubly_robust(outcome, weight, expected[rows, chosen], expected[rows, logged])
        robust += propensity.prod() * scores.mean()
    assert plain == pytest.approx(truth[rows, chosen].mean())
    assert robust == pytest.approx(truth[rows, chosen].mean())


def test_prompts_are_resampled_whole() -> None:
    """Two prompts of which one stands three times: a resample has one, the other, or both."""
    values = np.array([[1.0], [1.0], [1.0], [0.0]])
    means = estimators.resampled_means(values, np.array([0, 0, 0, 1]), 400)
    assert sorted(set(means[:, 0].round(6).tolist())) == [0.0, 0.75, 1.0]


def test_a_missing_value_counts_in_no_mean() -> None:
    values = np.array([[1.0, np.nan], [0.0, 1.0], [np.nan, 1.0]])
    means = estimators.resampled_means(values, np.arange(3), 200)
    assert (means[:, 1] == 1.0).all()
    assert means[:, 0].mean() == pytest.approx(0.5, abs=0.1)


def test_bounds_that_hold_for_many_policies_at_once_are_wider_than_for_one() -> None:
    values = np.random.default_rng(0).normal(size=(500, 6))
    resampled = estimators.resampled_means(values, np.arange(500), 1000)
    means = values.mean(axis=0)
    low, high = estimators.joint_intervals(means, resampled)
    alone = estimators.joint_intervals(means[:1], resampled[:, :1])
    assert high[0] - low[0] > 1.2 * (alone[1][0] - alone[0][0])
    # One column alone: 1.96 standard errors to either side.
    assert alone[1][0] - means[0] == pytest.approx(1.96 * resampled[:, 0].std(), rel=0.08)


def test_a_difference_that_is_always_the_same_has_no_width() -> None:
    values = np.column_stack([np.full(50, 0.2), np.random.default_rng(0).random(50)])
    low, high = estimators.joint_intervals(
        values.mean(axis=0), estimators.resampled_means(values, np.arange(50), 200), against=np.array([0])
    )
    assert low[0] == high[0] == pytest.approx(0.2)
    assert low[1] < high[1]
