"""Ridge: one regularised linear head per candidate, the strongest baseline of RouterEval.

Source: Huang et al., RouterEval, Findings of EMNLP 2025, arXiv 2503.10657 (baseline LinearR, here with a penalty).
"""

import numpy as np

from modelsat.data.score_matrix import levels
from modelsat.rivals.rival import Labelled, Scorer, best

PENALTIES = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0)


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with the penalty that predicts validation outcomes best."""
    return best(PENALTIES, heads, train, validation)


def heads(penalty: float, train: Labelled) -> Scorer:
    """Regress each candidate's distance from its level on the centred vectors.

    Args:
        penalty: Of the squared weights, above 0.
        train: Prompts with outcomes.
    """
    centre = train.vectors.mean(axis=0)
    level = levels(train.outcomes)
    target = np.where(train.asked, train.right - level, 0.0)
    weights = solve(train.vectors - centre, target, train.asked, penalty)

    def score(vectors: np.ndarray) -> np.ndarray:
        return np.clip((vectors - centre) @ weights + level, 0.0, 1.0)

    return score


def solve(inputs: np.ndarray, target: np.ndarray, asked: np.ndarray, penalty: float) -> np.ndarray:
    """Return the weights (width, candidates) of one ridge per candidate.

    Args:
        inputs: Vectors (n, width).
        target: What to predict (n, candidates).
        asked: On which rows a candidate is fitted, boolean (n, candidates).
        penalty: Of the squared weights, above 0.
    """
    weights = np.empty((inputs.shape[1], target.shape[1]))
    square = penalty * np.eye(inputs.shape[1])
    # Candidates that were run on the same prompts share one factorisation.
    patterns, which = np.unique(asked, axis=1, return_inverse=True)
    for i, pattern in enumerate(patterns.T):
        mine = which.ravel() == i
        rows = inputs[pattern].astype(np.float64)
        weights[:, mine] = np.linalg.solve(rows.T @ rows + square, rows.T @ target[pattern][:, mine])
    return weights
