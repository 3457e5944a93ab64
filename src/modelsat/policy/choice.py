"""The routing policy: success probabilities and costs to one candidate per prompt."""

import numpy as np


def choose(
    probabilities: np.ndarray,
    allowed: np.ndarray | None = None,
    tie_break: np.ndarray | None = None,
    costs: np.ndarray | None = None,
    cost_weight: float = 0.0,
) -> np.ndarray:
    """Choose one candidate per prompt: the largest probability minus the weighted cost.

    Args:
        probabilities: Success probabilities (prompts, candidates), in [0, 1].
        allowed: Which candidates may be chosen, boolean (prompts, candidates) or (candidates,); all by default.
        tie_break: Mean score per candidate (candidates,); the better one wins an exact tie.
        costs: Expected costs in USD (prompts, candidates), NaN where unknown.
        cost_weight: How much probability one would give up for the cost of the dearest candidate, at least 0.

    Returns:
        Column indices (prompts,), -1 where no candidate is allowed.
    """
    utility = probabilities.astype(np.float64)
    if cost_weight and costs is not None:
        considered = costs if allowed is None else np.where(allowed, costs, np.nan)
        utility = utility - cost_weight * relative_costs(considered)
    if tie_break is not None:
        # Far below any real difference: it only decides between equal probabilities.
        utility = utility + 1e-9 * tie_break
    if allowed is not None:
        utility = np.where(allowed, utility, -np.inf)
    choice = utility.argmax(axis=1)
    return np.where(np.isneginf(utility.max(axis=1)), -1, choice)


def relative_costs(costs: np.ndarray) -> np.ndarray:
    """Scale costs per prompt to [0, 1] by the dearest candidate; an unknown cost counts as the dearest."""
    known = np.where(np.isnan(costs), -np.inf, costs)
    dearest = np.maximum(known.max(axis=1, keepdims=True), 0.0)
    filled = np.where(np.isnan(costs), dearest, costs)
    return np.asarray(np.divide(filled, dearest, out=np.zeros_like(filled), where=dearest > 0))
