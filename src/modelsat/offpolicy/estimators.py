"""Estimators of a policy's mean outcome from requests that another policy answered.

A request counts where the policy's choice is what was chosen then, weighted by how rarely that was: the inverse of the
probability (the propensity) with which it was chosen. The mean of the weights is 1 where the log supports all choices
of the policy. Methods: inverse propensity scoring and its self-normalised form (Swaminathan and Joachims, NeurIPS
2015), and the doubly robust estimate (Dudik, Langford and Li, ICML 2011), which is right where either propensities or
expected outcomes are, and varies less than the others where expected outcomes say something.

All functions are pure; n requests.
"""

import numpy as np


def weights(chosen: np.ndarray, logged: np.ndarray, propensity: np.ndarray) -> np.ndarray:
    """Return 1 / propensity where a policy chooses what was chosen then, and 0 elsewhere, (n,).

    Args:
        chosen: Column that the policy chooses, (n,).
        logged: Column that was chosen, (n,).
        propensity: Probability with which it was, in (0, 1], (n,).
    """
    return np.asarray(np.where(chosen == logged, 1.0 / propensity, 0.0))


def inverse_propensity(outcome: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted sum over all requests, divided by their number."""
    return float((weight * outcome).mean())


def self_normalised(outcome: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted mean; NaN where no request has a weight."""
    total = weight.sum()
    return float((weight * outcome).sum() / total) if total > 0 else float("nan")


def doubly_robust(
    outcome: np.ndarray, weight: np.ndarray, expected_of_chosen: np.ndarray, expected_of_logged: np.ndarray
) -> np.ndarray:
    """Return the doubly robust score of each request, (n,); their mean is the estimate.

    Args:
        outcome: Outcome of what was chosen then, (n,).
        weight: Of `weights`, (n,).
        expected_of_chosen: Expected outcome of what the policy chooses, (n,), from a model that did not see these rows.
        expected_of_logged: Expected outcome of what was chosen then, (n,).
    """
    # What a request without weight came to may be unknown.
    correction = np.where(weight > 0, weight * (outcome - expected_of_logged), 0.0)
    return np.asarray(expected_of_chosen + correction)


def effective_requests(weight: np.ndarray) -> float:
    """Return how many equally weighted requests would say as much (Kish): (sum of w)^2 / sum of w^2; 0 without any."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def largest_share(weight: np.ndarray) -> float:
    """Return the share of all weight that the request with the most has, in [0, 1]; 0 without any."""
    total = float(weight.sum())
    return float(weight.max(initial=0.0)) / total if total > 0 else 0.0


def resampled_means(values: np.ndarray, cluster: np.ndarray, resamples: int, seed: int = 0) -> np.ndarray:
    """Resample clusters of rows with replacement and average their rows, (resamples, k).

    Args:
        values: (n, k), NaN where a row has none; columns are resampled together, so that differences are paired.
        cluster: Which cluster each row belongs to, integers from 0, (n,): requests with the same prompt.
        resamples: Number of resamples.
        seed: Of the resampling.
    """
    size = int(cluster.max()) + 1
    known = ~np.isnan(values)
    sums = np.column_stack([np.bincount(cluster, column, size) for column in np.where(known, values, 0.0).T])
    rows = np.column_stack([np.bincount(cluster, column, size) for column in known.T])
    usual = sums.sum(axis=0) / np.maximum(rows.sum(axis=0), 1)
    out = np.empty((resamples, values.shape[1]))
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, 100):
        drawn = rng.multinomial(size, np.full(size, 1 / size), size=min(100, resamples - start))
        counted = drawn @ rows
        out[start : start + len(drawn)] = np.where(counted > 0, drawn @ sums / np.maximum(counted, 1), usual)
    return out


def joint_intervals(
    means: np.ndarray, resampled: np.ndarray, against: np.ndarray | None = None, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper bounds, (k,) each, of which some hold for all columns at once.

    The largest standardised deviation over columns is resampled; a column that does not vary has no width.

    Args:
        means: Estimates, (k,).
        resampled: Of `resampled_means`, (resamples, k).
        against: Columns whose bounds hold at once; the others are as many standard errors wide. None takes all.
        confidence: Two-sided, in (0, 1).
    """
    error = resampled.std(axis=0)
    moves = error > 1e-12
    joint = np.flatnonzero(moves) if against is None else against[moves[against]]
    # Where no difference varies, a level has the width of one column alone.
    joint = joint if len(joint) else np.flatnonzero(moves)[:1]
    if not len(joint):
        return means.copy(), means.copy()
    most = float(np.quantile((np.abs(resampled - means)[:, joint] / error[joint]).max(axis=1), confidence))
    width = np.where(moves, most * error, 0.0)
    return means - width, means + width
