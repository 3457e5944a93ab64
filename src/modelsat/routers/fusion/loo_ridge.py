"""Ridge regression with a penalty per target, chosen by its exact leave-one-out error without refitting."""

from dataclasses import dataclass

import numpy as np

PENALTIES = np.geomspace(1e-3, 1e4, 22)


@dataclass(frozen=True)
class Heads:
    """One linear head per target.

    Attributes:
        weights: (features, targets).
        intercept: (targets,).
        held_out: Leave-one-out predictions of each training row, (rows, targets).
        skill: Share of a target's variance that `held_out` explains, at most 1, (targets,).
    """

    weights: np.ndarray
    intercept: np.ndarray
    held_out: np.ndarray
    skill: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return (rows, targets)."""
        return np.asarray(features @ self.weights + self.intercept)


def fit(features: np.ndarray, targets: np.ndarray) -> Heads:
    """Fit all heads from one decomposition.

    Args:
        features: (rows, features).
        targets: (rows, targets), no NaN.
    """
    # In single precision, directions of small variance would be dominated by rounding errors.
    features, targets = features.astype(np.float64, copy=False), targets.astype(np.float64, copy=False)
    centre, mean = features.mean(axis=0), targets.mean(axis=0)
    x, y = features - centre, targets - mean
    squared, directions, left = _decomposed(x)
    projected, lengths = left.T @ y, left**2
    variance = (y**2).mean(axis=0)
    best, penalties = np.full(targets.shape[1], np.inf), np.zeros(targets.shape[1])
    held_out = np.zeros_like(y)
    for penalty in PENALTIES:
        shrink = squared / (squared + penalty)
        leverage = lengths @ shrink + 1 / len(y)
        residual = (y - left @ (shrink[:, None] * projected)) / np.maximum(1 - leverage, 1e-6)[:, None]
        error = (residual**2).mean(axis=0)
        better = error < best
        best[better], penalties[better] = error[better], penalty
        held_out[:, better] = (y - residual)[:, better]
    weights = directions @ (np.sqrt(squared)[:, None] / (squared[:, None] + penalties) * projected)
    skill = np.where(variance > 1e-12, 1 - best / np.maximum(variance, 1e-12), 0.0)
    return Heads(weights, mean - centre @ weights, held_out + mean, skill)


def _decomposed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return squared singular values, right and left singular vectors, by the smaller of the two products."""
    wide = x.shape[0] < x.shape[1]
    squared, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = squared > 1e-9 * max(float(squared.max(initial=0.0)), 1e-12)
    squared, vectors = squared[kept], vectors[:, kept]
    others = (x.T if wide else x) @ vectors / np.sqrt(squared)
    return (squared, others, vectors) if wide else (squared, vectors, others)
