"""Who contributes what to a challenger: each member's weight, and how it did on prompts it was not fitted to."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelsat.policy import choice
from modelsat.routers.mixture import log_loss

MEMBERS = "members"
"""In the lineage: the rows of `of`."""
MODEL_SAT = "Model-SAT"


def of(names: Sequence[str], said: np.ndarray, weights: np.ndarray, truth: np.ndarray) -> list[dict[str, Any]]:
    """Return a row per member.

    Args:
        names: Of k members.
        said: Success probabilities of each, not fitted to these prompts, (k, n, m).
        weights: Of each, (k,).
        truth: Scores (n, m), NaN where not run.

    Returns:
        Rows with `name`, `weight`, `log_loss` in nats per answer, `accuracy` of the candidates that it would choose, in
        [0, 1], and `prompts`, on how many that rests.
    """
    return [_row(name, float(weight), one, truth) for name, weight, one in zip(names, weights, said, strict=True)]


def with_model_sat(
    rows: Sequence[dict[str, Any]], weight: float, said: np.ndarray, truth: np.ndarray
) -> list[dict[str, Any]]:
    """Return the rows with that of a network that takes `weight` from all others; `said` and `truth` as of `of`."""
    others = [row | {"weight": (1 - weight) * row["weight"]} for row in rows]
    return [*others, _row(MODEL_SAT, weight, said, truth)]


def _row(name: str, weight: float, said: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    asked = ~np.isnan(truth)
    rows = np.flatnonzero(asked.any(axis=1))
    means = np.where(asked, truth, 0.0).sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    chosen = choice.choose(said[rows], asked[rows], means)
    return {
        "name": name,
        "weight": weight,
        "log_loss": float(log_loss(said[asked], truth[asked]).mean()) if len(rows) else None,
        "accuracy": float(truth[rows, chosen].mean()) if len(rows) else None,
        "prompts": len(rows),
    }
