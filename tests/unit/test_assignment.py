"""A batch is served for the least money that keeps the quality floor and the capacities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsat.errors import InputError
from modelsat.policy import assignment

QUALITY = np.asarray([[0.9, 0.5], [0.8, 0.7], [0.9, 0.1]])
COST = np.asarray([[10.0, 1.0], [10.0, 1.0], [10.0, 1.0]])


def test_without_a_floor_everybody_gets_the_cheapest() -> None:
    assert assignment.assign(QUALITY, COST, 0.0).choice.tolist() == [1, 1, 1]


def test_quality_is_bought_where_it_is_cheapest() -> None:
    # The floor of 0.7 needs 2.1 in all; cheap gives 1.3, and the third prompt alone can gain 0.8.
    found = assignment.assign(QUALITY, COST, 0.7)

    assert found.choice.tolist() == [1, 1, 0]
    assert found.cost == pytest.approx(12.0)
    assert found.quality == pytest.approx(0.7)


def test_capacity_moves_the_prompt_that_loses_least() -> None:
    found = assignment.assign(QUALITY, COST + np.asarray([[0.0, 0], [1.0, 0], [2.0, 0]]), 0.0, np.asarray([3, 2]))

    assert found.choice.tolist() == [0, 1, 1]


def test_floor_out_of_reach_is_named_with_the_most_there_is() -> None:
    with pytest.raises(InputError, match=r"mean quality of 0\.950; without limits 0\.867 is the most"):
        assignment.assign(QUALITY, COST, 0.95)


def test_too_few_places_are_named() -> None:
    with pytest.raises(InputError, match="3 prompts do not fit into 2 places"):
        assignment.assign(QUALITY, COST, 0.0, np.asarray([1, 1]))


def test_bound_by_hand() -> None:
    # Half of the third prompt's gain is enough for a floor of 1.7 / 3.
    assert assignment.bound(QUALITY, COST, 1.7 / 3) == pytest.approx(3.0 + 9.0 * 0.4 / 0.8)


def problem(seed: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    strength = np.sort(rng.random(m))
    quality = np.clip(strength[None, :] * 0.6 + 0.4 * rng.random((n, m)), 0, 1)
    cost = np.exp(3 * strength)[None, :] * (0.5 + rng.random((n, m)))
    return quality, cost, np.full(m, np.ceil(1.5 * n / m))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 60), st.integers(2, 6), st.floats(0.0, 0.9))
def test_assignment_keeps_every_constraint_and_never_undercuts_the_bound(
    seed: int, n: int, m: int, tight: float
) -> None:
    quality, cost, capacity = problem(seed, n, m)
    cheapest = quality[np.arange(n), cost.argmin(axis=1)].mean()
    floor = cheapest + tight * 0.5 * max(quality.max(axis=1).mean() - cheapest, 0.0)
    try:
        found = assignment.assign(quality, cost, floor, capacity)
    except InputError:
        return

    assert found.quality >= floor - 1e-9
    assert (np.bincount(found.choice, minlength=m) <= capacity).all()
    assert found.cost >= assignment.bound(quality, cost, floor, capacity) - 1e-6


def test_gap_to_the_bound_is_small_on_a_batch() -> None:
    quality, cost, capacity = problem(0, 400, 6)
    floor = 0.97 * float(quality.max(axis=1).mean())

    found = assignment.assign(quality, cost, floor, capacity * 4)

    assert found.cost <= 1.02 * assignment.bound(quality, cost, floor, capacity * 4)


@pytest.mark.parametrize("floor", [0.75, 0.775, 0.785])
@pytest.mark.parametrize("share", [0.25, 0.3])
def test_gap_stays_small_where_places_are_short(share: float, floor: float) -> None:
    quality, cost, _ = problem(0, 400, 8)
    capacity = np.full(8, share * 400)

    found = assignment.assign(quality, cost, floor, capacity)

    assert found.quality >= floor - 1e-9
    assert (np.bincount(found.choice, minlength=8) <= capacity).all()
    assert found.cost <= 1.01 * assignment.bound(quality, cost, floor, capacity)


def test_floor_that_the_places_just_allow_is_reached() -> None:
    # By the relaxation 0.7778 is the most.
    quality, cost, _ = problem(0, 400, 8)

    assert assignment.assign(quality, cost, 0.777, np.full(8, 80)).quality >= 0.777 - 1e-9
    with pytest.raises(InputError, match=r"mean quality of 0\.778"):
        assignment.assign(quality, cost, 0.778, np.full(8, 80))


def test_dear_candidate_that_is_barely_better_gets_no_more_than_it_must() -> None:
    # Quality is worth 9,000 a unit here, and all prompts are alike: at no one price do some of them move.
    quality = np.tile([0.700, 0.701], (100, 1))
    cost = np.tile([1.0, 10.0], (100, 1))

    found = assignment.assign(quality, cost, 0.70025)

    assert found.choice.sum() == 25


def test_prices_of_a_batch_decide_a_stream_almost_as_well() -> None:
    quality, cost, _ = problem(1, 400, 6)
    later_quality, later_cost, _ = problem(1, 400, 6)
    floor = 0.95 * float(quality.max(axis=1).mean())

    found = assignment.assign(quality, cost, floor)
    choice = assignment.decide(later_quality, later_cost, found)

    assert later_quality[np.arange(400), choice].mean() >= floor - 0.02
