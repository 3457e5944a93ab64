"""A weighted mean of routers; the weight that explains validation prompts best."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.routers.constant import Constant
from modelsat.routers.mixture import Mixture, choose_weight, mix
from modelsat.routers.profile import Profile

NAN = float("nan")
PROBABILITIES = hnp.arrays(np.float32, (3, 2), elements=st.floats(0, 1, width=32))


class Counting(Constant):
    """A constant router that says how often it was asked, and that it reads half of every prompt."""

    asked = 0

    def success_probability(self, texts: list[str], *_: object) -> np.ndarray:
        self.asked += 1
        return super().success_probability(texts)

    def truncated(self, texts: list[str]) -> np.ndarray:
        return np.ones(len(texts), dtype=bool)


def constant(*probabilities: float) -> Constant:
    return Constant(["a", "b"], np.array(probabilities))


def test_mixture_is_the_weighted_mean() -> None:
    mixture = Mixture([constant(0.0, 1.0), constant(1.0, 0.5)], [0.25, 0.75])

    np.testing.assert_allclose(mixture.success_probability(["x", "y"]), [[0.75, 0.625]] * 2)


def test_member_without_weight_is_not_asked() -> None:
    idle = Counting(["a", "b"], np.array([0.0, 0.0]))

    Mixture([constant(0.5, 0.5), idle], [1.0, 0.0]).success_probability(["x"])

    assert idle.asked == 0


def test_members_of_different_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match="route between different candidates"):
        Mixture([constant(0.0, 1.0), Constant(["b", "a"], np.array([0.0, 1.0]))], [0.5, 0.5])


def test_newcomers_are_admitted_by_every_member() -> None:
    mixture = Mixture([constant(0.0, 1.0), constant(1.0, 0.5)], [0.5, 0.5])

    admitted = mixture.admit(Profile(("new",), np.zeros((1, 3)), np.array([0.8])))

    assert admitted.candidates == ("a", "b", "new")
    np.testing.assert_allclose(admitted.success_probability(["x"]), [[0.5, 0.75, 0.8]])


def test_first_member_says_what_was_truncated() -> None:
    mixture = Mixture([Counting(["a", "b"], np.array([0.0, 0.0])), constant(0.0, 1.0)], [0.5, 0.5])

    assert mixture.truncated(["x"]).tolist() == [True]


@given(PROBABILITIES, PROBABILITIES, st.floats(0, 1))
def test_mixed_probabilities_lie_between_their_parts(one: np.ndarray, other: np.ndarray, weight: float) -> None:
    mixed = mix([one, other], [weight, 1 - weight])

    assert mixed.dtype == np.float32
    assert (mixed >= np.minimum(one, other) - 1e-6).all()
    assert (mixed <= np.maximum(one, other) + 1e-6).all()


@pytest.mark.parametrize(("truth", "weight"), [([[1, 0]], 1.0), ([[0, 1]], 0.0)])
def test_router_that_is_right_gets_all_weight(truth: list[list[float]], weight: float) -> None:
    first, second = np.array([[0.9, 0.1]]), np.array([[0.1, 0.9]])

    assert choose_weight(first, second, np.array(truth)) == weight


def test_two_overconfident_routers_are_mixed() -> None:
    first, second = np.array([[0.99], [0.01]]), np.array([[0.01], [0.99]])

    assert choose_weight(first, second, np.array([[1.0], [1.0]])) == 0.5


def test_outcomes_that_were_not_run_do_not_count() -> None:
    first, second = np.array([[0.9, 0.0]]), np.array([[0.1, 1.0]])

    assert choose_weight(first, second, np.array([[1.0, NAN]])) == 1.0


def test_smaller_weight_wins_a_tie() -> None:
    same = np.array([[0.7]])

    assert choose_weight(same, same, np.array([[1.0]]), grid=(0.25, 0.75)) == 0.25


@given(PROBABILITIES, PROBABILITIES, hnp.arrays(np.float32, (3, 2), elements=st.sampled_from([0.0, 0.5, 1.0])))
def test_chosen_weight_has_the_least_loss(one: np.ndarray, other: np.ndarray, truth: np.ndarray) -> None:
    def loss(weight: float) -> float:
        p = np.clip(weight * one + (1 - weight) * other, 1e-4, 1 - 1e-4).astype(np.float64)
        return float(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())

    chosen = choose_weight(one, other, truth)

    assert loss(chosen) <= min(map(loss, (0.0, 0.25, 0.5, 0.75, 1.0))) + 1e-5
