"""The capability encoder: a card becomes a vector that depends on nothing but that card."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.routers.model_sat import capability
from modelsat.routers.model_sat.capability import CapabilityEncoder

CARDS = hnp.arrays(np.float32, (4, 3), elements=st.floats(0, 1, width=32))


@pytest.fixture(scope="module")
def encoder() -> CapabilityEncoder:
    """Three tasks whose meanings stand at right angles in five dimensions; the zoo answers half."""
    return CapabilityEncoder(np.eye(3, 5, dtype=np.float32), np.zeros(3, dtype=np.float32), scale=2.0)


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def test_card_of_the_mean_candidate_is_zero(encoder: CapabilityEncoder) -> None:
    np.testing.assert_array_equal(encoder.encode(np.full((1, 3), 0.5)), np.zeros((1, 9)))


def test_even_card_has_a_level_and_no_profile(encoder: CapabilityEncoder) -> None:
    (vector,) = encoder.encode(np.full((1, 3), 0.8))

    np.testing.assert_allclose(vector, [logit(0.8) / 2, *[0] * 8], atol=1e-6)


def test_uneven_card_by_hand(encoder: CapabilityEncoder) -> None:
    (vector,) = encoder.encode(np.array([[0.8, 0.5, 0.2]]))

    line, share = logit(0.8) / 2, logit(0.8) / 2 / np.sqrt(3)
    np.testing.assert_allclose(vector, [0, line, 0, -line, share, 0, -share, 0, 0], atol=1e-6)


def test_certain_cards_stay_finite(encoder: CapabilityEncoder) -> None:
    vectors = encoder.encode(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.5]]))

    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[0], -vectors[1])


@given(CARDS)
def test_vector_depends_on_its_own_card_alone(encoder: CapabilityEncoder, accuracies: np.ndarray) -> None:
    together = encoder.encode(accuracies)

    alone = np.concatenate([encoder.encode(accuracies[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@given(CARDS)
def test_equal_cards_have_equal_vectors(encoder: CapabilityEncoder, accuracies: np.ndarray) -> None:
    twice = encoder.encode(np.concatenate([accuracies, accuracies]))

    np.testing.assert_array_equal(twice[:4], twice[4:])


@given(CARDS, st.permutations(range(4)))
def test_order_of_candidates_only_orders_the_vectors(
    encoder: CapabilityEncoder, accuracies: np.ndarray, order: list[int]
) -> None:
    np.testing.assert_allclose(encoder.encode(accuracies[order]), encoder.encode(accuracies)[order], atol=1e-6)


def test_width_is_that_of_the_vectors(encoder: CapabilityEncoder) -> None:
    assert encoder.width == encoder.encode(np.full((1, 3), 0.5)).shape[1] == 1 + 3 + 5


def test_fitted_encoder_centres_and_scales_its_zoo() -> None:
    rng = np.random.default_rng(0)
    accuracies = rng.uniform(0.1, 0.9, (30, 4)).astype(np.float32)

    encoder = capability.fit(accuracies, np.eye(4, dtype=np.float32))

    vectors = encoder.encode(accuracies)
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-5)
    assert encoder.scale == pytest.approx(
        float((np.log(accuracies / (1 - accuracies)) - encoder.zoo_mean).std()), rel=1e-4
    )


def test_fitted_meanings_are_unit_vectors_without_their_common_part() -> None:
    meanings = np.array([[1.0, 0.1, 0.0], [1.0, -0.1, 0.0], [1.0, 0.0, 0.3]], dtype=np.float32)

    encoder = capability.fit(np.full((2, 3), 0.5), meanings)

    np.testing.assert_allclose(np.linalg.norm(encoder.meanings, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(encoder.meanings[:, 0], 0.0, atol=1e-6)


def test_zoo_of_equal_candidates_can_be_fitted() -> None:
    encoder = capability.fit(np.full((3, 2), 0.7), np.eye(2, dtype=np.float32))

    assert encoder.scale == 1e-3
    np.testing.assert_allclose(encoder.encode(np.full((1, 2), 0.7)), 0.0, atol=1e-3)


def test_single_task_keeps_its_meaning() -> None:
    encoder = capability.fit(np.array([[0.3], [0.7]]), np.array([[0.6, 0.8]], dtype=np.float32))

    np.testing.assert_allclose(encoder.meanings, [[0.6, 0.8]])


def test_task_is_described_by_its_keywords() -> None:
    assert capability.describe([["one", "two"], ["three"]]) == ["one, two", "three"]
