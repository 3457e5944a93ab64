"""Weights of a mixture: who is right about the differences between candidates gets them."""

import numpy as np
import pytest

from modelsat.routers.fusion import weights

NAN = float("nan")
ASSUMED = (0.5, 0.5)


def outcomes(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return success probabilities (n, 3) and outcomes drawn from them."""
    rng = np.random.default_rng(seed)
    probability = rng.random((n, 3))
    return probability, (rng.random((n, 3)) < probability).astype(float)


def test_member_that_knows_gets_nearly_all_and_noise_nearly_nothing() -> None:
    probability, truth = outcomes(4000)
    noise = np.random.default_rng(1).random(truth.shape)

    found = weights.fitted(np.stack([probability, noise]), truth, ASSUMED)

    assert found.sum() == pytest.approx(1)
    assert found[0] > 0.9


def test_without_outcomes_the_assumed_weights_stay() -> None:
    probability, truth = outcomes(20)

    found = weights.fitted(np.stack([probability, probability[:, ::-1]]), np.full_like(truth, NAN), (0.25, 0.75))

    np.testing.assert_allclose(found, [0.25, 0.75])


def test_few_prompts_move_the_assumed_weights_less_than_many() -> None:
    probability, truth = outcomes(4000)
    said = np.stack([probability, np.random.default_rng(1).random(truth.shape)])

    few, many = weights.fitted(said[:, :40], truth[:40], ASSUMED), weights.fitted(said, truth, ASSUMED)

    assert 0.5 < few[0] < many[0]


def test_how_hard_a_prompt_is_for_all_does_not_count() -> None:
    probability, truth = outcomes(500)
    said = np.stack([probability, np.random.default_rng(1).random(truth.shape)])
    harder = np.random.default_rng(2).random((500, 1))

    np.testing.assert_allclose(weights.fitted(said, truth - harder, ASSUMED), weights.fitted(said, truth, ASSUMED))


def test_two_members_that_err_apart_share_the_weight() -> None:
    probability, truth = outcomes(4000)
    rng = np.random.default_rng(3)
    blurred = np.stack([probability + rng.normal(0, 0.3, truth.shape) for _ in range(2)])

    assert weights.fitted(blurred, truth, (1.0, 0.0)) == pytest.approx([0.5, 0.5], abs=0.1)


def test_member_that_is_wrong_gets_nothing_less_than_zero() -> None:
    probability, truth = outcomes(4000)

    assert weights.fitted(np.stack([probability, 1 - probability]), truth, (1.0, 0.0)).tolist() == [1.0, 0.0]
