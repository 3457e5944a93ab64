"""The default of a router, `auto`, and what it promises against the best single candidate.

The default is the cost weight of least expected cost at which, with one-sided confidence, no more than a stated margin
of accuracy is lost against the best single candidate. Costs that are the same in whole percents of that candidate's
count as equal, and of equal costs the one of the largest certain gain is taken, which that candidate's is 0: at its own
cost only a sure gain replaces it. It is settled on prompts that the router's probabilities were not fitted to, by
resampling them; where no weight is that safe, the best single candidate answers.

The bounds of all weights hold at once (the largest standardised deviation over weights is resampled), so the
confidence holds for the weight that is taken, however many are tried.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from modelsat.policy import choice, costs
from modelsat.policy.preferences import AUTO, BEST, CHEAP, SINGLE, UTILITY, Preferences
from modelsat.statistics import bootstrap_means

MARGIN, CONFIDENCE = 0.003, 0.95
WEIGHTS = (0.0, *np.geomspace(0.002, 1.0, 28).tolist())
ENOUGH = 50
"""Fewer prompts decide nothing, here, in the gate and on the front of single candidates."""
MAX_UNJUDGED = 0.10
"""Share of choices that may fall on candidates that were not run on the prompt, here and in the gate."""


@dataclass(frozen=True)
class Promise:
    """What the default is and what it promises.

    Attributes:
        best_single: The candidate that it is compared with, chosen on training prompts.
        cost_weight: Of the default, in [0, 1]; None where the best single candidate answers.
        margin: Accuracy that may be lost at most, in [0, 1].
        confidence: One-sided, in (0.5, 1).
        gain: Accuracy over the best single candidate on the prompts that settled it.
        low: Its lower confidence bound, which holds for all weights at once.
        cost_share: Expected cost over that of the best single candidate.
        prompts: How many prompts settled it; 0 where the best single candidate answers because nothing could be settled
            after a change.
        priced: Whether any cost is known; where none is, all candidates count as costing the same.
    """

    best_single: str
    cost_weight: float | None
    margin: float
    confidence: float
    gain: float
    low: float
    cost_share: float
    prompts: int
    priced: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the promise for a bundle's lineage and for clients, with its sentence."""
        return asdict(self) | {"sentence": self.sentence()}

    def sentence(self) -> str:
        """Say what the default is and promises."""
        sure = f"with {100 * self.confidence:.0f} % confidence"
        bound, ends = f"{100 * self.margin:.1f} points {sure}", "auto:best routes for quality, auto:cheap for cost"
        figures = f"{100 * self.gain:+.1f} points on {self.prompts:,} prompts, at least {100 * self.low:+.1f}"
        if self.cost_weight is None and not self.prompts:
            return (
                f"By default (auto) the best single candidate, {self.best_single}, answers until the router is trained "
                f"again: its bundle does not hold what a cheaper choice would be settled on after a change; {ends}."
            )
        if self.cost_weight is None:
            return (
                f"By default (auto) the best single candidate, {self.best_single}, answers: on {self.prompts:,} "
                f"prompts no cheaper choice was sure to lose at most {bound}; {ends}."
            )
        if not self.priced:
            return (
                "By default (auto) the most probable candidate answers, as no price is known: against the best single "
                f"candidate, {self.best_single}, {figures} {sure}."
            )
        if _whole_percents(self.cost_share) == 1:
            return (
                "By default (auto) answers cost as much as those of the best single candidate, "
                f"{self.best_single}, and gain: {figures} {sure}."
            )
        return (
            f"By default (auto) answers cost {100 * self.cost_share:.0f} % of those of the best single candidate, "
            f"{self.best_single}, and lose at most {bound}: {figures}."
        )


def read(facts: Mapping[str, Any] | None) -> Promise | None:
    """Read what `Promise.as_json` wrote; None for bundles of earlier versions, which promise nothing."""
    if not facts:
        return None
    # Promises of earlier versions do not say whether costs are known: they were made where they are.
    return Promise(**{name: facts[name] for name in Promise.__dataclass_fields__ if name in facts})


def settle(
    probabilities: np.ndarray,
    outcomes: np.ndarray,
    cost: np.ndarray,
    mean_score: np.ndarray,
    names: tuple[str, ...],
    uncertainty_margin: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Promise | None:
    """Settle the default of a router; None where nothing can be promised.

    That is where prompts are too few, or where costs are known and the best single candidate's is not on some prompt:
    they are promised as a share of its. Where no cost is known, only a sure gain of the most probable candidate is
    promised.

    Args:
        probabilities: Success probabilities (n, m) that were not fitted to these prompts; -inf for a candidate of which
            none are known: it is never chosen here, but says like others what the most expensive one costs.
        outcomes: Scores there (n, m), in [0, 1], NaN where not run.
        cost: Expected costs in USD (n, m), NaN where unknown: those count as the most expensive of the prompt.
        mean_score: Of each candidate on training prompts, (m,); the best of them is the best single candidate.
        names: Of the candidates, m.
        uncertainty_margin: Of the router, (m,).
        allowed: Which candidates read which prompts, boolean (n, m); all by default.
        margin: Accuracy that may be lost at most, in [0, 1].
        confidence: One-sided, in (0.5, 1).
        seed: Of the resampling.
    """
    single = int(np.argmax(mean_score))
    known = ~np.isnan(outcomes[:, single])
    priced = bool((cost[known] > 0).any())
    if known.sum() < ENOUGH or (priced and np.isnan(cost[known, single]).any()):
        return None
    p, y, paid = probabilities[known], outcomes[known], costs.filled(cost[known])
    may = None if allowed is None else allowed[known]
    rows = np.arange(len(p))
    weights = WEIGHTS if priced else WEIGHTS[:1]
    chosen = [choice.choose(p, may, mean_score, cost[known], weight, uncertainty_margin) for weight in weights]
    chosen = [np.where(columns < 0, single, columns) for columns in chosen]
    gains = np.column_stack([y[rows, columns] - y[:, single] for columns in chosen])
    # Where the best single candidate is chosen, the gain is 0 and always judged: the few results that are left would
    # make a weight look safe whose other choices nobody has seen answer.
    judged = np.isnan(gains).mean(axis=0) <= MAX_UNJUDGED
    low = _lower_bounds(np.where(judged, gains, -1.0), confidence, seed)
    shares = [_share(float(paid[rows, columns].mean()), float(paid[:, single].mean())) for columns in chosen]
    # The least cost comes first, then the largest certain gain; the best single candidate's own are 1 and 0.
    found = min(
        ((_whole_percents(shares[i]), -float(low[i]), i) for i in range(len(weights)) if low[i] >= -margin),
        default=(np.inf, 0.0, 0),
    )
    if found[:2] >= (1.0, 0.0):
        return Promise(names[single], None, margin, confidence, 0.0, 0.0, 1.0, len(p)) if priced else None
    i = found[2]
    gain = float(np.nanmean(gains[:, i]))
    return Promise(names[single], weights[i], margin, confidence, gain, float(low[i]), shares[i], len(p), priced)


def _share(spent: float, usual: float) -> float:
    """Return a cost over that of the best single candidate; 1 where both are 0."""
    if not usual:
        return np.inf if spent else 1.0
    return spent / usual


def _whole_percents(share: float) -> float:
    """Return a share of cost as it is compared, and as clients are told it."""
    return round(share, 2)


def _lower_bounds(gains: np.ndarray, confidence: float, seed: int) -> np.ndarray:
    """Return lower bounds of the mean gains (n, weights), (weights,), that hold together with that confidence."""
    mean = np.nanmean(gains, axis=0)
    off = bootstrap_means(gains, seed=seed) - mean
    error = off.std(axis=0)
    moves = error > 0
    if not moves.any():
        return np.asarray(mean)
    most = np.quantile((off[:, moves] / error[moves]).max(axis=1), confidence)
    return np.asarray(mean - most * error)


def resolved(preferences: Preferences, promise: Promise | None) -> Preferences:
    """Return preferences with the default and the ends of the dial as a policy and a cost weight.

    Args:
        preferences: Of a request.
        promise: Of the router that answers it; without one the default is the most probable candidate.
    """
    if preferences.policy == BEST:
        return replace(preferences, policy=UTILITY, cost_weight=0.0)
    if preferences.policy == CHEAP:
        return replace(preferences, policy=UTILITY, cost_weight=1.0)
    if preferences.policy != AUTO or preferences.cost_weight is not None or preferences.budget_usd is not None:
        policy = UTILITY if preferences.policy == AUTO else preferences.policy
        return replace(preferences, policy=policy, cost_weight=preferences.cost_weight or 0.0)
    if preferences.failed:
        # Whoever asks again wants the likeliest of the rest: the default was settled for first answers.
        return replace(preferences, policy=UTILITY, cost_weight=0.0)
    if promise is not None and promise.cost_weight is None:
        return replace(preferences, policy=SINGLE, cost_weight=0.0)
    return replace(preferences, policy=UTILITY, cost_weight=promise.cost_weight if promise else 0.0)
