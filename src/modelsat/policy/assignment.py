"""Assigns a batch of prompts to candidates at the lowest cost that keeps mean quality above a floor.

    min sum c_ij x_ij   s.t.   mean of a_ij x_ij >= floor,  one candidate per prompt,  at most L_j prompts per candidate

Solved by coordinate ascent in the dual, until no price changes: the price of quality is the lowest that reaches the
floor, the price of a candidate's capacity the lowest that keeps its load within the limit. At these prices each prompt
is decided independently, so they also serve a stream of prompts that arrive one at a time. The problem is that of
OmniRouter (Mei et al., SIGKDD Explorations 27(2), 2025, arXiv 2502.20576); the solver is standard dual ascent, because
the paper's own was not published.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelsat.errors import InputError

ROUNDS, SWEEPS = 30, 5


@dataclass(frozen=True)
class Assignment:
    """An assignment of prompts to candidates.

    Attributes:
        choice: Candidate of each prompt (n,).
        cost: Sum of the costs, in the unit of the costs.
        quality: Mean predicted quality, in [0, 1].
        quality_price: What one unit of quality is worth, in the unit of the costs.
        load_prices: Price of one prompt's place at each candidate, (candidates,).
    """

    choice: np.ndarray
    cost: float
    quality: float
    quality_price: float
    load_prices: np.ndarray


def assign(
    quality: np.ndarray, cost: np.ndarray, floor: float, capacity: np.ndarray | None = None, rounds: int = ROUNDS
) -> Assignment:
    """Assign a batch.

    Args:
        quality: Predicted success (n, candidates), in [0, 1].
        cost: Expected cost (n, candidates), at least 0, no NaN.
        floor: Least mean quality, in [0, 1].
        capacity: Most prompts per candidate; None is no limit.
        rounds: Maximum number of passes over all prices.

    Raises:
        InputError: No assignment reaches the floor within the capacities.
    """
    n, m = quality.shape
    limit = _limits(quality, capacity)
    if limit.sum() < n:
        raise InputError(f"{n} prompts do not fit into {int(limit.sum())} places; raise the capacities")
    scale = max(float(cost.mean()), 1e-12)
    scaled, loads = cost / scale, np.zeros(m)
    best: Assignment | None = None
    for _ in range(rounds):
        below, price = _quality_price(scaled + loads, quality, floor)
        reduced = scaled - below * quality + loads
        choice = _repair(reduced.argmin(axis=1), reduced, scaled, quality, floor, limit)
        if choice is not None:
            candidate = _assignment(choice, cost, quality, price * scale, loads * scale)
            best = candidate if best is None or candidate.cost < best.cost else best
        before = loads
        for _ in range(SWEEPS):
            loads = _load_prices(scaled - price * quality, loads, limit)
        if np.abs(loads - before).max() < 1e-9:
            break
    return best or _rounded(cost, quality, floor, limit)


def bound(quality: np.ndarray, cost: np.ndarray, floor: float, capacity: np.ndarray | None = None) -> float:
    """Return the least cost of the linear relaxation, which no assignment can undercut (HiGHS).

    Raises:
        InputError: The relaxation has no solution.
    """
    return float(_relaxation(cost, quality, floor, _limits(quality, capacity)).fun)


def decide(quality: np.ndarray, cost: np.ndarray, prices: Assignment) -> np.ndarray:
    """Decide the prompts of a stream by the prices of an earlier batch, each independently of the others.

    Args:
        quality: Predicted success (n, candidates).
        cost: Expected cost (n, candidates).
        prices: Solution of an earlier batch.
    """
    return np.asarray((cost - prices.quality_price * quality + prices.load_prices).argmin(axis=1))


def _limits(quality: np.ndarray, capacity: np.ndarray | None) -> np.ndarray:
    n, m = quality.shape
    return np.full(m, float(n)) if capacity is None else np.asarray(capacity, dtype=float)


def _assignment(
    choice: np.ndarray, cost: np.ndarray, quality: np.ndarray, price: float, loads: np.ndarray
) -> Assignment:
    rows = np.arange(len(choice))
    return Assignment(choice, float(cost[rows, choice].sum()), float(quality[rows, choice].mean()), price, loads)


def _rounded(cost: np.ndarray, quality: np.ndarray, floor: float, limit: np.ndarray) -> Assignment:
    """Round the linear relaxation; near full capacity, coordinate ascent converges too slowly.

    Raises:
        InputError: The relaxation has no solution, or none that whole prompts come close to.
    """
    scale = max(float(cost.mean()), 1e-12)
    # Rounding loses the quality of one or two prompts at most, so the relaxation is solved with some slack.
    for spare in (0.0, 1.0 / len(cost)):
        solved = _relaxation(cost / scale, quality, floor + spare, limit)
        price, loads = -float(solved.ineqlin.marginals[0]), -solved.ineqlin.marginals[1:]
        reduced = cost / scale - price * quality + loads
        choice = _repair(solved.x.reshape(cost.shape).argmax(axis=1), reduced, cost / scale, quality, floor, limit)
        if choice is not None:
            return _assignment(choice, cost, quality, price * scale, loads * scale)
    raise _out_of_reach(quality, floor)


def _out_of_reach(quality: np.ndarray, floor: float) -> InputError:
    best = float(quality.max(axis=1).mean())
    return InputError(f"no assignment reaches a mean quality of {floor:.3f}; without limits {best:.3f} is the most")


def _relaxation(cost: np.ndarray, quality: np.ndarray, floor: float, limit: np.ndarray) -> Any:
    """Solve the linear relaxation: sum of costs, and prices as marginals of the floor and of the limits."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, identity, kron, vstack

    n, m = quality.shape
    once = kron(identity(n), np.ones((1, m)), format="csr")
    load = kron(np.ones((1, n)), identity(m), format="csr")
    solved = linprog(
        cost.ravel(),
        A_ub=vstack([csr_matrix(-quality.reshape(1, -1)), load]),
        b_ub=np.concatenate([[-floor * n], limit]),
        A_eq=once,
        b_eq=np.ones(n),
        bounds=(0, 1),
        method="highs",
    )
    if not solved.success:
        raise _out_of_reach(quality, floor)
    return solved


def _quality_price(cost: np.ndarray, quality: np.ndarray, floor: float) -> tuple[float, float]:
    """Return two adjacent prices of quality; at the second, mean quality reaches the floor if any price does."""
    rows = np.arange(len(cost))

    def reached(price: float) -> bool:
        return bool(quality[rows, (cost - price * quality).argmin(axis=1)].mean() >= floor)

    if reached(0.0):
        return 0.0, 0.0
    low, high = 0.0, 1.0
    while not reached(high) and high < 1e9:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low, high


def _load_prices(cost: np.ndarray, loads: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Set the price of each candidate in turn so that no more prompts than it has places would pay it."""
    loads = loads.copy()
    for candidate in np.flatnonzero(limit < len(cost)):
        others = cost + loads
        others[:, candidate] = np.inf
        worth = np.sort(others.min(axis=1) - cost[:, candidate])[::-1]
        loads[candidate] = max(0.0, worth[int(limit[candidate])])
    return loads


def _repair(
    choice: np.ndarray,
    reduced: np.ndarray,
    cost: np.ndarray,
    quality: np.ndarray,
    floor: float,
    limit: np.ndarray,
) -> np.ndarray | None:
    """Move prompts off crowded candidates where it loses least, then buy quality where it is cheapest."""
    n, m = quality.shape
    choice = choice.copy()
    rows = np.arange(n)
    load = np.bincount(choice, minlength=m)
    for crowded in np.flatnonzero(load > limit):
        for _ in range(int(load[crowded] - limit[crowded])):
            mine = np.flatnonzero(choice == crowded)
            extra = np.where(load < limit, reduced[mine] - reduced[mine, crowded][:, None], np.inf)
            row, to = np.unravel_index(extra.argmin(), extra.shape)
            choice[mine[row]] = to
            load[crowded] -= 1
            load[to] += 1
    missing = floor * n - float(quality[rows, choice].sum())
    while missing > 1e-9:
        gain = quality - quality[rows, choice][:, None]
        extra = np.maximum(cost - cost[rows, choice][:, None], 0.0)
        ratio = np.where((gain > 1e-12) & (load < limit), gain / (extra + 1e-12), -np.inf)
        to = ratio.argmax(axis=1)
        order = np.argsort(-ratio[rows, to], kind="stable")
        moved = False
        for row in order:
            if missing <= 1e-9 or not np.isfinite(ratio[row, to[row]]):
                break
            if load[to[row]] >= limit[to[row]]:
                continue
            load[choice[row]] -= 1
            load[to[row]] += 1
            missing -= float(gain[row, to[row]])
            choice[row] = to[row]
            moved = True
        if not moved:
            return None
    return choice
