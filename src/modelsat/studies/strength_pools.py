"""Pools of candidates by strength, as RouterEval builds them (Huang et al., Findings of EMNLP 2025).

Within each kind the pool whose best possible choices score highest is taken. RouterEval looks for it on all prompts,
test included, which makes the oracle look better than it is; here it is looked for on the prompts that are given.
"""

from collections.abc import Iterable

import numpy as np

ALL_STRONG, ALL_WEAK, STRONG_TO_WEAK = "all_strong", "all_weak", "strong_to_weak"
TAIL_SHARE, DRAWS = 0.2, 1000
WORST, BEST = 0.1, 0.9


def build(scores: np.ndarray, size: int, draws: int = DRAWS, seed: int = 0) -> dict[str, tuple[int, ...]]:
    """Choose one pool of each kind.

    Args:
        scores: Training scores (prompts, candidates), in [0, 1], no NaN.
        size: Candidates in a pool.
        draws: How many pools of `strong_to_weak` are tried.
        seed: Of these draws.

    Returns:
        Columns by kind, weaker candidates first; nothing where fewer than `size` candidates have a mean above 0.1 and
        not above 0.9.
    """
    level = scores.mean(axis=0)
    order = [int(i) for i in np.argsort(level, kind="stable") if WORST < level[i] <= BEST]
    if len(order) < size:
        return {}
    tail = max(size, round(TAIL_SHARE * len(order)))
    rng = np.random.default_rng(seed)
    tiers = np.array_split(order, size)
    drawn = [tuple(int(rng.choice(tier)) for tier in tiers) for _ in range(draws)]
    return {
        ALL_STRONG: _richest(scores, _windows(order[-tail:], size)),
        ALL_WEAK: _richest(scores, _windows(order[:tail], size)),
        STRONG_TO_WEAK: _richest(scores, dict.fromkeys(drawn)),
    }


def _windows(order: list[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(order[start : start + size]) for start in range(len(order) - size + 1)]


def _richest(scores: np.ndarray, pools: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the pool with the highest oracle; of equal ones the first."""
    return max(pools, key=lambda columns: float(scores[:, columns].max(axis=1).mean()))
