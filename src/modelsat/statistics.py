"""The statistics of routing: paired bootstrap, calibration error, area under the curve."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its two-sided 95 % bootstrap interval, in the unit of the estimate."""

    value: float
    low: float
    high: float


def bootstrap_means(values: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Resample rows with replacement and average.

    Columns are resampled together, so differences of columns are paired. A column's mean is over the prompts where it
    has a value.

    Args:
        values: Shape (prompts, columns), NaN where there is no value; some value in each column.
        resamples: Number of resamples.
        seed: Of the resampling.

    Returns:
        Shape (resamples, columns).
    """
    rng = np.random.default_rng(seed)
    n = len(values)
    known = ~np.isnan(values)
    filled, overall = np.where(known, values, 0.0), np.nanmean(values, axis=0)
    means = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, 200):
        size = min(200, resamples - start)
        counts = rng.multinomial(n, np.full(n, 1 / n), size=size)
        drawn = np.full((size, 1), n) if known.all() else counts @ known
        # A resample without any value says nothing: it counts as the mean over all prompts.
        means[start : start + size] = np.where(drawn > 0, counts @ filled / np.maximum(drawn, 1), overall)
    return means


def interval(value: float, resampled: np.ndarray) -> Interval:
    """Return the percentile interval of resampled estimates, shape (resamples,)."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def lower_bound(resampled: np.ndarray, confidence: float = 0.95) -> float:
    """Return the one-sided lower confidence bound of resampled estimates, shape (resamples,)."""
    return float(np.quantile(resampled, 1 - confidence))


def expected_calibration_error(probabilities: np.ndarray, outcomes: np.ndarray, bins: int = 15) -> float:
    """Return the mean distance between predicted and observed success over bins of equal mass, in [0, 1].

    Args:
        probabilities: Predicted success, any shape, in [0, 1].
        outcomes: Observed scores of the same shape, NaN where not run.
        bins: Number of bins.
    """
    asked = ~np.isnan(outcomes)
    p, y = probabilities[asked].astype(np.float64), outcomes[asked].astype(np.float64)
    if not len(p):
        return 0.0
    y = mean_over_ties(p, y)
    order = np.argsort(p, kind="stable")
    edges = np.linspace(0, len(p), bins + 1).astype(int)
    error = 0.0
    for start, end in pairwise(edges):
        if end > start:
            rows = order[start:end]
            error += abs(p[rows].mean() - y[rows].mean()) * len(rows) / len(p)
    return float(error)


def mean_over_ties(probabilities: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Replace each outcome by the mean over all outcomes of the same prediction, so that no order of rows matters."""
    _, group, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(group.ravel(), weights=outcomes) / counts)[group.ravel()])


def area_under_curve(probabilities: np.ndarray, outcomes: np.ndarray) -> float:
    """Return how likely a right answer was ranked above a wrong one, in [0, 1]; 0.5 where only one kind occurs."""
    asked = ~np.isnan(outcomes)
    p, right = probabilities[asked], outcomes[asked] > 0.5
    positives, negatives = int(right.sum()), int((~right).sum())
    if not positives or not negatives:
        return 0.5
    order = np.argsort(p, kind="stable")
    ranked = p[order]
    # Tied predictions share the mean of their ranks.
    first = np.searchsorted(ranked, p, side="left")
    last = np.searchsorted(ranked, p, side="right")
    ranks = (first + last + 1) / 2
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def platt(probabilities: np.ndarray, outcomes: np.ndarray, steps: int = 50) -> tuple[float, float]:
    """Fit sigmoid(slope * logit(p) + intercept) to outcomes by Newton's method.

    Args:
        probabilities: Predicted success, any shape, in [0, 1].
        outcomes: Observed scores in [0, 1] of the same shape, NaN where not run.
        steps: Most Newton steps.

    Returns:
        Slope (at least 0.05, so that the order of candidates stays) and intercept; (1, 0) where nothing was observed.
    """
    asked = ~np.isnan(outcomes)
    p = np.clip(probabilities[asked].astype(np.float64), 1e-6, 1 - 1e-6)
    y = outcomes[asked].astype(np.float64)
    if not len(p):
        return 1.0, 0.0
    x = np.column_stack([np.log(p / (1 - p)), np.ones_like(p)])
    # One pseudo-observation pulls towards the identity, so that a handful of prompts cannot run away.
    centre = np.array([1.0, 0.0])

    def loss(weights: np.ndarray) -> float:
        logits = x @ weights
        return float((np.logaddexp(0, logits) - y * logits).sum() + ((weights - centre) ** 2).sum() / 2)

    weights = centre
    for _ in range(steps):
        q = 1 / (1 + np.exp(-np.clip(x @ weights, -500, 500)))
        gradient = x.T @ (q - y) + weights - centre
        hessian = (x * (q * (1 - q))[:, None]).T @ x + np.eye(2)
        change = np.linalg.solve(hessian, gradient)
        # Newton's full step overshoots where confident predictions are wrong.
        while loss(weights - change) > loss(weights) + 1e-9 and np.abs(change).max() > 1e-9:
            change = change / 2
        weights = weights - change
        if np.abs(change).max() < 1e-8:
            break
    return float(max(weights[0], 0.05)), float(weights[1])


def choose_calibration(probabilities: np.ndarray, outcomes: np.ndarray, folds: int = 5) -> tuple[float, float]:
    """Choose between Platt scaling and leaving probabilities as they are, by cross-validated log-loss.

    Platt scaling is taken where it is better by more than one standard error over prompts: a gain within the noise of
    the validation prompts has worsened calibration elsewhere.

    Args:
        probabilities: Predicted success (prompts, candidates), in [0, 1].
        outcomes: Observed scores of the same shape, NaN where not run.
        folds: Number of folds; the pairs of one prompt share a fold.

    Returns:
        Slope and intercept of `platt` on all prompts, or (1, 0).
    """
    n = len(probabilities)
    if n < 2 * folds:
        return 1.0, 0.0
    fold = np.random.default_rng(0).permutation(n) % folds
    gain = np.full(n, np.nan)
    for held_out in range(folds):
        inside = fold == held_out
        scaling = platt(probabilities[~inside], outcomes[~inside])
        left, scaled = (_log_losses(probabilities[inside], outcomes[inside], *one) for one in ((1.0, 0.0), scaling))
        asked = ~np.isnan(outcomes[inside])
        mean = np.where(asked, left - scaled, 0.0).sum(axis=1) / np.maximum(asked.sum(axis=1), 1)
        gain[inside] = np.where(asked.any(axis=1), mean, np.nan)
    gain = gain[~np.isnan(gain)]
    if len(gain) < 2 or gain.mean() <= gain.std(ddof=1) / np.sqrt(len(gain)):
        return 1.0, 0.0
    return platt(probabilities, outcomes)


def _log_losses(probabilities: np.ndarray, outcomes: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    p = np.clip(probabilities.astype(np.float64), 1e-6, 1 - 1e-6)
    logits = slope * np.log(p / (1 - p)) + intercept
    return np.asarray(np.logaddexp(0, logits) - outcomes * logits)
