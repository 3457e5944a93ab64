"""The routing policy: probabilities and costs to one candidate, and what must never change the choice."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.policy import choice as policy
from modelsat.policy.preferences import CHEAPEST, UTILITY

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
    assert policy.choose(np.array([[0.5, 0.5, 0.5]]), mean_score=np.array([0.1, 0.7, 0.3])).tolist() == [1]


@pytest.mark.parametrize("probability", [0.999, 0.5, 0.01, 1e-6])
def test_mean_score_never_outweighs_two_adjacent_float32_probabilities(probability: float) -> None:
    """Near 0.01 they lie 9e-10 apart: less than a billionth of a mean score, by which ties were broken once."""
    low = np.float32(probability)
    probabilities = np.array([[low, np.nextafter(low, np.float32(1))]], dtype=np.float32)
    means, margin = np.array([1.0, 0.0]), np.array([0.25, 0.25])

    assert policy.choose(probabilities, mean_score=means).tolist() == [1]
    assert policy.choose(probabilities.astype(np.float64), mean_score=means).tolist() == [1]
    # In float32 both differences from 0.25 would round to the same number where the probability is small.
    assert policy.choose(probabilities, mean_score=means, uncertainty_margin=margin).tolist() == [1]


def test_probabilities_that_are_equal_when_served_are_equal_when_judged() -> None:
    """In float64 they differ by 1e-10; a bundle serves, stores and compares float32."""
    judged = np.array([[0.5, 0.5 + 1e-10]])
    means = np.array([0.6, 0.3])

    assert policy.choose(judged, mean_score=means).tolist() == [0]
    assert policy.choose(judged.astype(np.float32), mean_score=means).tolist() == [0]


def test_costs_that_are_equal_when_served_are_equal_when_judged() -> None:
    costs, means = np.array([[1e-4, 1e-4 * (1 - 1e-12)]]), np.array([0.6, 0.3])

    for rule in ({"cost_weight": 0.5}, {"policy": CHEAPEST}):
        chosen = [
            policy.choose(np.array([[0.5, 0.5]]), mean_score=means, costs=shown, **rule).tolist()
            for shown in (costs, costs.astype(np.float32))
        ]
        assert chosen == [[0], [0]]


def test_margin_larger_than_its_probability_is_not_cut_off() -> None:
    """0.05 - 0.10 = -0.05 is more than 0.08 - 0.20 = -0.12, whatever the means say."""
    probabilities, margin, means = np.array([[0.05, 0.08]]), np.array([0.10, 0.20]), np.array([0.3, 0.6])

    assert policy.choose(probabilities, mean_score=means, uncertainty_margin=margin).tolist() == [0]
    assert policy.rank(probabilities, mean_score=means, uncertainty_margin=margin).tolist() == [[0, 1]]
    np.testing.assert_allclose(policy.assured(probabilities, margin), [[-0.05, -0.12]], rtol=1e-6)


def test_probability_that_is_not_known_is_never_chosen() -> None:
    probabilities = np.array([[NAN, 0.1, NAN], [NAN, NAN, NAN]])

    assert policy.choose(probabilities).tolist() == [1, -1]
    assert policy.rank(probabilities, mean_score=np.array([0.1, 0.0, 0.2])).tolist() == [[1, 2, 0], [2, 0, 1]]


def test_least_probability_that_a_client_was_shown_is_reached() -> None:
    """0.7 as float32 is 0.69999999: it reaches 0.7, and the number that was shown."""
    probabilities, costs = np.array([[0.9, 0.7]], dtype=np.float32), np.array([[2.0, 1.0]])

    for least in (0.7, float(np.float32(0.7))):
        assert policy.choose(probabilities, costs=costs, min_success_probability=least, policy=CHEAPEST).tolist() == [1]


def test_cheapest_by_hand() -> None:
    """Among equal prices the likelier one, a price that is not known last; nobody likely enough: the likeliest."""
    probabilities = np.array([[0.6, 0.7, 0.9, 0.8]])
    costs = np.array([[1.0, 1.0, NAN, 5.0]])

    def ranked(least: float) -> list[int]:
        return policy.rank(probabilities, costs=costs, min_success_probability=least, policy=CHEAPEST)[0].tolist()

    assert ranked(0.0) == [1, 0, 3, 2]
    assert ranked(0.75) == [3, 2, 1, 0]
    assert ranked(0.95) == [2, 3, 1, 0]


def test_least_probability_comes_before_utility_by_hand() -> None:
    """At weight 1 the utilities are 0.9 - 1, 0.7 - 0.1 and 0.4 - 0: the last two lead, but only two reach 0.65."""
    probabilities, costs = np.array([[0.9, 0.7, 0.4]]), np.array([[10.0, 1.0, 0.0]])

    assert policy.rank(probabilities, costs=costs, cost_weight=1.0)[0].tolist() == [1, 2, 0]
    assert policy.rank(probabilities, costs=costs, cost_weight=1.0, min_success_probability=0.65)[0].tolist() == [
        1,
        0,
        2,
    ]


def test_excluded_candidate_is_never_chosen() -> None:
    assert policy.choose(np.array([[0.9, 0.1]]), allowed=np.array([False, True])).tolist() == [1]


def test_no_candidate_is_chosen_where_none_is_allowed() -> None:
    allowed = np.array([[False, False], [True, False]])

    assert policy.choose(np.array([[0.9, 0.1], [0.9, 0.1]]), allowed).tolist() == [-1, 0]


def test_cost_weight_is_what_one_would_give_up_for_the_most_expensive() -> None:
    probabilities, costs = np.array([[0.80, 0.70]]), np.array([[4.0, 1.0]])

    choices = [policy.choose(probabilities, costs=costs, cost_weight=weight)[0] for weight in (0.0, 0.13, 0.14, 1.0)]

    assert choices == [0, 0, 1, 1]


def test_costs_are_compared_with_the_most_expensive_of_the_same_prompt() -> None:
    relative = policy.relative_costs(np.array([[1.0, 4.0], [100.0, 50.0]]))

    np.testing.assert_allclose(relative, [[0.25, 1.0], [1.0, 0.5]])


def test_unknown_cost_counts_as_the_most_expensive() -> None:
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


@st.composite
def requests(draw: st.DrawFn) -> dict[str, object]:
    """Draw all arguments of the rule, many of them equal, adjacent or missing."""
    n, m = draw(st.tuples(st.integers(1, 4), st.integers(1, 6)))
    half = np.float32(0.5)
    adjacent = [float(np.nextafter(half, np.float32(0))), 0.5, float(np.nextafter(half, np.float32(1)))]
    chances = st.sampled_from([0.0, 0.05, 0.08, *adjacent, 0.5 + 1e-10, 1.0, NAN])
    prices = st.sampled_from([0.0, 1e-4, 1e-4 * (1 + 1e-12), 2e-4, NAN])
    by_prompt = draw(st.booleans())
    return {
        "probabilities": draw(hnp.arrays(np.float64, (n, m), elements=chances)),
        "allowed": draw(st.none() | hnp.arrays(np.bool_, (n, m)) | hnp.arrays(np.bool_, (m,))),
        "mean_score": draw(
            st.none() | hnp.arrays(np.float64, (n, m) if by_prompt else (m,), elements=st.sampled_from([0.3, 0.6, NAN]))
        ),
        "costs": draw(st.none() | hnp.arrays(np.float64, (n, m), elements=prices)),
        "cost_weight": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        "uncertainty_margin": draw(
            st.none() | hnp.arrays(np.float32, (m,), elements=st.sampled_from([0.0, 0.0, 0.125, 0.75]))
        ),
        "min_success_probability": draw(st.sampled_from([0.0, 0.05, 0.5, 1.0])),
        "policy": draw(st.sampled_from([UTILITY, CHEAPEST])),
    }


def rank_by_words(row: int, **asked: Any) -> list[int]:
    """Rank one prompt's candidates as the docstring of the rule says it, one candidate and one key at a time."""
    shape = asked["probabilities"].shape
    chances, m = [float(np.float32(p)) for p in asked["probabilities"][row]], shape[1]
    margin = [0.0] * m if asked["uncertainty_margin"] is None else asked["uncertainty_margin"].tolist()
    allowed = np.broadcast_to(True if asked["allowed"] is None else asked["allowed"], shape)[row]
    means = np.broadcast_to(0.0 if asked["mean_score"] is None else asked["mean_score"], shape)[row]
    costs = [0.0] * m if asked["costs"] is None else [float(np.float32(c)) for c in asked["costs"][row]]
    inside = [i for i in range(m) if allowed[i] and chances[i] == chances[i]]
    most = max((costs[i] for i in inside if costs[i] == costs[i]), default=0.0)

    def keys(i: int) -> tuple[float, ...]:
        mean = float(np.nan_to_num(means[i]))
        if i not in inside:
            return (2.0, 0.0, 0.0, -mean, i)
        known = costs[i] == costs[i]
        likely = chances[i] - margin[i]
        least = float(np.float32(asked["min_success_probability"]))
        if least and likely < least:
            return (1.0, 0.0 if asked["policy"] == CHEAPEST else -likely, -likely, -mean, i)
        if asked["policy"] == CHEAPEST:
            return (0.0, costs[i] if known else np.inf, -likely, -mean, i)
        relative = (costs[i] if known else most) / most if most > 0 else 0.0
        return (0.0, -(likely - asked["cost_weight"] * relative), 0.0, -mean, i)

    return sorted(range(m), key=keys)


@settings(max_examples=400)
@given(requests())
def test_ranking_is_what_the_rule_says_and_the_choice_is_its_first(asked: dict[str, Any]) -> None:
    ranked, chosen = policy.rank(**asked), policy.choose(**asked)

    for row, order in enumerate(ranked.tolist()):
        assert order == rank_by_words(row, **asked)
        inside = ~np.isnan(asked["probabilities"][row])
        if asked["allowed"] is not None:
            inside &= asked["allowed"] if asked["allowed"].ndim == 1 else asked["allowed"][row]
        assert chosen[row] == (order[0] if inside.any() else -1)


@settings(max_examples=100)
@given(requests())
def test_choice_is_the_same_from_float64_and_from_what_is_served(asked: dict[str, Any]) -> None:
    served = asked | {
        name: None if asked[name] is None else asked[name].astype(np.float32) for name in ("probabilities", "costs")
    }

    assert policy.rank(**asked).tolist() == policy.rank(**served).tolist()


def test_choice_of_many_prompts_is_that_of_each() -> None:
    """70,000 pairs are decided in more than one block."""
    rng = np.random.default_rng(0)
    probabilities = rng.integers(0, 4, (700, 100)) / 4
    allowed, costs, means = rng.random((700, 100)) < 0.5, rng.integers(0, 3, (700, 100)) * 1.0, rng.random((700, 100))

    together = policy.choose(probabilities, allowed, means, costs, 0.1)

    alone = [
        policy.choose(probabilities[i : i + 1], allowed[i : i + 1], means[i : i + 1], costs[i : i + 1], 0.1)[0]
        for i in range(700)
    ]
    assert together.tolist() == alone
