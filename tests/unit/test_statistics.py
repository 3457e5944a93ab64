"""The statistics of routing against values worked by hand, scikit-learn and SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from modelsat import statistics
from modelsat.statistics import Interval

NAN = float("nan")
PROBABILITIES = hnp.arrays(
    np.float64, st.integers(2, 40), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
)


def penalised_loss(weights: np.ndarray, p: np.ndarray, y: np.ndarray) -> float:
    """Return what `platt` minimises: log-loss plus the pull of one pseudo-observation towards the identity."""
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    logits = weights[0] * np.log(clipped / (1 - clipped)) + weights[1]
    return float(np.logaddexp(0, logits).sum() - (y * logits).sum() + 0.5 * ((weights[0] - 1) ** 2 + weights[1] ** 2))


def test_resampled_constant_is_constant() -> None:
    means = statistics.bootstrap_means(np.full((7, 2), [0.25, 1.0]), resamples=50)

    np.testing.assert_allclose(means, np.tile([0.25, 1.0], (50, 1)))


@pytest.mark.parametrize("resamples", [1, 199, 200, 201, 450])
def test_as_many_resamples_as_asked_for(resamples: int) -> None:
    assert statistics.bootstrap_means(np.ones((3, 2)), resamples).shape == (resamples, 2)


def test_columns_are_resampled_together() -> None:
    values = np.random.default_rng(0).random((30, 1))

    means = statistics.bootstrap_means(np.hstack([values, values + 0.125]), resamples=100)

    np.testing.assert_allclose(means[:, 1] - means[:, 0], 0.125)


def test_same_seed_gives_the_same_resamples_and_another_seed_others() -> None:
    values = np.random.default_rng(0).random((30, 1))

    one, same, other = (statistics.bootstrap_means(values, 100, seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.floats(0, 1)))
def test_resampled_means_stay_within_the_values(values: np.ndarray) -> None:
    means = statistics.bootstrap_means(values, resamples=30)

    assert (means >= values.min(axis=0) - 1e-12).all()
    assert (means <= values.max(axis=0) + 1e-12).all()


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)))
def test_interval_is_ordered_and_within_the_values(values: np.ndarray) -> None:
    resampled = statistics.bootstrap_means(values[:, None], resamples=400)[:, 0]

    interval = statistics.interval(values.mean(), resampled)

    assert values.min() - 1e-12 <= interval.low <= np.median(resampled) <= interval.high <= values.max() + 1e-12


def test_interval_covers_the_truth_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        sample = (rng.random((120, 1)) < 0.3).astype(float)
        interval = statistics.interval(sample.mean(), statistics.bootstrap_means(sample, 300, seed)[:, 0])
        covered += interval.low <= 0.3 <= interval.high

    assert 0.91 <= covered / 300 <= 0.98


def test_interval_is_as_wide_as_the_standard_error_says() -> None:
    sample = np.repeat([0.0, 1.0], 200)[:, None]

    interval = statistics.interval(0.5, statistics.bootstrap_means(sample)[:, 0])

    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(400), rel=0.08)


def test_interval_takes_the_middle_95_percent() -> None:
    assert statistics.interval(7.0, np.arange(0, 1001) / 1000) == Interval(7.0, 0.025, 0.975)


def test_lower_bound_is_one_sided() -> None:
    resampled = np.arange(0, 1001) / 1000

    assert statistics.lower_bound(resampled, 0.95) == pytest.approx(0.05)
    assert statistics.lower_bound(resampled, 0.90) == pytest.approx(0.10)


@pytest.mark.parametrize(("bins", "error"), [(1, 0.0), (2, 0.1), (4, 0.1)])
def test_calibration_error_by_hand(bins: int, error: float) -> None:
    p, y = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])

    assert statistics.expected_calibration_error(p, y, bins) == pytest.approx(error)


def test_bins_of_the_calibration_error_hold_equal_numbers() -> None:
    p, y = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), np.array([0.0, 1.0, 0.0, 1.0, 1.0, 1.0])

    by_hand = (abs(0.15 - 0.5) + abs(0.35 - 0.5) + abs(0.55 - 1.0)) / 3
    assert statistics.expected_calibration_error(p, y, 3) == pytest.approx(by_hand)


def test_calibration_error_leaves_out_what_was_not_run() -> None:
    p, y = np.array([[0.2, 0.9], [0.6, 0.1]]), np.array([[0.0, NAN], [1.0, NAN]])

    assert statistics.expected_calibration_error(p, y, 1) == pytest.approx(0.1)


def test_calibration_error_of_nothing_is_zero() -> None:
    assert statistics.expected_calibration_error(np.array([0.5]), np.array([NAN])) == 0.0


def test_calibration_error_does_not_depend_on_the_order_of_rows() -> None:
    p, y = np.full(100, 0.5), np.repeat([0.0, 1.0], 50)

    assert statistics.expected_calibration_error(p, y) == pytest.approx(0.0)


def test_area_by_hand() -> None:
    p, y = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0.0, 1.0, 1.0])

    assert statistics.area_under_curve(p, y) == pytest.approx(0.75)


@given(PROBABILITIES, st.data())
def test_area_is_that_of_scikit_learn(p: np.ndarray, data: st.DataObject) -> None:
    y = data.draw(hnp.arrays(np.float64, len(p), elements=st.sampled_from([0.0, 1.0])))
    y[:2] = 0.0, 1.0

    assert statistics.area_under_curve(p, y) == pytest.approx(roc_auc_score(y, p))


@given(PROBABILITIES, st.data())
def test_area_of_the_opposite_prediction_is_the_rest(p: np.ndarray, data: st.DataObject) -> None:
    y = data.draw(hnp.arrays(np.float64, len(p), elements=st.sampled_from([0.0, 1.0, NAN])))

    assert statistics.area_under_curve(p, y) + statistics.area_under_curve(1 - p, y) == pytest.approx(1.0)


@pytest.mark.parametrize("outcome", [0.0, 1.0, NAN])
def test_area_is_a_half_where_only_one_kind_occurs(outcome: float) -> None:
    assert statistics.area_under_curve(np.array([0.1, 0.9]), np.full(2, outcome)) == 0.5


def test_platt_scaling_of_calibrated_predictions_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, 40_000)

    slope, intercept = statistics.platt(p, (rng.random(40_000) < p).astype(float))

    assert slope == pytest.approx(1.0, abs=0.03)
    assert intercept == pytest.approx(0.0, abs=0.03)


def test_platt_scaling_recovers_slope_and_intercept() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, 40_000)
    truth = 1 / (1 + np.exp(-(0.5 * logits - 0.7)))

    slope, intercept = statistics.platt(1 / (1 + np.exp(-logits)), (rng.random(40_000) < truth).astype(float))

    assert slope == pytest.approx(0.5, abs=0.03)
    assert intercept == pytest.approx(-0.7, abs=0.03)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0.2, 0.8)), st.data())
def test_platt_scaling_is_the_penalised_optimum(p: np.ndarray, data: st.DataObject) -> None:
    y = data.draw(hnp.arrays(np.float64, len(p), elements=st.sampled_from([0.0, 0.5, 1.0])))

    slope, intercept = statistics.platt(p, y)

    best = minimize(penalised_loss, [1.0, 0.0], args=(p, y))
    if best.x[0] > 0.05:
        assert penalised_loss(np.array([slope, intercept]), p, y) <= best.fun + 1e-6
    else:
        assert slope == 0.05


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")
def test_platt_scaling_tames_confident_nonsense() -> None:
    rng = np.random.default_rng(0)
    p = np.where(rng.random(500) < 0.5, 0.05, 0.95)
    y = (rng.random(500) < 0.5).astype(float)

    slope, intercept = statistics.platt(p, y)

    assert slope == pytest.approx(0.05, abs=0.1)
    assert abs(intercept) < 0.5


def test_platt_scaling_never_turns_the_order_around() -> None:
    p = np.linspace(0.3, 0.7, 50)

    slope, _ = statistics.platt(p, (p < 0.5).astype(float))

    assert slope == 0.05


def test_platt_scaling_of_nothing_is_the_identity() -> None:
    assert statistics.platt(np.array([0.3, 0.9]), np.array([NAN, NAN])) == (1.0, 0.0)


def test_platt_scaling_of_a_handful_stays_near_the_identity() -> None:
    slope, intercept = statistics.platt(np.array([0.6, 0.4]), np.array([1.0, 0.0]))

    assert 1.0 < slope < 1.5
    assert abs(intercept) < 0.2


def drawn(slope: float, intercept: float, seed: int, prompts: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Draw predictions of three candidates, and outcomes whose log-odds are a line of the predicted ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (prompts, 3))
    truth = 1 / (1 + np.exp(-(slope * logits + intercept)))
    return 1 / (1 + np.exp(-logits)), (rng.random(logits.shape) < truth).astype(float)


def test_calibration_is_chosen_where_it_helps() -> None:
    p, y = drawn(0.5, -0.7, seed=2)
    y[::7] = NAN

    assert statistics.choose_calibration(p, y) == statistics.platt(p, y)


def test_calibrated_predictions_are_left_as_they_are() -> None:
    """The two numbers that Platt scaling fits to noise would make one in two of these worse."""
    chosen = [statistics.choose_calibration(*drawn(1.0, 0.0, seed)) for seed in range(10)]

    assert chosen.count((1.0, 0.0)) >= 8


def test_calibration_of_a_handful_of_prompts_is_the_identity() -> None:
    p, y = drawn(0.5, -0.7, seed=3, prompts=9)

    assert statistics.choose_calibration(p, y) == (1.0, 0.0)
    assert statistics.choose_calibration(np.full((20, 2), 0.3), np.full((20, 2), NAN)) == (1.0, 0.0)


def test_chosen_calibration_lowers_the_loss_on_other_prompts() -> None:
    """Over all shapes of miscalibration: never more than noise above leaving predictions as they are."""
    for slope, intercept in ((0.5, -0.7), (1.0, 0.0), (1.1, 0.1), (2.0, 0.5)):
        p, y = drawn(slope, intercept, seed=4)
        fresh, truth = drawn(slope, intercept, seed=5, prompts=4000)
        chosen = statistics.choose_calibration(p, y)
        loss = [penalised_loss(np.array(one), fresh.ravel(), truth.ravel()) for one in (chosen, (1.0, 0.0))]

        assert loss[0] <= loss[1] * 1.001


def test_prompts_without_a_value_do_not_count_in_a_mean() -> None:
    values = np.array([[1.0, 1.0], [0.0, NAN], [1.0, 1.0], [0.0, NAN]])

    resampled = statistics.bootstrap_means(values, resamples=500)

    assert resampled[:, 0].mean() == pytest.approx(0.5, abs=0.05)
    assert (resampled[:, 1] == 1.0).all()
