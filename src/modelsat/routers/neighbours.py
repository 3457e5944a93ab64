"""Means over the nearest training prompts, the arithmetic behind the kNN router; no encoder is needed for it."""

import numpy as np

PRIOR_NEIGHBOURS = 5.0
"""How many neighbours a candidate's overall mean counts for: no candidate wins on few lucky answers."""
_AT_ONCE = 512


def means(vectors: np.ndarray, known: np.ndarray, outcomes: np.ndarray, prior: np.ndarray, count: int) -> np.ndarray:
    """Return the mean scores of the candidates on each prompt's nearest training prompts, shrunk to their overall mean.

    Args:
        vectors: Unit vectors of the prompts (n, width).
        known: Unit vectors of the training prompts (train, width).
        outcomes: Scores there (train, candidates), NaN where not run.
        prior: Overall mean of each candidate (candidates,).
        count: Number of neighbours, at least 1; all training prompts where there are fewer.

    Returns:
        float32 array (n, candidates) in [0, 1].
    """
    k = min(count, len(known))
    out = np.empty((len(vectors), outcomes.shape[1]), dtype=np.float32)
    for start in range(0, len(vectors), _AT_ONCE):
        similarity = vectors[start : start + _AT_ONCE] @ known.T
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        answers = outcomes[nearest]
        asked = ~np.isnan(answers)
        right = np.where(asked, answers, 0.0).sum(axis=1)
        out[start : start + _AT_ONCE] = (right + PRIOR_NEIGHBOURS * prior) / (asked.sum(axis=1) + PRIOR_NEIGHBOURS)
    return out


def overall_means(outcomes: np.ndarray) -> np.ndarray:
    """Return the mean score of each candidate, (train, candidates) with NaN where not run to (candidates,).

    One half of one answer is added, so that a candidate without answers has 0.5.
    """
    asked = ~np.isnan(outcomes)
    return np.asarray((np.where(asked, outcomes, 0.0).sum(axis=0) + 0.5) / (asked.sum(axis=0) + 1.0))
