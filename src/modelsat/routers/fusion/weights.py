"""How much each member of a mixture counts: a super learner (van der Laan, Polley and Hubbard, 2007).

Weights are at least 0 and add up to 1. They make least the squared error of the differences between the candidates of
a prompt, on prompts that the members were not fitted to: how hard a prompt is for all of them changes no choice and
does not count.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

_AT_ONCE = 2**12
PRIOR_PROMPTS = 100.0
"""How many prompts the weights count for that are assumed before any outcome is seen."""


def fitted(said: np.ndarray, truth: np.ndarray, assumed: Sequence[float]) -> np.ndarray:
    """Return the weights of k members, (k,).

    Args:
        said: Success probabilities of each member (k, n, m), not fitted to these n prompts.
        truth: Scores (n, m), NaN where not run.
        assumed: Weights to shrink to, (k,), adding up to 1.
    """
    before = np.asarray(assumed, dtype=np.float64)
    square, right = _moments(said, truth)
    known = float((~np.isnan(truth)).any(axis=1).sum())
    # Shrunk as by prompts on which every member errs alike: a unit is the mean square of what a member says.
    strength = PRIOR_PROMPTS / max(known, 1.0) * max(float(np.trace(square)) / len(before), 1e-12)
    return _on_simplex(square + strength * np.eye(len(before)), right + strength * before)


def _moments(said: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean products of the members' contrasts with each other (k, k) and with the outcomes' (k,)."""
    square, right = np.zeros((len(said), len(said))), np.zeros(len(said))
    for start in range(0, len(truth), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        contrasts, observed = _contrasts(said[:, some], truth[some])
        square += contrasts @ contrasts.T
        right += contrasts @ observed
    return square / len(truth), right / len(truth)


def _contrasts(said: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how candidates differ from a prompt's mean by each member, (k, n * m), and as observed, (n * m,)."""
    asked = ~np.isnan(truth)
    share = asked / np.maximum(asked.sum(axis=1, keepdims=True), 1)

    def contrast(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(share) * (values - (share * values).sum(axis=1, keepdims=True))).ravel()

    return np.stack([contrast(one) for one in said]), contrast(np.where(asked, truth, 0.0))


def _on_simplex(square: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the w of least w' square w - 2 w' right, at least 0 and adding up to 1; members are few, so all are tried.

    Args:
        square: Symmetric and positive definite, (k, k).
        right: (k,).
    """
    k = len(right)
    best, least = np.full(k, 1 / k), np.inf
    for size in range(1, k + 1):
        for some in combinations(range(k), size):
            inside = np.ix_(some, some)
            bordered = np.block([[square[inside], np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
            part = np.linalg.solve(bordered, np.append(right[list(some)], 1.0))[:-1]
            if (part < 0).any():
                continue
            w = np.zeros(k)
            w[list(some)] = part
            loss = float(w @ square @ w - 2 * w @ right)
            if loss < least:
                best, least = w, loss
    return best
