"""The routing policy: probabilities and costs to one candidate, and what must never change the choice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.policy import choice as policy

NAN = float("nan")
SHAPE = st.tuples(st.integers(1, 5), st.integers(1, 5))


@st.composite
def slates(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw probabilities, allowed candidates and costs of one shape."""
    shape = draw(SHAPE)
    probabilities = draw(hnp.arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])))
    allowed = draw(hnp.arrays(np.bool_, shape))
    costs = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, 2.0, 8.0, NAN])))
    return probabilities, allowed, costs


def test_most_likely_candidate_is_chosen() -> None:
    assert policy.choose(np.array([[0.2, 0.9, 0.5], [0.6, 0.1, 0.5]])).tolist() == [1, 0]


def test_better_mean_wins_an_exact_tie() -> None:
    assert policy.choose(np.array([[0.5, 0.5, 0.5]]), tie_break=np.array([0.1, 0.7, 0.3])).tolist() == [1]


def test_tie_break_never_outweighs_a_real_difference() -> None:
    probabilities = np.array([[0.5, np.nextafter(np.float32(0.5), np.float32(1))]], dtype=np.float32)

    assert policy.choose(probabilities, tie_break=np.array([1.0, 0.0])).tolist() == [1]


def test_excluded_candidate_is_never_chosen() -> None:
    assert policy.choose(np.array([[0.9, 0.1]]), allowed=np.array([False, True])).tolist() == [1]


def test_nobody_is_chosen_where_nobody_is_allowed() -> None:
    allowed = np.array([[False, False], [True, False]])

    assert policy.choose(np.array([[0.9, 0.1], [0.9, 0.1]]), allowed).tolist() == [-1, 0]


def test_cost_weight_is_what_one_would_give_up_for_the_dearest() -> None:
    probabilities, costs = np.array([[0.80, 0.70]]), np.array([[4.0, 1.0]])

    choices = [policy.choose(probabilities, costs=costs, cost_weight=weight)[0] for weight in (0.0, 0.13, 0.14, 1.0)]

    assert choices == [0, 0, 1, 1]


def test_costs_are_compared_with_the_dearest_of_the_same_prompt() -> None:
    relative = policy.relative_costs(np.array([[1.0, 4.0], [100.0, 50.0]]))

    np.testing.assert_allclose(relative, [[0.25, 1.0], [1.0, 0.5]])


def test_unknown_cost_counts_as_the_dearest() -> None:
    np.testing.assert_allclose(policy.relative_costs(np.array([[1.0, NAN, 4.0]])), [[0.25, 1.0, 1.0]])


@pytest.mark.parametrize("row", [[NAN, NAN], [0.0, 0.0], [0.0, NAN]])
def test_costs_do_not_count_where_none_is_known_or_all_are_free(row: list[float]) -> None:
    np.testing.assert_array_equal(policy.relative_costs(np.array([row])), [[0.0, 0.0]])


@given(slates(), st.floats(0, 1))
def test_choice_is_always_allowed(slate: tuple[np.ndarray, np.ndarray, np.ndarray], weight: float) -> None:
    probabilities, allowed, costs = slate

    choice = policy.choose(probabilities, allowed, costs=costs, cost_weight=weight)

    for row, chosen in enumerate(choice):
        assert allowed[row, chosen] if allowed[row].any() else chosen == -1


@given(slates())
def test_without_cost_weight_nobody_more_likely_is_passed_over(slate: tuple[np.ndarray, ...]) -> None:
    probabilities, allowed, costs = slate

    choice = policy.choose(probabilities, allowed, costs=costs)

    for row in np.flatnonzero(allowed.any(axis=1)):
        assert probabilities[row, choice[row]] == probabilities[row, allowed[row]].max()


@given(slates(), st.floats(0, 1), st.floats(0, 1))
def test_larger_cost_weight_never_chooses_a_dearer_candidate(
    slate: tuple[np.ndarray, ...], one: float, other: float
) -> None:
    probabilities, _, costs = slate
    relative, rows = policy.relative_costs(costs), np.arange(len(costs))

    low, high = (policy.choose(probabilities, costs=costs, cost_weight=w) for w in sorted((one, other)))

    assert (relative[rows, high] <= relative[rows, low] + 1e-9).all()


@given(slates(), st.floats(0, 1), st.randoms(use_true_random=False))
def test_order_of_candidates_never_changes_the_utility(
    slate: tuple[np.ndarray, ...], weight: float, random: object
) -> None:
    probabilities, allowed, costs = slate
    order = np.random.default_rng(random.randrange(100)).permutation(probabilities.shape[1])
    utility = np.where(allowed, probabilities - weight * policy.relative_costs(costs), -np.inf)
    rows = np.arange(len(utility))

    one = policy.choose(probabilities, allowed, costs=costs, cost_weight=weight)
    other = policy.choose(probabilities[:, order], allowed[:, order], costs=costs[:, order], cost_weight=weight)

    np.testing.assert_allclose(utility[rows, one], utility[:, order][rows, other])


@given(hnp.arrays(np.float64, SHAPE, elements=st.sampled_from([0.0, 0.5, 3.0, NAN])))
def test_relative_costs_lie_in_the_unit_interval(costs: np.ndarray) -> None:
    relative = policy.relative_costs(costs)

    assert ((relative >= 0) & (relative <= 1)).all()


def test_excluded_candidate_never_changes_the_choice() -> None:
    probabilities, allowed = np.array([[0.50, 0.55, 0.90]]), np.array([True, True, False])

    dear, cheap = (
        policy.choose(probabilities, allowed, costs=np.array([[0.0, 1.0, price]]), cost_weight=0.1)
        for price in (100.0, 1.0)
    )

    assert dear.tolist() == cheap.tolist()
