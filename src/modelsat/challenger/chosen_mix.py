"""The expected mix of chosen candidates on held-out prompts, and its distance from another mix."""

from collections.abc import Mapping, Sequence

import numpy as np


def shares(chosen: np.ndarray, candidates: Sequence[str]) -> dict[str, float]:
    """Return how often each candidate is chosen, as shares that sum to 1.

    Args:
        chosen: Columns (prompts,), -1 where no candidate reads the prompt.
        candidates: Their column order.
    """
    chosen = chosen[chosen >= 0]
    counts = np.bincount(chosen, minlength=len(candidates))
    return {name: float(count) / max(len(chosen), 1) for name, count in zip(candidates, counts, strict=True)}


def distance(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return the share of choices that would have to change to turn one mix of shares into the other, in [0, 1]."""
    return 0.5 * sum(abs(first.get(name, 0.0) - second.get(name, 0.0)) for name in {*first, *second})
