"""Spends a budget on a batch of prompts so that most successes are expected.

The problem is OmniRouter's under a budget (Mei et al., SIGKDD Explorations 27(2), 2025, arXiv 2502.20576):

    max sum a_ij x_ij   s.t.   sum c_ij x_ij <= budget,  one candidate per prompt

This is the assignment under a floor with its parts exchanged: failures are what is paid, money that stays unspent is
the quality of which there has to be enough. Money that is left because no whole prompt fitted goes to the steps that
still fit.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.errors import InputError
from modelsat.policy import assignment


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
        success: Probabilities (n, candidates), at most 1, NaN for a pair that may not be chosen; of equal candidates
            the first is taken.
        cost: Expected costs in USD (n, candidates), NaN where unknown: such a pair is not chosen.
        budget_usd: For all prompts together, at least 0; kept up to the rounding of their sum.

    Raises:
        InputError: A prompt has no candidate with a price, or the cheapest ones cost more than the budget.
    """
    possible = affordable(np.where(np.isnan(success), np.nan, cost), budget_usd)
    most = max(float(cost[possible].max()), 1e-12)
    # A pair that may not be chosen fails more often than any that may.
    failures = np.where(possible, 1 - success, 2 - float(success[possible].min()))
    unspent = np.where(possible, 1 - cost / most, 0.0)
    solution = assignment.assign(unspent, failures, max(0.0, 1 - budget_usd / (len(cost) * most)))
    choice = _spend_rest(solution.choice, np.where(possible, success, -np.inf), cost, budget_usd)
    rows = np.arange(len(choice))
    spent, succeeding = float(cost[rows, choice].sum()), float(success[rows, choice].sum())
    return Spent(choice, spent, succeeding, solution.quality_price / most)


def rank(success: np.ndarray, cost: np.ndarray, budget_usd: float, mean_score: np.ndarray) -> np.ndarray:
    """Rank candidates: first what `spend` chooses, then what each prompt would take at the price of its last dollar.

    Args:
        success: What a choice counts on (`choice.assured`), (n, candidates), NaN for a pair that may not be chosen.
        cost: Expected costs in USD (n, candidates), NaN where unknown.
        budget_usd: As of `spend`.
        mean_score: Mean score of each candidate (candidates,); of equal candidates the better one is taken.

    Returns:
        Column indices (n, candidates); pairs that may not be chosen come last.

    Raises:
        InputError: As of `spend`.
    """
    # Whatever takes the first of equals then takes the better one.
    better = np.argsort(-mean_score, kind="stable")
    success = success[:, better].astype(np.float64)
    cost = np.where(np.isnan(success), np.nan, cost[:, better])
    spent = spend(success, cost, budget_usd)
    value = success - spent.successes_per_usd * cost
    value[np.arange(len(value)), spent.choice] = np.inf
    return np.asarray(better[np.argsort(-value, axis=1, kind="stable")])


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
