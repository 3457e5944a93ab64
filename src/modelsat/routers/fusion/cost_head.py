"""What an answer will cost, per candidate, from a prompt's vector and length: fitted to what was paid.

A head is a ridge on the logarithm of the cost, since answers cost more by factors and not by sums, times by how much a
candidate's known answers cost more in sum than the middle that a logarithm predicts. Only candidates with `ENOUGH_PAID`
measured answers have one; the others keep what is known of their prices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from modelsat.policy.costs import ENOUGH_PAID
from modelsat.routers.fusion import loo_ridge

_MICRO = 1e6
_PRIOR_ANSWERS = 5.0


@dataclass(frozen=True)
class CostHead:
    """Heads of m candidates on f features; NaN in the columns of candidates without one.

    Attributes:
        weights: (f, m).
        intercept: (m,).
        factor: Mean cost over what the logarithm predicts, (m,).
        most: Largest cost that was paid, in USD, (m,): no answer is expected to cost more than twice that.
    """

    weights: np.ndarray
    intercept: np.ndarray
    factor: np.ndarray
    most: np.ndarray

    def __call__(self, vectors: np.ndarray, tokens_in: np.ndarray) -> np.ndarray:
        """Return expected costs in USD.

        Args:
            vectors: Unit vectors of the prompts, (n, width) or one per layer, of which the last is read.
            tokens_in: How long the prompts are in tokens, (n,).

        Returns:
            float64 (n, m), NaN for candidates without a head.
        """
        logs = _features(vectors, tokens_in) @ self.weights + self.intercept
        return np.asarray(np.minimum(np.expm1(np.maximum(logs, 0.0)) / _MICRO * self.factor, 2 * self.most))

    def of(self, columns: Sequence[int]) -> "CostHead":
        """Return the heads of some candidates, in the given order; -1 stands for one without a head."""
        taken = {}
        for name in (field.name for field in fields(self)):
            values = getattr(self, name)
            padded = np.concatenate([values, np.full((*values.shape[:-1], 1), np.nan)], axis=-1)
            taken[name] = padded[..., list(columns)]
        return CostHead(**taken)


def fit(vectors: np.ndarray, tokens_in: np.ndarray, paid: np.ndarray) -> CostHead | None:
    """Fit the heads; None where no candidate has enough measured answers.

    Args:
        vectors: Unit vectors of the prompts, (n, width) or one per layer.
        tokens_in: How long the prompts are in tokens, (n,).
        paid: What answers cost in USD, (n, m), NaN where not known.
    """
    known = ~np.isnan(paid)
    heads = np.flatnonzero(known.sum(axis=0) >= ENOUGH_PAID)
    if not len(heads):
        return None
    features = _features(vectors, tokens_in)
    m = paid.shape[1]
    weights, intercept, middle = np.full((features.shape[1], m), np.nan), np.full(m, np.nan), np.zeros(paid.shape)
    # Candidates that were measured on the same prompts share one decomposition.
    patterns, which = np.unique(known[:, heads], axis=1, return_inverse=True)
    for i, rows in enumerate(patterns.T):
        mine = heads[which.ravel() == i]
        fitted = loo_ridge.fit(features[rows], np.log1p(_MICRO * paid[np.ix_(rows, mine)]))
        weights[:, mine], intercept[mine] = fitted.weights, fitted.intercept
        middle[np.ix_(rows, mine)] = np.expm1(np.maximum(fitted.held_out, 0.0)) / _MICRO
    real = np.where(known, paid, 0.0)[:, heads]
    factor, most = np.full(m, np.nan), np.full(m, np.nan)
    factor[heads] = _more(real, middle[:, heads], known[:, heads])
    most[heads] = real.max(axis=0)
    return CostHead(weights, intercept, factor, most)


def _features(vectors: np.ndarray, tokens_in: np.ndarray) -> np.ndarray:
    """Return the last layer's vector beside the logarithm of the length, in about the vector's own scale."""
    last = vectors[:, -1] if vectors.ndim == 3 else vectors
    return np.column_stack([last, np.log1p(tokens_in) / 10]).astype(np.float64)


def _more(real: np.ndarray, middle: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the ratio of the sums (n, m) per candidate, mixed with that over all where few answers are known."""
    if not middle.sum() > 0:
        return np.ones(real.shape[1])
    usual, prior = real.sum() / middle.sum(), _PRIOR_ANSWERS * middle.sum() / max(int(known.sum()), 1)
    return np.asarray((real.sum(axis=0) + prior * usual) / (middle.sum(axis=0) + prior))
