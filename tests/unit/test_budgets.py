"""A budget for a batch goes where it buys most successes, and is never overdrawn."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsat.errors import InputError
from modelsat.policy import assignment, budgets, choice

NAN = float("nan")
SUCCESS = np.asarray([[0.9, 0.5], [0.8, 0.7], [0.9, 0.1]])
COST = np.asarray([[10.0, 1.0], [10.0, 1.0], [10.0, 1.0]])


def test_one_dear_answer_goes_to_the_prompt_that_gains_most() -> None:
    spent = budgets.spend(SUCCESS, COST, 12.0)

    assert spent.choice.tolist() == [1, 1, 0]
    assert (spent.cost, spent.successes) == (pytest.approx(12.0), pytest.approx(0.5 + 0.7 + 0.9))


def test_enough_money_buys_the_best_for_everybody() -> None:
    spent = budgets.spend(SUCCESS, COST, 30.0)

    assert spent.choice.tolist() == [0, 0, 0]
    assert spent.successes_per_usd == 0.0


def test_exactly_what_the_cheapest_cost_is_enough() -> None:
    assert budgets.spend(SUCCESS, COST * 0.1, 0.3).choice.tolist() == [1, 1, 1]


def test_another_dollar_is_worth_what_lies_between_the_last_step_taken_and_the_next() -> None:
    # The third prompt gained 0.8 for 9 USD, the first one would gain 0.4.
    assert 0.4 / 9 <= budgets.spend(SUCCESS, COST, 12.0).successes_per_usd <= 0.8 / 9 * (1 + 1e-5)


def test_money_that_the_price_of_the_batch_leaves_is_spent_too() -> None:
    # The middle candidate is above the line between the others nowhere: at no price would it be chosen.
    success, cost = np.asarray([[0.90, 0.50, 0.45]]), np.asarray([[10.0, 5.0, 0.1]])

    assert budgets.spend(success, cost, 6.0).choice.tolist() == [1]


def test_alike_prompts_that_change_at_one_price_use_the_budget_up() -> None:
    spent = budgets.spend(np.tile([0.9, 0.5], (100, 1)), np.tile([2.0, 1.0], (100, 1)), 130.0)

    assert np.bincount(spent.choice).tolist() == [30, 70]


def test_missing_price_never_counts_as_free() -> None:
    assert budgets.spend(np.asarray([[0.9, 0.5]]), np.asarray([[np.nan, 1.0]]), 100.0).choice.tolist() == [1]


def test_excluded_candidate_is_not_chosen_however_cheap() -> None:
    assert budgets.spend(np.asarray([[np.nan, 0.5]]), np.asarray([[0.0, 1.0]]), 1.0).choice.tolist() == [1]


def test_too_small_a_budget_is_refused_with_what_is_needed() -> None:
    with pytest.raises(InputError, match=r"cost 3 USD for 3 prompts; raise budget_usd of 2\.5"):
        budgets.spend(SUCCESS, COST, 2.5)


def test_prompt_without_any_price_is_named() -> None:
    with pytest.raises(InputError, match="prompt 1 has no allowed candidate with a price"):
        budgets.spend(np.full((2, 1), 0.5), np.asarray([[1.0], [np.nan]]), 5.0)


def test_who_would_leave_too_little_for_the_others_is_not_affordable() -> None:
    assert budgets.affordable(np.asarray([[1.0, 5.0], [2.0, 3.0]]), 6.5).tolist() == [[True, False], [True, True]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4), st.floats(0.0, 1.2))
def test_small_batches_are_within_one_prompt_of_the_best_choice_there_is(
    seed: int, n: int, m: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    success, cost = rng.random((n, m)), rng.random((n, m))
    cheapest, dearest = cost.min(axis=1).sum(), cost.max(axis=1).sum()
    budget = float(cheapest + share * (dearest - cheapest))
    rows = np.arange(n)
    every = [np.asarray(choice) for choice in product(range(m), repeat=n)]
    best = max(success[rows, choice].sum() for choice in every if cost[rows, choice].sum() <= budget * (1 + 1e-9))

    spent = budgets.spend(success, cost, budget)

    assert spent.cost <= budget * (1 + 1e-6)
    assert best - 1.0 <= spent.successes <= best + 1e-9


def test_large_batch_comes_close_to_the_bound_of_the_relaxation() -> None:
    rng = np.random.default_rng(0)
    strength = np.sort(rng.random(6))
    success = np.clip(0.6 * strength + 0.4 * rng.random((300, 6)), 0, 1)
    cost = np.exp(3 * strength) * (0.5 + rng.random((300, 6)))
    budget = 1.5 * float(cost.min(axis=1).sum())
    most = 300 - assignment.bound(1 - cost / cost.max(), 1 - success, 1 - budget / (300 * cost.max()))

    spent = budgets.spend(success, cost, budget)

    assert spent.cost <= budget
    assert 0.999 * most <= spent.successes <= most + 1e-6


def test_equal_candidates_within_a_budget_are_decided_by_the_mean_score() -> None:
    success, cost = np.full((2, 3), 0.5), np.full((2, 3), 1.0)

    ranked = budgets.rank(success, cost, 10.0, np.asarray([0.2, 0.3, 0.6]))

    assert ranked.tolist() == [[2, 1, 0]] * 2


@settings(max_examples=100)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_budget_that_is_enough_for_everything_decides_as_no_budget_does(n: int, m: int, seed: int) -> None:
    """Margins larger than their probabilities, ties and pairs without a price or out of choice included."""
    rng = np.random.default_rng(seed)
    probabilities, margin = rng.choice([0.0, 0.05, 0.5, NAN], (n, m)), rng.choice([0.0, 0.25, 1.0], m)
    cost, means = rng.choice([0.0, 1.0, 2.0, NAN], (n, m)), rng.choice([0.3, 0.6], m)
    probabilities[:, 0], cost[:, 0] = 0.25, 1.0

    ranked = budgets.rank(choice.assured(probabilities, margin), cost, 1000.0, means)

    unlimited = choice.choose(probabilities, ~np.isnan(cost), means, uncertainty_margin=margin)
    assert ranked[:, 0].tolist() == unlimited.tolist()
