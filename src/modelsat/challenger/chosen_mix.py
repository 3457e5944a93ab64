"""The expected mix of chosen candidates on held-out prompts, and its distance from another mix."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.policy import choice


def expected(
    predictions: pa.Table,
    router: str,
    candidates: Sequence[str],
    mean_score: Mapping[str, float],
    uncertainty_margin: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
) -> dict[str, float]:
    """Return how often a router without a cost weight chooses each candidate, as shares that sum to 1.

    Args:
        predictions: Table of the contract `PREDICTIONS`.
        router: Name of the router whose predictions are used.
        candidates: Their column order.
        mean_score: By candidate; breaks ties.
        uncertainty_margin: Of the router, (candidates,).
        allowed: Which candidates read which prompts, boolean (prompts, candidates); all by default.
    """
    mine = predictions.filter(pc.equal(predictions["router"], router))["success_probability"]
    probabilities = np.asarray(mine.to_pylist(), dtype=np.float32).reshape(-1, len(candidates))
    means = np.asarray([mean_score.get(name, 0.0) for name in candidates])
    chosen = choice.choose(probabilities, allowed, means, uncertainty_margin=uncertainty_margin)
    chosen = chosen[chosen >= 0]
    counts = np.bincount(chosen, minlength=len(candidates))
    return {name: float(count) / max(len(chosen), 1) for name, count in zip(candidates, counts, strict=True)}


def distance(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return the share of choices that would have to change to turn one mix of shares into the other, in [0, 1]."""
    return 0.5 * sum(abs(first.get(name, 0.0) - second.get(name, 0.0)) for name in {*first, *second})
