"""The choice rule: which candidate answers a prompt, and in which order the others follow.

Everything that judges a router offline and everything that serves one calls this module, so that what was judged is
what is served. Candidates of one prompt are compared by these keys, each deciding only where all before it are equal:

1. A candidate that is not allowed, or whose probability is NaN, comes after all others and is never chosen.
2. A candidate that reaches the least success probability comes before one that does not; 0 asks for nothing.
3. `utility`: probability, less its uncertainty margin, less the weighted relative cost. `cheapest`: the least cost, and
   among equal costs the larger probability less its margin. Where a candidate misses the least success probability,
   its probability less its margin counts alone.
   `best single`, what `auto` comes to where nothing cheaper is safe: the candidate that the promise names, then the
   better mean score, less its margin.
4. The better mean score; where none is known it is 0.
5. The earlier column.

Three decisions lie behind them:

- Nothing is clipped. A margin may be larger than its probability; cutting the difference off at 0 would make candidates
  equal that are not, and the mean score would then decide against what is known about this prompt.
- Probabilities, margins, costs and the least probability are read as float32, in which routers predict and in which
  predictions are stored and served; all arithmetic is float64, in which differences of float32 numbers do not round
  together. The choice is therefore the same from a table in float64 and from served float32 numbers, and two
  adjacent float32 probabilities of a calibrated router (at least 1e-6) are never taken for equal.
- An unknown cost counts as the most expensive known one of the prompt, never as free; under `cheapest` a known price
  comes first. Only allowed candidates say what the most expensive one costs.
"""

import numpy as np

from modelsat.policy import costs as prices
from modelsat.policy.preferences import CHEAPEST, SINGLE, UTILITY

_AT_ONCE = 1 << 16
"""Pairs of a block of `choose`: its temporaries stay in the processor's cache."""


def rank(
    probabilities: np.ndarray,
    allowed: np.ndarray | None = None,
    mean_score: np.ndarray | None = None,
    costs: np.ndarray | None = None,
    cost_weight: float = 0.0,
    uncertainty_margin: np.ndarray | None = None,
    min_success_probability: float = 0.0,
    policy: str = UTILITY,
    single: int | None = None,
) -> np.ndarray:
    """Rank the candidates of each prompt, as the module describes it.

    Args:
        probabilities: Success probabilities (prompts, candidates), in [0, 1]; NaN is never chosen.
        allowed: Which candidates may be chosen, boolean (prompts, candidates) or (candidates,); all by default.
        mean_score: Mean score of each candidate, (candidates,) or (prompts, candidates); NaN counts as 0.
        costs: Expected costs in USD (prompts, candidates), NaN where unknown; without them nothing costs anything.
        cost_weight: How much probability the cost of the most expensive candidate is worth, at least 0; of `utility`.
        uncertainty_margin: How much of each probability a choice does not count on, (candidates,), at least 0.
        min_success_probability: In [0, 1].
        policy: `utility`, `cheapest` or `best single`.
        single: Column that comes first under `best single`; None leaves that to the mean scores.

    Returns:
        Column indices by falling preference (prompts, candidates); candidates that cannot be chosen come last.
    """
    means = _means(mean_score, probabilities.shape)
    keys = _keys(
        probabilities, allowed, means, costs, cost_weight, uncertainty_margin, min_success_probability, policy, single
    )
    keys.append(means)
    return np.asarray(np.lexsort([-key for key in reversed(keys)], axis=1))


def choose(
    probabilities: np.ndarray,
    allowed: np.ndarray | None = None,
    mean_score: np.ndarray | None = None,
    costs: np.ndarray | None = None,
    cost_weight: float = 0.0,
    uncertainty_margin: np.ndarray | None = None,
    min_success_probability: float = 0.0,
    policy: str = UTILITY,
    single: int | None = None,
) -> np.ndarray:
    """Choose one candidate per prompt: the first of `rank`, of which the arguments are, without sorting the others.

    Returns:
        Column indices (prompts,), -1 where no candidate can be chosen.
    """
    means = _means(mean_score, probabilities.shape)
    chosen = np.empty(len(probabilities), dtype=np.int64)
    step = max(1, _AT_ONCE // max(1, probabilities.shape[1]))
    for start in range(0, len(probabilities), step):
        rows = slice(start, start + step)
        keys = _keys(
            probabilities[rows],
            allowed[rows] if allowed is not None and allowed.ndim == 2 else allowed,
            means[rows],
            None if costs is None else costs[rows],
            cost_weight,
            uncertainty_margin,
            min_success_probability,
            policy,
            single,
        )
        chosen[rows] = _first(keys, means[rows])
    return chosen


def assured(probabilities: np.ndarray, uncertainty_margin: np.ndarray | None = None) -> np.ndarray:
    """Return what a choice counts on, of the shape of `probabilities`; below 0 where the margin is larger.

    Args:
        probabilities: Success probabilities (prompts, candidates).
        uncertainty_margin: (candidates,).
    """
    read = np.asarray(probabilities, dtype=np.float32)
    if uncertainty_margin is None or not np.any(uncertainty_margin):
        return read
    return read.astype(np.float64) - np.asarray(uncertainty_margin, dtype=np.float32)


def utility(
    probabilities: np.ndarray,
    costs: np.ndarray | None = None,
    cost_weight: float = 0.0,
    uncertainty_margin: np.ndarray | None = None,
) -> np.ndarray:
    """Return what candidates are compared by under `utility`, (prompts, candidates).

    Args:
        probabilities: Success probabilities (prompts, candidates).
        costs: As of `rank`; NaN for an excluded candidate, since it must not say what is expensive.
        cost_weight: As of `rank`.
        uncertainty_margin: As of `rank`.
    """
    likely = assured(probabilities, uncertainty_margin)
    if costs is None or not cost_weight:
        return likely
    return likely - cost_weight * relative_costs(costs)


def relative_costs(costs: np.ndarray) -> np.ndarray:
    """Scale costs per prompt to [0, 1] by the most expensive candidate; an unknown cost counts as that one's."""
    filled = prices.filled(np.asarray(costs, dtype=np.float32).astype(np.float64))
    most = np.maximum(filled.max(axis=1, keepdims=True), 0.0)
    return np.asarray(np.divide(filled, most, out=np.zeros_like(filled), where=most > 0))


def _keys(
    probabilities: np.ndarray,
    allowed: np.ndarray | None,
    means: np.ndarray,
    costs: np.ndarray | None,
    cost_weight: float,
    uncertainty_margin: np.ndarray | None,
    min_success_probability: float,
    policy: str,
    single: int | None,
) -> list[np.ndarray]:
    """Return keys 1 to 3, the most important first, larger is better; -inf in the first is out of choice."""
    likely = assured(probabilities, uncertainty_margin)
    out = np.isnan(likely)
    if allowed is not None:
        out |= ~allowed
    # Costs that have no say are not looked at: most requests have no cost weight.
    cost = None
    if costs is not None and (policy == CHEAPEST or cost_weight > 0):
        cost = np.where(out, np.nan, costs)
    if policy == SINGLE:
        level = np.where(out, np.nan, means)
        if single is not None:
            level[:, single] = np.where(out[:, single], np.nan, np.inf)
        wanted = assured(level, uncertainty_margin)
    else:
        wanted = utility(probabilities, cost, cost_weight, uncertainty_margin)
    if not min_success_probability and policy != CHEAPEST:
        return [np.where(out, -np.inf, wanted)]
    least = np.float32(min_success_probability)
    reaches = (likely >= least) | (least == 0)
    standing = np.where(out, -np.inf, reaches)
    likely = np.where(out, 0.0, likely)
    if policy != CHEAPEST:
        return [standing, np.where(reaches & ~out, wanted, likely)]
    cost = np.zeros(likely.shape) if cost is None else np.nan_to_num(np.asarray(cost, dtype=np.float32), nan=np.inf)
    return [standing, np.where(reaches & ~out, -cost, 0.0), likely]


def _first(keys: list[np.ndarray], means: np.ndarray) -> np.ndarray:
    """Return the column that all keys put first, -1 where none can be chosen, (n,)."""
    best = keys[0].max(axis=1)
    leading = keys[0] == best[:, None]
    for key in keys[1:]:
        compared = np.where(leading, key, -np.inf)
        leading &= compared == compared.max(axis=1, keepdims=True)
    chosen = leading.argmax(axis=1)
    tied = np.count_nonzero(leading, axis=1) > 1
    if tied.any():
        # Ties are rare, so only their rows are looked at again; of a constant router all are, and no row is copied.
        rows = slice(None) if tied.all() else np.flatnonzero(tied)
        chosen[rows] = np.where(leading[rows], means[rows], -np.inf).argmax(axis=1)
    return np.where(np.isneginf(best), -1, chosen)


def _means(mean_score: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    known = 0.0 if mean_score is None else np.where(np.isnan(mean_score), 0.0, mean_score)
    return np.broadcast_to(known, shape)
