"""Spends a budget on a batch of prompts to maximise the expected number of successes.

The problem is OmniRouter's under a budget (Mei et al., SIGKDD Explorations 27(2), 2025, arXiv 2502.20576):

    max sum a_ij x_ij   s.t.   sum c_ij x_ij <= budget,  one candidate per prompt

This is the assignment of `assignment` with roles exchanged: failures take the place of costs, and unspent money takes
the place of quality. Money left over because no whole prompt fits is then spent on the upgrades that still fit.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.errors import InputError
from modelsat.policy import assignment


@dataclass(frozen=True)
class Spent:
    """How a budget is spent.

    Attributes:
        choice: Candidate of each prompt (n,).
        cost: Sum over the batch, in USD.
        successes: Expected number of prompts that succeed, in [0, n].
        successes_per_usd: Marginal value of a dollar; 0 if every prompt already has its best candidate.
    """

    choice: np.ndarray
    cost: float
    successes: float
    successes_per_usd: float


def spend(success: np.ndarray, cost: np.ndarray, budget_usd: float) -> Spent:
    """Choose one candidate per prompt.

    Args:
        success: Probabilities (n, candidates), at most 1, NaN for a pair that may not be chosen; of equal candidates
            the first is taken.
        cost: Expected costs in USD (n, candidates), NaN where unknown: such a pair is not chosen.
        budget_usd: For all prompts together, at least 0; kept up to the rounding of their sum.

    Raises:
        InputError: A prompt has no candidate with a price, or the cheapest ones cost more than the budget.
    """
    possible = affordable(np.where(np.isnan(success), np.nan, cost), budget_usd)
    most = max(float(cost[possible].max()), 1e-12)
    # An excluded pair gets a higher failure probability than every allowed pair.
    failures = np.where(possible, 1 - success, 2 - float(success[possible].min()))
    unspent = np.where(possible, 1 - cost / most, 0.0)
    solution = assignment.assign(unspent, failures, max(0.0, 1 - budget_usd / (len(cost) * most)))
    choice = _spend_rest(solution.choice, np.where(possible, success, -np.inf), cost, budget_usd)
    rows = np.arange(len(choice))
    spent, succeeding = float(cost[rows, choice].sum()), float(success[rows, choice].sum())
    return Spent(choice, spent, succeeding, solution.quality_price / most)


def rank(success: np.ndarray, cost: np.ndarray, budget_usd: float, mean_score: np.ndarray) -> np.ndarray:
    """Rank candidates: first the choice of `spend`, then the others by success less cost at the marginal price.

    Args:
        success: Probabilities less uncertainty margins (`choice.assured`), (n, candidates), NaN for an excluded pair.
        cost: Expected costs in USD (n, candidates), NaN where unknown.
        budget_usd: As of `spend`.
        mean_score: Mean score of each candidate (candidates,); of equal candidates the better one is taken.

    Returns:
        Column indices (n, candidates); pairs that may not be chosen come last.

    Raises:
        InputError: As of `spend`.
    """
    # Sorted by mean score, so that taking the first of equals takes the better candidate.
    better = np.argsort(-mean_score, kind="stable")
    success = success[:, better].astype(np.float64)
    cost = np.where(np.isnan(success), np.nan, cost[:, better])
    spent = spend(success, cost, budget_usd)
    value = success - spent.successes_per_usd * cost
    value[np.arange(len(value)), spent.choice] = np.inf
    return np.asarray(better[np.argsort(-value, axis=1, kind="stable")])


def affordable(cost: np.ndarray, budget_usd: float) -> np.ndarray:
    """Return which pairs (n, candidates) leave enough money for the cheapest candidates of all other prompts.

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
    """Compare sums up to rounding, so that a budget equal to the cost is sufficient."""
    return cost <= budget_usd * (1 + 1e-9)


def _spend_rest(choice: np.ndarray, success: np.ndarray, cost: np.ndarray, budget_usd: float) -> np.ndarray:
    """Apply the upgrades that still fit into the budget, best gain per dollar first."""
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
