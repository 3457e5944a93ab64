"""The router that asks the neighbours, on unit vectors that can be checked by eye."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.routers.knn import Knn
from modelsat.routers.neighbours import PRIOR_NEIGHBOURS
from modelsat.routers.profile import Profile

NAN = float("nan")
EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def knn(
    outcomes: list[list[float]], directions: list[list[float]], neighbours: int, mean: np.ndarray | None = None
) -> Knn:
    names = [f"m{i}" for i in range(len(outcomes[0]))]
    return Knn(names, None, np.array(directions), np.array(outcomes), neighbours, mean)


def test_probability_is_the_mean_over_the_neighbours_shrunk_to_the_overall_mean() -> None:
    router = knn([[1, 0], [1, 0], [0, 1], [0, 1]], [EAST, EAST, NORTH, NORTH], neighbours=2)

    (east, north) = router.from_embeddings(np.array([EAST, NORTH]))

    np.testing.assert_allclose(router.mean, [0.5, 0.5])
    np.testing.assert_allclose(east, [(2 + 5 * 0.5) / 7, (0 + 5 * 0.5) / 7])
    np.testing.assert_allclose(north, [(0 + 5 * 0.5) / 7, (2 + 5 * 0.5) / 7])


def test_overall_mean_counts_half_a_success_more() -> None:
    router = knn([[1, NAN], [1, NAN], [0, NAN]], [EAST] * 3, neighbours=1)

    np.testing.assert_allclose(router.mean, [2.5 / 4, 0.5])


def test_neighbour_on_which_a_candidate_was_not_run_does_not_count() -> None:
    router = knn([[1, NAN], [0, 1]], [EAST, EAST], neighbours=2, mean=np.array([0.5, 0.5]))

    np.testing.assert_allclose(router.from_embeddings(np.array([EAST])), [[(1 + 2.5) / 7, (1 + 2.5) / 6]])


def test_candidate_that_no_neighbour_knows_is_expected_its_mean() -> None:
    router = knn([[1, NAN], [1, NAN]], [EAST, EAST], neighbours=2, mean=np.array([0.5, 0.25]))

    assert router.from_embeddings(np.array([EAST]))[0, 1] == pytest.approx(0.25)


def test_more_neighbours_than_prompts_are_all_prompts() -> None:
    one, other = (knn([[1, 0], [0, 1]], [EAST, NORTH], k).from_embeddings(np.array([EAST])) for k in (2, 1000))

    np.testing.assert_array_equal(one, other)


def test_graded_scores_are_averaged() -> None:
    router = knn([[0.5], [0.75]], [EAST, EAST], neighbours=2, mean=np.array([0.0]))

    np.testing.assert_allclose(router.from_embeddings(np.array([EAST])), [[1.25 / 7]])


def test_many_prompts_are_scored_like_one() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(50, 4))
    router = knn(
        rng.integers(0, 2, (50, 3)).astype(float).tolist(),
        (train / np.linalg.norm(train, axis=1, keepdims=True)).tolist(),
        5,
    )
    prompts = rng.normal(size=(1200, 4)).astype(np.float32)

    together = router.from_embeddings(prompts)

    np.testing.assert_allclose(
        together[[0, 511, 512, 1199]],
        [router.from_embeddings(prompts[i : i + 1])[0] for i in (0, 511, 512, 1199)],
        rtol=1e-5,
    )


@given(hnp.arrays(np.float64, (6, 3), elements=st.sampled_from([0.0, 0.5, 1.0, NAN])), st.integers(1, 8))
def test_probabilities_lie_in_the_unit_interval_and_are_never_missing(outcomes: np.ndarray, neighbours: int) -> None:
    router = knn(outcomes.tolist(), [EAST, EAST, EAST, NORTH, NORTH, NORTH], neighbours)

    probabilities = router.from_embeddings(np.array([EAST, NORTH]))

    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@given(st.permutations(range(6)))
def test_order_of_training_prompts_never_changes_the_answer(order: list[int]) -> None:
    angles = np.arange(6) / 10
    directions, outcomes = (
        np.column_stack([np.cos(angles), np.sin(angles)]),
        np.array([[i % 2, i % 3 == 0] for i in range(6)], dtype=float),
    )

    one = knn(outcomes.tolist(), directions.tolist(), 3)
    other = knn(outcomes[order].tolist(), directions[order].tolist(), 3)

    np.testing.assert_allclose(
        one.from_embeddings(np.array([EAST])), other.from_embeddings(np.array([EAST])), rtol=1e-6
    )


def test_newcomer_is_expected_its_mean_everywhere() -> None:
    router = knn([[1.0], [0.0]], [EAST, NORTH], neighbours=1)

    admitted = router.admit(Profile(("new",), np.zeros((1, 4)), np.array([0.875])))

    assert admitted.candidates == ("m0", "new")
    probabilities = admitted.from_embeddings(np.array([EAST, NORTH]))
    np.testing.assert_allclose(probabilities[:, 1], 0.875)
    np.testing.assert_array_equal(probabilities[:, :1], router.from_embeddings(np.array([EAST, NORTH])))


def test_prior_is_worth_five_neighbours() -> None:
    assert PRIOR_NEIGHBOURS == 5.0
