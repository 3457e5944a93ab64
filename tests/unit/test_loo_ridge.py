"""Leave-one-out without leaving one out: what the shortcut says is what refitting without the row says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.routers.fusion import loo_ridge
from modelsat.routers.fusion.loo_ridge import PENALTIES

SEEDS = st.integers(0, 2**31 - 1)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def refitted(features: np.ndarray, target: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Return weights and intercept of ridge by its normal equations, the intercept free of penalty."""
    x, y = features - features.mean(axis=0), target - target.mean()
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return weights, float(target.mean() - features.mean(axis=0) @ weights)


def left_out(features: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """Return what each row is told by a ridge that was fitted to all the others."""
    told = []
    for i in range(len(target)):
        others = np.arange(len(target)) != i
        weights, intercept = refitted(features[others], target[others], penalty)
        told.append(features[i] @ weights + intercept)
    return np.asarray(told)


def chosen(features: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the penalty whose honest leave-one-out error is least, and what it tells the rows."""
    told = [left_out(features, target, penalty) for penalty in PENALTIES]
    best = int(np.argmin([((target - one) ** 2).mean() for one in told]))
    return float(PENALTIES[best]), told[best]


@pytest.mark.parametrize("shape", [(30, 4), (12, 20), (5, 1)], ids=["tall", "wide", "one feature"])
@pytest.mark.parametrize("noise", [0.3, 5.0], ids=["mostly signal", "mostly noise"])
def test_held_out_predictions_are_those_of_really_refitting_without_the_row(
    shape: tuple[int, int], noise: float
) -> None:
    features = normal(0, *shape)
    targets = features @ normal(1, shape[1], 3) + noise * normal(2, shape[0], 3) + 7.0

    heads = loo_ridge.fit(features, targets)

    for j in range(3):
        penalty, told = chosen(features, targets[:, j])
        weights, intercept = refitted(features, targets[:, j], penalty)
        np.testing.assert_allclose(heads.held_out[:, j], told, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(heads.weights[:, j], weights, rtol=1e-6, atol=1e-8)
        assert heads.intercept[j] == pytest.approx(intercept)
        assert heads.skill[j] == pytest.approx(1 - ((targets[:, j] - told) ** 2).mean() / targets[:, j].var())


def test_every_target_gets_a_penalty_of_its_own() -> None:
    features = normal(0, 40, 3)
    clear, noise = features @ np.array([1.0, -2.0, 0.5]), normal(1, 40)

    alone = [loo_ridge.fit(features, target[:, None]) for target in (clear, noise)]
    together = loo_ridge.fit(features, np.column_stack([clear, noise]))

    assert chosen(features, clear)[0] < chosen(features, noise)[0]
    np.testing.assert_allclose(together.weights, np.column_stack([one.weights[:, 0] for one in alone]), rtol=1e-9)


@given(rows=st.integers(2, 25), width=st.integers(1, 30), seed=SEEDS)
def test_skill_is_never_more_than_all_of_the_variance(rows: int, width: int, seed: int) -> None:
    heads = loo_ridge.fit(normal(seed, rows, width), normal(seed + 1, rows, 2))

    assert (heads.skill <= 1).all()
    assert np.isfinite(heads.weights).all()
    assert np.isfinite(heads.held_out).all()


def test_noise_has_no_skill_worth_the_name() -> None:
    heads = loo_ridge.fit(normal(0, 100, 20), normal(1, 100, 5))

    assert (heads.skill < 0.05).all()


def test_constant_target_has_no_skill_and_is_told_its_mean() -> None:
    heads = loo_ridge.fit(normal(0, 10, 3), np.full((10, 1), 0.7))

    assert heads.skill.tolist() == [0.0]
    np.testing.assert_allclose(heads.held_out, 0.7)
    np.testing.assert_allclose(heads(normal(1, 4, 3)), 0.7)


def test_features_that_never_differ_leave_the_mean_of_the_others() -> None:
    heads = loo_ridge.fit(np.ones((3, 2)), np.array([[0.0], [0.0], [1.0]]))

    np.testing.assert_allclose(heads(np.ones((1, 2))), [[1 / 3]])
    np.testing.assert_allclose(heads.held_out[:, 0], [0.5, 0.5, 0.0], atol=1e-12)
    # Leave-one-out is worse than the mean, which has seen the row: 3/2 as far off, squared.
    assert heads.skill[0] == pytest.approx(1 - 9 / 4)


def test_linear_target_without_noise_is_reproduced() -> None:
    features = normal(0, 50, 4)
    weights, intercept = np.array([[1.0], [-2.0], [0.0], [0.5]]), 3.0

    heads = loo_ridge.fit(features, features @ weights + intercept)

    np.testing.assert_allclose(heads.weights, weights, atol=1e-3)
    np.testing.assert_allclose(heads(normal(1, 5, 4)), normal(1, 5, 4) @ weights + intercept, atol=1e-2)
    assert heads.skill[0] > 0.999


def test_more_features_than_rows_are_no_obstacle() -> None:
    signal = normal(0, 30, 1)
    features = np.concatenate([3 * signal, 0.01 * normal(1, 30, 200)], axis=1)

    heads = loo_ridge.fit(features, signal)

    assert heads.skill[0] > 0.99
    assert heads.weights.shape == (201, 1)


def test_features_in_single_precision_are_fitted_in_double() -> None:
    features = (1.0 + 1e-3 * normal(0, 60, 40)).astype(np.float32)
    target = normal(1, 60, 1)

    one, other = loo_ridge.fit(features, target), loo_ridge.fit(features.astype(np.float64), target)

    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.held_out, other.held_out)


@given(seed=SEEDS, shift=st.floats(-10, 10), scale=st.floats(0.1, 10))
def test_shifted_and_stretched_targets_are_told_alike(seed: int, shift: float, scale: float) -> None:
    features, target = normal(seed, 20, 3), normal(seed + 1, 20, 1)

    one, other = loo_ridge.fit(features, target), loo_ridge.fit(features + shift, scale * target + shift)

    np.testing.assert_allclose(other.held_out, scale * one.held_out + shift, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(other.skill, one.skill, atol=1e-6)
