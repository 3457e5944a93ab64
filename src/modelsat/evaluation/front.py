"""The front of single candidates: what money buys where no prompt is read (RouterBench's zero router).

Source: Hu et al., RouterBench, arXiv 2403.12031.

Its vertices are candidates; between two of them, prompts are split at random.
"""

import numpy as np


def vertices(cost: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Return the candidates that no other and no mixture of others undercuts, from the cheapest to the most accurate.

    Args:
        cost: Mean cost (candidates,).
        accuracy: Mean score (candidates,).
    """
    hull: list[int] = []
    for i in np.lexsort((-accuracy, cost)):
        if hull and accuracy[i] <= accuracy[hull[-1]]:
            continue
        while len(hull) > 1 and _slope(cost, accuracy, hull[-2], hull[-1]) <= _slope(cost, accuracy, hull[-1], i):
            hull.pop()
        hull.append(int(i))
    return np.asarray(hull)


def mixture(cost: np.ndarray, accuracy: np.ndarray, target: float) -> np.ndarray:
    """Return the shares of prompts (candidates,) that reach a mean score for the least cost.

    Two neighbours on the front are enough. A target above the most accurate candidate is answered with that candidate.

    Args:
        cost: Mean cost (candidates,).
        accuracy: Mean score (candidates,).
        target: Mean score to reach.
    """
    hull = vertices(cost, accuracy)
    upper = min(int(np.searchsorted(accuracy[hull], target)), len(hull) - 1)
    shares = np.zeros(len(cost))
    low, high = hull[max(upper - 1, 0)], hull[upper]
    share = 1.0 if low == high else min((target - accuracy[low]) / (accuracy[high] - accuracy[low]), 1.0)
    shares[low] = 1.0 - share
    shares[high] = share
    return shares


def _slope(cost: np.ndarray, accuracy: np.ndarray, low: int, high: int) -> float:
    return float((accuracy[high] - accuracy[low]) / (cost[high] - cost[low]))
