"""Spends a budget on a batch of prompts so that most successes are expected (OmniRouter; peers.md, 5.1).

    max sum a_ij x_ij   s.t.   sum c_ij x_ij <= budget,  one candidate per prompt

This is the assignment under a floor with its parts exchanged: failures are what is paid, money that stays unspent is
the quality of which there has to be enough. Money that is left because no whole prompt fitted goes to the steps that
still fit.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.errors import InputError
from modelsat.policy import assignment

_NEVER = 2.0
"""Failures of a pair that may not be chosen: worse than any that may."""


@dataclass(frozen=True)
class Spent:
    """What a budget is spent on.

    Attributes:
        choice: Candidate of each prompt (n,).
        cost: Of all of them, in USD.
        successes: Expected number of prompts that succeed, in [0, n].
        successes_per_usd: What a dollar buys at the edge of the budget; 0 where every prompt has its best candidate.
    """

    choice: np.ndarray
    cost: float
    successes: float
    successes_per_usd: float


def spend(success: np.ndarray, cost: np.ndarray, budget_usd: float) -> Spent:
    """Choose one candidate per prompt.

    Args:
        success: Probabilities (n, candidates), NaN for a pair that may not be chosen.
        cost: Expected costs in USD (n, candidates), NaN where unknown: such a pair is not chosen.
        budget_usd: For all prompts together, at least 0; kept up to the rounding of their sum.

    Raises:
        InputError: A prompt has no candidate with a price, or the cheapest ones cost more than the budget.
    """
    possible = affordable(np.where(np.isnan(success), np.nan, cost), budget_usd)
    dearest = max(float(cost[possible].max()), 1e-12)
    failures = np.where(possible, 1 - success, _NEVER)
    unspent = np.where(possible, 1 - cost / dearest, 0.0)
    found = assignment.assign(unspent, failures, max(0.0, 1 - budget_usd / (len(cost) * dearest)))
    choice = _spend_rest(found.choice, np.where(possible, success, -np.inf), cost, budget_usd)
    rows = np.arange(len(choice))
    spent, succeeding = float(cost[rows, choice].sum()), float(success[rows, choice].sum())
    return Spent(choice, spent, succeeding, found.quality_price / dearest)


def affordable(cost: np.ndarray, budget_usd: float) -> np.ndarray:
    """Say which pairs (n, candidates) leave enough for the cheapest candidates of all other prompts.

    Args:
        cost: Expected costs in USD (n, candidates), NaN for a pair that may not be chosen.
        budget_usd: For all prompts together, at least 0.

    Raises:
        InputError: A prompt has no candidate with a price, or the cheapest ones cost more than the budget.
    """
    known = np.where(np.isnan(cost), np.inf, cost)
    least = known.min(axis=1)
    unpriced = np.flatnonzero(np.isinf(least))
    if len(unpriced):
        raise InputError(
            f"prompt {unpriced[0]} has no allowed candidate with a price; leave out budget_usd, or add one"
        )
    if not _within(least.sum(), budget_usd):
        prompts = "1 prompt" if len(cost) == 1 else f"{len(cost)} prompts"
        raise InputError(
            f"the cheapest allowed candidates cost {least.sum():.6g} USD for {prompts}; "
            f"raise budget_usd of {budget_usd:g}"
        )
    return np.asarray(_within(least.sum() - least[:, None] + known, budget_usd))


def _within(cost: np.ndarray, budget_usd: float) -> np.ndarray:
    """Compare sums up to their rounding: a budget of exactly what something costs is enough for it."""
    return cost <= budget_usd * (1 + 1e-9)


def _spend_rest(choice: np.ndarray, success: np.ndarray, cost: np.ndarray, budget_usd: float) -> np.ndarray:
    """Take the steps up that still fit into the budget, first those that gain most for their money."""
    choice, rows = choice.copy(), np.arange(len(choice))
    moved = True
    while moved:
        moved = False
        left = budget_usd - float(cost[rows, choice].sum())
        gain, extra = success - success[rows, choice][:, None], cost - cost[rows, choice][:, None]
        worth = np.where((gain > 1e-12) & (extra <= left), gain / np.maximum(extra, 1e-12), -np.inf)
        to = worth.argmax(axis=1)
        for row in np.argsort(-worth[rows, to], kind="stable"):
            if np.isneginf(worth[row, to[row]]):
                break
            if extra[row, to[row]] <= left:
                left -= extra[row, to[row]]
                choice[row] = to[row]
                moved = True
    return choice
