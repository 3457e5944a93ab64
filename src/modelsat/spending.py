"""What it costs to be as good as the best single candidate: the weight is chosen on other prompts than it is used on.

A router with a cost weight is a curve, and the point of it that looks best on the test prompts is no point that anybody
could have chosen. Here each fold takes the largest weight that kept up with the best single on all other folds.
"""

from dataclasses import dataclass

import numpy as np

from modelsat import policy
from modelsat.cross_validation import Folds

WEIGHTS = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)


@dataclass(frozen=True)
class Spending:
    """What came of it, per prompt (n,).

    Attributes:
        cost: Expected cost of the chosen candidate, in USD.
        gain: Its score minus that of the best single candidate.
        single_cost: Expected cost of the best single candidate, in USD.
    """

    cost: np.ndarray
    gain: np.ndarray
    single_cost: np.ndarray


def cost_to_match(folds: Folds, scores: np.ndarray) -> Spending | None:
    """Choose a cost weight per fold and apply it; None where no candidate has a price.

    Args:
        folds: The set.
        scores: Held-out utilities (n, candidates), larger is better.
    """
    arena = folds.arena
    if np.isnan(arena.cost).all():
        return None
    # A missing price counts as the dearest: never as free.
    cost = np.where(np.isnan(arena.cost), np.nanmax(arena.cost, axis=1, keepdims=True), arena.cost)
    rows = np.arange(len(scores))
    single = arena.truth[rows, arena.best_single]
    spread = np.ptp(scores, axis=1).mean()
    choices = [
        policy.choose(scores, tie_break=arena.prior, costs=cost, cost_weight=weight * spread) for weight in WEIGHTS
    ]
    gains = np.stack([arena.truth[rows, choice] - single for choice in choices])
    chosen = np.empty(len(scores), dtype=np.int64)
    for fold in range(folds.count):
        here = folds.fold == fold
        keeps_up = np.flatnonzero(gains[:, ~here].mean(axis=1) >= 0)
        weight = int(keeps_up.max()) if len(keeps_up) else 0
        chosen[here] = choices[weight][here]
    return Spending(cost[rows, chosen], arena.truth[rows, chosen] - single, cost[rows, arena.best_single])
