"""How fusion and Model-SAT are mixed: who is on the shortlist, the mean of both, and the weight that suits outcomes."""

from collections.abc import Sequence

import numpy as np

SHORTLIST = 8
TWENTIETHS = tuple(i / 20 for i in range(21))


def shortlist(fused: np.ndarray) -> np.ndarray:
    """Return which candidates fusion finds best, (prompts, m) to (prompts, at most 8), in the order of columns."""
    few = min(SHORTLIST, fused.shape[1])
    return np.sort(np.argsort(-fused, axis=1, kind="stable")[:, :few], axis=1)


def asked_of_few(joint: np.ndarray, fused: np.ndarray) -> np.ndarray:
    """Return `joint` (prompts, m) where a candidate is on the prompt's shortlist, NaN elsewhere."""
    listed = shortlist(fused)
    kept = np.full_like(joint, np.nan)
    np.put_along_axis(kept, listed, np.take_along_axis(joint, listed, axis=1), axis=1)
    return kept


def rerank(fused: np.ndarray, joint: np.ndarray, weight: float) -> np.ndarray:
    """Average two routers' probabilities where both are available.

    Args:
        fused: Those of fusion, (prompts, m).
        joint: Those of Model-SAT, of the same shape, NaN outside the shortlist.
        weight: Of Model-SAT, in [0, 1].

    Returns:
        float32 (prompts, m).
    """
    return np.asarray(np.where(np.isnan(joint), fused, weight * joint + (1 - weight) * fused), dtype=np.float32)


def choose_weight(fused: np.ndarray, joint: np.ndarray, truth: np.ndarray, grid: Sequence[float] = TWENTIETHS) -> float:
    """Choose the weight of Model-SAT by log-loss on validation prompts.

    Args:
        fused: Probabilities (prompts, m) of fusion.
        joint: Those of Model-SAT, NaN outside the shortlist.
        truth: Scores of the same shape, NaN where not run.
        grid: Weights to try; the smallest of the best wins.
    """
    both = ~np.isnan(truth) & ~np.isnan(joint)
    if not both.any():
        return min(grid)
    return min(grid, key=lambda weight: float(log_loss(rerank(fused, joint, weight)[both], truth[both]).mean()))


def log_loss(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the log-loss in nats of each probability, at most 9.2; `truth` is of the same shape, in [0, 1]."""
    p = np.clip(probability.astype(np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)))
