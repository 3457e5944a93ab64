"""The gate: may the challenger take the champion's place?

Promoted when it is more accurate with one-sided 95 % confidence, or when it is at most one point worse with that
confidence and at least 20 % cheaper. That bound also counts the prompts on which the challenger's default was settled,
which its probabilities were not fitted to; held-out prompts alone are often too few for a bound of one point, and must
not say themselves that it is worse by more. Otherwise the champion is kept, or, where there is none, the advice is not
to route: the best single candidate answers everything.
"""

from dataclasses import dataclass
from math import isclose

import numpy as np

from modelsat.errors import InputError
from modelsat.evaluation.verdict import GateOutcome, GateVerdict
from modelsat.policy.promise import ENOUGH, MAX_UNJUDGED
from modelsat.statistics import bootstrap_means, interval, lower_bound


@dataclass(frozen=True)
class Settled:
    """What a default gained on the prompts that it was settled on, against the same opponent.

    Attributes:
        gain: Mean gain, in [-1, 1].
        low: Its lower bound at the gate's confidence, or a more careful one.
        prompts: How many these were.
    """

    gain: float
    low: float
    prompts: int


@dataclass(frozen=True)
class GateRules:
    """The gate's settings.

    Attributes:
        confidence: One-sided confidence in (0.5, 1).
        margin: How much accuracy a cheaper challenger may lose, in [0, 1].
        saving: How much cheaper it has to be then, as a share in [0, 1].
        min_prompts: Fewer held-out prompts than this decide nothing.
        max_unjudged: Share of the challenger's choices that may fall on candidates that were not run on the prompt.
    """

    confidence: float = 0.95
    margin: float = 0.01
    saving: float = 0.20
    min_prompts: int = ENOUGH
    max_unjudged: float = MAX_UNJUDGED


def judge(
    challenger: np.ndarray,
    opponent: np.ndarray,
    challenger_cost: np.ndarray | None = None,
    opponent_cost: np.ndarray | None = None,
    against: str = "best single",
    has_champion: bool = False,
    rules: GateRules = GateRules(),
    seed: int = 0,
    settled: Settled | None = None,
) -> GateVerdict:
    """Compare two routers on the same held-out prompts.

    Args:
        challenger: Score of its choice per prompt, (prompts,), in [0, 1]; NaN where the chosen candidate was not run.
        opponent: The same for the champion, or for the best single candidate.
        challenger_cost: Expected cost of its choice per prompt in USD, (prompts,); None where unknown.
        opponent_cost: The same for the opponent.
        against: What the opponent is called in the sentence.
        has_champion: Whether the opponent is a champion that can stay.
        rules: The gate's settings.
        seed: Of the bootstrap.
        settled: What the challenger's default gained where it was settled; None counts held-out prompts alone.
    """
    unjudged = float(np.isnan(challenger).mean())
    difference = challenger - opponent
    difference = difference[~np.isnan(difference)]
    if not len(difference):
        raise InputError(
            f"no prompt has an outcome of both the challenger's choice and that of {against}; collect more"
        )
    resampled = bootstrap_means(difference[:, None], seed=seed)[:, 0]
    gain = interval(difference.mean(), resampled)
    low = lower_bound(resampled, rules.confidence)
    saving = _saving(challenger_cost, opponent_cost)
    refused = GateOutcome.KEPT if has_champion else GateOutcome.DO_NOT_ROUTE
    points = f"{100 * gain.value:+.1f} points (95 % interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    on = f"against {against} on {len(difference)} held-out prompts"
    if len(difference) < rules.min_prompts:
        outcome, reason = (
            refused,
            f"{len(difference)} held-out prompts are fewer than {rules.min_prompts}, too few to decide",
        )
    elif unjudged > rules.max_unjudged:
        outcome, reason = (
            refused,
            f"{100 * unjudged:.0f} % of its choices fall on candidates that were not run on these prompts, more than "
            f"{100 * rules.max_unjudged:.0f} %, too many to judge it",
        )
    elif low > 0:
        outcome, reason = GateOutcome.PROMOTED, f"more accurate: {points} {on}"
    elif saving is not None and saving >= rules.saving and low >= -rules.margin:
        outcome = GateOutcome.PROMOTED
        reason = f"{100 * saving:.0f} % cheaper and no more than {100 * rules.margin:.0f} point worse: {points} {on}"
    elif (
        saving is not None
        and saving >= rules.saving
        and settled is not None
        and gain.value >= -rules.margin
        and _together(settled, Settled(gain.value, low, len(difference))) >= -rules.margin
    ):
        outcome = GateOutcome.PROMOTED
        reason = (
            f"{100 * saving:.0f} % cheaper and no more than {100 * rules.margin:.0f} point worse: {points} {on}, and "
            f"{100 * settled.gain:+.1f} points, at least {100 * settled.low:+.1f}, on the {settled.prompts:,} prompts "
            "that settled its default"
        )
    else:
        cheaper = "" if saving is None else f", {100 * abs(saving):.0f} % {'cheaper' if saving >= 0 else 'dearer'}"
        found = "equally accurate" if isclose(gain.value, 0.0, abs_tol=1e-9) else "not surely better"
        outcome, reason = refused, f"{found}: {points}{cheaper} {on}"
    return GateVerdict(outcome, reason, against, gain, saving, len(difference))


def _together(*found: Settled) -> float:
    """Return the lower bound of the mean gain over independent prompts, each group weighed by how certain it is."""
    # A group whose gains are all equal, such as all 0, is certain; it must not divide by 0.
    widths = np.asarray([max(one.gain - one.low, 1e-6) for one in found])
    weights = 1 / widths**2
    gain = float(weights @ [one.gain for one in found] / weights.sum())
    return gain - float(1 / np.sqrt(weights.sum()))


def no_worse(challenger: np.ndarray, opponent: np.ndarray, rules: GateRules = GateRules(), seed: int = 0) -> bool:
    """Say whether a router surely loses no more than the margin against another one on the same held-out prompts.

    Args:
        challenger: As of `judge`.
        opponent: As of `judge`.
        rules: The gate's settings.
        seed: Of the bootstrap.
    """
    difference = challenger - opponent
    difference = difference[~np.isnan(difference)]
    if len(difference) < rules.min_prompts or np.isnan(challenger).mean() > rules.max_unjudged:
        return False
    return lower_bound(bootstrap_means(difference[:, None], seed=seed)[:, 0], rules.confidence) >= -rules.margin


def _saving(challenger: np.ndarray | None, opponent: np.ndarray | None) -> float | None:
    if challenger is None or opponent is None or not opponent.mean() > 0:
        return None
    return float(1 - challenger.mean() / opponent.mean())
