"""One routing request answered: probabilities, costs and the ranking of the allowed candidates for each prompt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from modelsat.policy import budgets, choice, failures, promise
from modelsat.policy.costs import tokens_in
from modelsat.policy.eligibility import eligible
from modelsat.policy.preferences import CHEAPEST, SINGLE, Preferences
from modelsat.routers.router import Prediction


@dataclass(frozen=True)
class Ranking:
    """The answer to one request; k is the number of candidates shown.

    Attributes:
        model: Chosen candidate per prompt, length n.
        candidates: Names by falling preference, (n, k).
        success_probability: In [0, 1], NaN for an excluded candidate, (n, k).
        expected_cost_usd: NaN where a price is missing, (n, k).
        seen_in_training: Whether training knew the candidate, (n, k).
        truncated: Whether only a part of the prompt was read, (n,).
        foreign: How far the prompt is from the training prompts, in [0, 1], (n,).
        preferences: By which candidates were ranked, the router's default and the ends of the dial resolved.
    """

    model: list[str]
    candidates: np.ndarray
    success_probability: np.ndarray
    expected_cost_usd: np.ndarray
    seen_in_training: np.ndarray
    truncated: np.ndarray
    foreign: np.ndarray
    preferences: Preferences = Preferences()


def route(bundle: Bundle, texts: Sequence[str], preferences: Preferences = Preferences()) -> Ranking:
    """Rank candidates for prompts.

    Args:
        bundle: The router.
        texts: Rendered prompts, at least one, none empty.
        preferences: Who may be chosen, and how.

    Raises:
        InputError: A prompt is empty, a candidate is unknown, or none is allowed.
    """
    check(bundle, texts, preferences)
    return rank(bundle, texts, bundle.reading(list(texts)), preferences)


def rank(
    bundle: Bundle, texts: Sequence[str], reading: Prediction, preferences: Preferences = Preferences()
) -> Ranking:
    """Rank candidates for prompts that were read already.

    Args:
        bundle: The router.
        texts: The prompts.
        reading: What the router made of them.
        preferences: Who may be chosen, and how.

    Raises:
        InputError: No candidate is allowed for a prompt, or the budget is too small for all of them.
    """
    pool, size = bundle.pool, tokens_in(texts)
    preferences = promise.resolved(preferences, bundle.defaults.of(preferences))
    cost = pool.cost(size, reading.cost_usd)
    allowed = eligible(pool, size, cost, preferences)
    allowed &= ~np.isin(pool.names.astype(str), preferences.failed)
    if not allowed.any(axis=1).all():
        raise InputError("all allowed candidates have failed; allow others")
    probability = np.where(allowed, _after_failures(bundle, reading, preferences.failed), np.nan)
    order = _order(bundle, probability, cost, preferences)
    shown = order[:, : preferences.top_k]
    return Ranking(
        model=pool.names[order[:, 0]].tolist(),
        candidates=pool.names[shown],
        success_probability=np.take_along_axis(probability, shown, axis=1).astype(np.float32),
        expected_cost_usd=np.take_along_axis(cost, shown, axis=1).astype(np.float32),
        seen_in_training=pool.seen_in_training[shown],
        truncated=reading.truncated,
        foreign=reading.foreign,
        preferences=preferences,
    )


def _after_failures(bundle: Bundle, reading: Prediction, failed: tuple[str, ...]) -> np.ndarray:
    """Return success probabilities (n, m), moved by what the failures of some candidates tell of the others."""
    probability = reading.success_probability
    surprises = failures.read(bundle.lineage.get("surprises", {}), bundle.names) if failed else None
    if surprises is None:
        return probability
    columns = [bundle.names.index(name) for name in failed]
    return failures.given(probability.astype(np.float64), columns, *surprises).astype(np.float32)


def _order(bundle: Bundle, probability: np.ndarray, cost: np.ndarray, preferences: Preferences) -> np.ndarray:
    """Return columns by falling preference (n, m); a candidate that may not be chosen has the probability NaN."""
    pool, margin = bundle.pool, bundle.router.doubt
    if preferences.budget_usd is not None:
        return budgets.rank(choice.assured(probability, margin), cost, preferences.budget_usd, pool.mean_score)
    return choice.rank(
        probability,
        mean_score=pool.mean_score,
        costs=cost,
        cost_weight=preferences.cost_weight or 0.0,
        uncertainty_margin=margin,
        min_success_probability=preferences.min_success_probability,
        policy=preferences.policy,
        single=bundle.single_for(preferences),
    )


def check(bundle: Bundle, texts: Sequence[str], preferences: Preferences) -> None:
    """Refuse a request before anything is read.

    Raises:
        InputError: There is no prompt, one is empty, a candidate is unknown, or none is allowed for a prompt.
    """
    if not texts:
        raise InputError("the request holds no prompt; send at least one")
    for i, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"prompt {i} is empty; send the text to be routed")
    if preferences.available is not None and not set(preferences.available) & set(bundle.names):
        raise InputError(
            "this router knows none of the available candidates; GET /v2/models/router lists those it knows"
        )
    if preferences.candidates is not None:
        unknown = sorted(set(preferences.candidates) - set(bundle.names))
        if unknown or not preferences.candidates:
            known = ", ".join(bundle.names[:20]) + (", ..." if len(bundle.names) > 20 else "")
            raise InputError(f"candidates {unknown!r} are unknown to this router; it knows {known}")
    unknown = sorted(set(preferences.failed) - set(bundle.names))
    if unknown:
        raise InputError(f"failed candidates {unknown!r} are unknown to this router; name those that it routes to")
    size = tokens_in(texts)
    if bundle.router.predicts_cost:
        # What a prompt costs is known once it is read.
        preferences = replace(preferences, max_cost_usd=None, budget_usd=None)
    eligible(bundle.pool, size, bundle.pool.cost(size), preferences)


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


def reason(ranked: Sequence[dict[str, Any]], preferences: Preferences = Preferences()) -> str:
    """Say in one sentence why the first of the ranked rows was chosen before the likeliest one, or before the next."""
    ranked = [row for row in ranked if row["success_probability"] is not None]
    first = ranked[0]
    if len(ranked) == 1:
        return f"{first['candidate']}: the only candidate that was allowed."
    likeliest = max(ranked[1:], key=lambda row: row["success_probability"])
    second = likeliest if likeliest["success_probability"] > first["success_probability"] else ranked[1]
    lead = 100 * (first["success_probability"] - second["success_probability"])
    if lead >= 0:
        return (
            f"{first['candidate']}: {lead:.1f} points more likely to succeed than {second['candidate']}, the next best."
        )
    behind = f"{first['candidate']}: {-lead:.1f} points less likely to succeed than {second['candidate']}, "
    if preferences.policy == SINGLE:
        return behind + "but the best single candidate, which answers by default."
    if preferences.policy == CHEAPEST:
        return behind + "but cheaper."
    if preferences.budget_usd is not None:
        return behind + f"but {preferences.budget_usd:g} USD for all prompts buy more elsewhere."
    if preferences.cost_weight and (first["expected_cost_usd"] or 0.0) < (second["expected_cost_usd"] or np.inf):
        return behind + f"but cheaper by more than that is worth at cost weight {preferences.cost_weight:.2f}."
    return behind + "of which too little is known to count on that."


def unfamiliar(foreign: float) -> str:
    """Say that a prompt is foreign."""
    return f"This prompt is unlike the training prompts (foreign {foreign:.2f}), so the probabilities are less certain."
