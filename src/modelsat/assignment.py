"""Spends as little as possible on a batch of prompts while mean quality stays above a floor (peers.md, 5.1 and 5.3).

    min sum c_ij x_ij   s.t.   mean of a_ij x_ij >= floor,  one candidate per prompt,  at most L_j prompts per candidate

Solved in the dual: one price on quality and one per candidate on load make every prompt decide for itself. The prices
also decide for a stream of prompts that come one at a time.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.errors import InputError

ROUNDS = 400


@dataclass(frozen=True)
class Assignment:
    """Who answers what.

    Attributes:
        choice: Candidate of each prompt (n,).
        cost: Sum of the costs, in the unit of the costs.
        quality: Mean predicted quality, in [0, 1].
        quality_price: What one unit of quality is worth, in the unit of the costs.
        load_prices: What a place at each candidate is worth, (candidates,).
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
        rounds: Steps of the dual ascent.

    Raises:
        InputError: No assignment reaches the floor within the capacities.
    """
    n, m = quality.shape
    limit = np.full(m, float(n)) if capacity is None else np.asarray(capacity, dtype=float)
    if limit.sum() < n:
        raise InputError(f"{n} prompts do not fit into {int(limit.sum())} places; raise the capacities")
    scale = max(float(cost.mean()), 1e-12)
    scaled, price, loads = cost / scale, 0.0, np.zeros(m)
    rows = np.arange(n)
    found: Assignment | None = None
    for step in range(1, rounds + 1):
        choice = (scaled - price * quality + loads).argmin(axis=1)
        short = floor - float(quality[rows, choice].mean())
        crowd = (np.bincount(choice, minlength=m) - limit) / n
        # Repair is dear beside a step, and only the prices near the end are worth it.
        if (short <= 0 and (crowd <= 0).all()) or step % 20 == 0 or step == rounds:
            repaired = _repair(choice, scaled, quality, floor, limit)
            if repaired is not None:
                total = float(scaled[rows, repaired].sum()) * scale
                if found is None or total < found.cost:
                    mean = float(quality[rows, repaired].mean())
                    found = Assignment(repaired, total, mean, price * scale, loads * scale)
        rate = 4.0 / np.sqrt(step)
        price = max(0.0, price + 10 * rate * short)
        loads = np.maximum(0.0, loads + rate * crowd)
    if found is None:
        best = float(quality.max(axis=1).mean())
        raise InputError(f"no assignment reaches a mean quality of {floor:.3f}; without limits {best:.3f} is the most")
    return found


def bound(quality: np.ndarray, cost: np.ndarray, floor: float, capacity: np.ndarray | None = None) -> float:
    """Return the least cost of the linear relaxation, which no assignment can undercut (HiGHS).

    Raises:
        InputError: The relaxation has no solution.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, identity, kron, vstack

    n, m = quality.shape
    limit = np.full(m, float(n)) if capacity is None else np.asarray(capacity, dtype=float)
    once = kron(identity(n), np.ones((1, m)), format="csr")
    load = kron(np.ones((1, n)), identity(m), format="csr")
    upper = vstack([csr_matrix(-quality.reshape(1, -1)), load])
    solved = linprog(
        cost.ravel(),
        A_ub=upper,
        b_ub=np.concatenate([[-floor * n], limit]),
        A_eq=once,
        b_eq=np.ones(n),
        bounds=(0, 1),
        method="highs",
    )
    if not solved.success:
        raise InputError(f"no assignment reaches a mean quality of {floor:.3f} within the capacities")
    return float(solved.fun)


def decide(quality: np.ndarray, cost: np.ndarray, prices: Assignment) -> np.ndarray:
    """Decide prompts of a stream by the prices of an earlier batch: no prompt waits for another.

    Args:
        quality: Predicted success (n, candidates).
        cost: Expected cost (n, candidates).
        prices: What an earlier batch was solved with.
    """
    return np.asarray((cost - prices.quality_price * quality + prices.load_prices).argmin(axis=1))


def _repair(
    choice: np.ndarray, cost: np.ndarray, quality: np.ndarray, floor: float, limit: np.ndarray
) -> np.ndarray | None:
    """Move prompts off crowded candidates where it costs least, then buy quality where it is cheapest."""
    choice = choice.copy()
    n, m = quality.shape
    rows = np.arange(n)
    load = np.bincount(choice, minlength=m)
    for crowded in np.flatnonzero(load > limit):
        for _ in range(int(load[crowded] - limit[crowded])):
            mine = np.flatnonzero(choice == crowded)
            extra = np.where(load < limit, cost[mine] - cost[mine, crowded][:, None], np.inf)
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
