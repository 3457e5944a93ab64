"""The front of single candidates by hand: what a random split between two of them costs."""

import numpy as np
import pytest

from modelsat.evaluation import front

COST = np.asarray([1.0, 2.0, 3.0, 5.0, 4.0])
ACCURACY = np.asarray([0.5, 0.4, 0.8, 0.9, 0.84])


def test_candidate_that_another_undercuts_is_not_on_the_front() -> None:
    # The second costs more than the first and does worse; the last is dearer than a split of its neighbours.
    assert front.vertices(COST, ACCURACY).tolist() == [0, 2, 3]


def test_of_equal_costs_only_the_best_is_on_the_front() -> None:
    assert front.vertices(np.asarray([1.0, 1.0]), np.asarray([0.5, 0.6])).tolist() == [1]


def test_prompts_are_split_between_the_two_neighbours_of_the_target() -> None:
    np.testing.assert_allclose(front.mixture(COST, ACCURACY, 0.65), [0.5, 0, 0.5, 0, 0])


@pytest.mark.parametrize(("target", "all_to"), [(0.1, 0), (0.5, 0), (0.8, 2), (0.9, 3), (0.95, 3)])
def test_target_at_a_vertex_or_beyond_the_ends_is_one_candidate(target: float, all_to: int) -> None:
    np.testing.assert_allclose(front.mixture(COST, ACCURACY, target), np.eye(5)[all_to], atol=1e-12)


def test_no_other_split_of_two_is_cheaper() -> None:
    rng = np.random.default_rng(0)
    cost, accuracy = rng.random(12), rng.random(12)
    target = float(np.quantile(accuracy, 0.7))
    splits = [
        cost[i] + (cost[j] - cost[i]) * (target - accuracy[i]) / (accuracy[j] - accuracy[i])
        for i in range(12)
        for j in range(12)
        if accuracy[i] < target <= accuracy[j]
    ]

    shares = front.mixture(cost, accuracy, target)

    assert shares @ accuracy == pytest.approx(target)
    assert shares @ cost <= min(splits) + 1e-12
