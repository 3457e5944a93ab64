"""One routing request answered: probabilities, costs and the ranking of the allowed candidates for each prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelsat import costs, policy
from modelsat.bundle import Bundle
from modelsat.errors import InputError


@dataclass(frozen=True)
class Ranking:
    """The answer to one request; k is the number of candidates shown.

    Attributes:
        model: Chosen candidate per prompt, length n.
        candidates: Names by falling utility, (n, k).
        success_probability: In [0, 1], NaN for an excluded candidate, (n, k).
        expected_cost_usd: NaN where a price is missing, (n, k).
        seen_in_training: Whether training knew the candidate, (n, k).
        truncated: Whether only a part of the prompt was read, (n,).
    """

    model: list[str]
    candidates: np.ndarray
    success_probability: np.ndarray
    expected_cost_usd: np.ndarray
    seen_in_training: np.ndarray
    truncated: np.ndarray


def route(
    bundle: Bundle, texts: Sequence[str], candidates: Sequence[str] | None = None, cost_weight: float = 0.0
) -> Ranking:
    """Rank candidates for prompts.

    Args:
        bundle: The router.
        texts: Rendered prompts, at least one, none empty.
        candidates: Names that may be chosen; None allows all.
        cost_weight: How much probability one would give up for the cost of the dearest candidate, in [0, 1].

    Raises:
        InputError: A prompt is empty, a candidate is unknown, none is allowed, or the weight is out of range.
    """
    _check(bundle, texts, candidates, cost_weight)
    names = np.asarray(bundle.names, dtype=object)
    allowed = (
        np.isin(names.astype(str), list(candidates)) if candidates is not None else np.ones(len(names), dtype=bool)
    )
    probability = np.where(allowed, bundle.success_probability(list(texts)), np.nan)
    cost = costs.expected(texts, bundle.candidates, bundle.lineage.get("tokens_out", {}))
    utility = probability.astype(np.float64)
    if cost_weight:
        utility = utility - cost_weight * policy.relative_costs(np.where(allowed, cost, np.nan))
    mean = np.asarray([bundle.lineage.get("mean_score", {}).get(name, 0.0) for name in bundle.names])
    utility = np.where(allowed, utility + 1e-9 * mean, -np.inf)
    order = np.argsort(-utility, axis=1, kind="stable")
    seen = np.isin(names.astype(str), bundle.lineage.get("trained_on", list(bundle.names)))
    return Ranking(
        model=[str(names[row[0]]) for row in order],
        candidates=names[order],
        success_probability=np.take_along_axis(probability, order, axis=1).astype(np.float32),
        expected_cost_usd=np.take_along_axis(cost, order, axis=1).astype(np.float32),
        seen_in_training=seen[order],
        truncated=bundle.router.truncated(texts),
    )


def _check(bundle: Bundle, texts: Sequence[str], candidates: Sequence[str] | None, cost_weight: float) -> None:
    if not texts:
        raise InputError("the request holds no prompt; send at least one")
    for i, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"prompt {i} is empty; send the text to be routed")
    if not 0 <= cost_weight <= 1:
        raise InputError(f"cost_weight {cost_weight!r} is outside [0, 1]; 0 ignores costs")
    if candidates is not None:
        unknown = sorted(set(candidates) - set(bundle.names))
        if unknown or not candidates:
            known = ", ".join(bundle.names[:20]) + (", ..." if len(bundle.names) > 20 else "")
            raise InputError(f"candidates {unknown!r} are unknown to this router; it knows {known}")


def rows(ranking: Ranking, prompt: int = 0) -> list[dict[str, Any]]:
    """Return the ranking of one prompt as plain rows; numbers that are unknown are None."""

    def plain(value: float) -> float | None:
        return None if value != value else float(value)

    return [
        {
            "candidate": str(ranking.candidates[prompt, j]),
            "success_probability": plain(ranking.success_probability[prompt, j]),
            "expected_cost_usd": plain(ranking.expected_cost_usd[prompt, j]),
            "seen_in_training": bool(ranking.seen_in_training[prompt, j]),
        }
        for j in range(ranking.candidates.shape[1])
    ]


def reason(ranked: Sequence[dict[str, Any]], cost_weight: float) -> str:
    """Say in one sentence why the first of the ranked rows was chosen."""
    ranked = [row for row in ranked if row["success_probability"] is not None]
    first = ranked[0]
    if len(ranked) == 1:
        return f"{first['candidate']}: the only candidate that was allowed."
    second = ranked[1]
    lead = 100 * (first["success_probability"] - second["success_probability"])
    if lead >= 0:
        return (
            f"{first['candidate']}: {lead:.1f} points more likely to succeed than {second['candidate']}, the next best."
        )
    return (
        f"{first['candidate']}: {-lead:.1f} points less likely to succeed than {second['candidate']}, "
        f"but cheaper by more than that is worth at cost weight {cost_weight:.2f}."
    )
