"""Which single candidate, or which few, without reading prompts: the front of singles, and a cascade along it.

What reading prompts is worth is measured against the front: a router has to score more than a random split between two
candidates that costs as much. Where it does not, the front or the cascade is the better advice.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.evaluation import cascade, front, table
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.cascade import Cascade
from modelsat.evaluation.table import Evaluation
from modelsat.policy.promise import ENOUGH
from modelsat.statistics import Interval, bootstrap_means, interval

PRECISIONS = (1.0, 0.95, 0.9, 0.8)
"""Of the checkers that cascades are shown for."""


@dataclass(frozen=True)
class Singles:
    """The front of an arena's priced candidates, and what stands on it.

    Attributes:
        names: Candidates on the front by training means, from the cheapest to the most accurate.
        cost_usd: Mean cost of each per prompt on held-out prompts.
        accuracy: Mean score of each there.
        cascades: The cascade along the front, by the checker's precision.
        worth: What each router scores more than the front at its own cost, on held-out prompts.
    """

    names: tuple[str, ...]
    cost_usd: tuple[float, ...]
    accuracy: tuple[float, ...]
    cascades: dict[float, Cascade]
    worth: dict[str, Interval]

    def note(self) -> str:
        """Say that reading prompts is worth nothing, and what to do instead; empty where it is worth something."""
        if not self.worth or any(gain.low > 0 for gain in self.worth.values()):
            return ""
        best = max(self.worth.values(), key=lambda gain: gain.value)
        checked = self.cascades[PRECISIONS[0]]
        names = ", ".join(self.names[:4]) + (", ..." if len(self.names) > 4 else "")
        return (
            f"Reading prompts is worth nothing measurable here: {100 * best.value:+.1f} points "
            f"({100 * best.low:+.1f} to {100 * best.high:+.1f}) over a random split between single candidates at the "
            f"same cost. Take one of the front ({names}), or, where answers can be checked, ask them in this order "
            f"until one is right: {100 * checked.accuracy:.1f} % for {1000 * checked.cost_usd:.3f} USD per 1,000 "
            "prompts."
        )


def measure(arena: Arena, evaluation: Evaluation, routers: tuple[str, ...]) -> Singles | None:
    """Measure the front and the cascade; None where fewer than two candidates were run and priced on every prompt.

    Args:
        arena: Held-out prompts.
        evaluation: The table of the same arena.
        routers: Lines to compare with the front.
    """
    priced = arena.pool.all(axis=0) & ~np.isnan(arena.billed).any(axis=0)
    columns = np.flatnonzero(priced)
    if len(columns) < 2 or len(arena.truth) < ENOUGH:
        return None
    prior, cost = arena.prior[:, columns].mean(axis=0), arena.billed[:, columns].mean(axis=0)
    on_front = front.vertices(cost, prior)
    taken = columns[on_front]
    outcomes, billed = arena.truth[:, taken].astype(np.float64), arena.billed[:, taken]
    return Singles(
        tuple(arena.candidates[i] for i in taken),
        tuple(map(float, billed.mean(axis=0))),
        tuple(map(float, outcomes.mean(axis=0))),
        {precision: cascade.run(outcomes, billed, precision) for precision in PRECISIONS},
        {
            name: _worth(evaluation.correct[name], float(evaluation.cost[name].mean()), cost[on_front], outcomes)
            for name in routers
            if name in evaluation.cost and name != table.BEST_SINGLE
        },
    )


def _worth(scores: np.ndarray, spent: float, cost: np.ndarray, outcomes: np.ndarray) -> Interval:
    """Return what a router scores more than the split between neighbours on the front that costs as much."""
    share = np.interp(spent, cost, np.arange(len(cost)))
    low, high = int(np.floor(share)), int(np.ceil(share))
    split = (1 - (share - low)) * outcomes[:, low] + (share - low) * outcomes[:, high]
    gain = (scores - split)[~np.isnan(scores)]
    return interval(float(gain.mean()), bootstrap_means(gain[:, None])[:, 0])
