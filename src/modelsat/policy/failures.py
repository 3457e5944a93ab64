"""What a failure tells of the other candidates: who fails where, and who succeeds where others failed.

Candidates' surprises (score less probability) go together: a prompt is harder than it looks, or of a kind that one
family misses. They are taken to have a few common factors, so that a failure moves the probabilities of all others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FACTORS = 4
_LEAST_NOISE = 0.01


def learn(probabilities: np.ndarray, outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Learn the common factors of surprises.

    Args:
        probabilities: Success probabilities (n, m) that were not fitted to these prompts.
        outcomes: Scores there (n, m), in [0, 1], NaN where not run: no surprise.

    Returns:
        Loadings (m, r) on standard factors, and each candidate's own variance (m,).
    """
    known = ~np.isnan(outcomes)
    surprise = np.where(known, outcomes - probabilities, 0.0)
    both = np.maximum(known.T.astype(np.float64) @ known, 1.0)
    covariance = surprise.T @ surprise / both
    spread, axes = np.linalg.eigh(covariance)
    taken = np.argsort(-spread)[:FACTORS]
    loadings = axes[:, taken] * np.sqrt(np.maximum(spread[taken], 0.0))
    own = np.maximum(np.diag(covariance) - (loadings**2).sum(axis=1), _LEAST_NOISE)
    return loadings, own


def given(probabilities: np.ndarray, failed: Sequence[int], loadings: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return success probabilities (n, m) given that some candidates failed on each of these prompts.

    Args:
        probabilities: Before anything was tried, (n, m).
        failed: Columns of the candidates that failed; at least one.
        loadings: Of all candidates, (m, r).
        own: Their own variances, (m,).
    """
    tried = list(failed)
    mixing = loadings[tried]
    weights = np.linalg.solve(mixing @ mixing.T + np.diag(own[tried]), mixing)
    factors = -probabilities[:, tried] @ weights
    return np.asarray(np.clip(probabilities + factors @ loadings.T, 0.0, 1.0))


def as_json(names: Sequence[str], loadings: np.ndarray, own: np.ndarray) -> dict[str, list[float]]:
    """Return by candidate its loadings and its own variance, for a bundle's lineage."""
    rows = np.column_stack([loadings, own]).round(4).tolist()
    return dict(zip(names, rows, strict=True))


def read(facts: Mapping[str, Any], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray] | None:
    """Read what `as_json` wrote; a candidate that is not in it shares no factor. None where nothing was learned."""
    if not facts:
        return None
    width = len(next(iter(facts.values())))
    rows = np.asarray([facts.get(name, [0.0] * (width - 1) + [1.0]) for name in names], dtype=np.float64)
    return rows[:, :-1], rows[:, -1]
