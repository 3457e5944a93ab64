"""Which candidates may be chosen for which prompt; offline and when serving.

A candidate is excluded if the request rules it out, or if its context is too short for the prompt. An unknown property
counts as not fulfilled if the request asks for it. Only an unknown context length does not exclude a candidate by
itself, because most candidates have none on record.
"""

from collections.abc import Set
from typing import Protocol

import numpy as np

from modelsat.errors import InputError
from modelsat.policy import budgets
from modelsat.policy.preferences import Preferences


class CandidateAbilities(Protocol):
    """Properties of m candidates; arrays of shape (m,), missing numbers NaN."""

    @property
    def names(self) -> np.ndarray:
        """Return the candidates."""

    @property
    def context_length(self) -> np.ndarray:
        """Return context lengths in tokens."""

    @property
    def modalities(self) -> tuple[Set[str], ...]:
        """Return what each reads beside text; empty where unknown."""

    @property
    def tools(self) -> np.ndarray:
        """Return whether each is known to call tools."""

    @property
    def regions(self) -> tuple[Set[str], ...]:
        """Return where each is served; empty where unknown."""


def eligible(pool: CandidateAbilities, tokens_in: np.ndarray, cost: np.ndarray, preferences: Preferences) -> np.ndarray:
    """Return which candidates may be chosen for which prompt, boolean (n, m); at least one for each.

    Args:
        pool: The candidates.
        tokens_in: How long the prompts are in tokens, (n,).
        cost: Expected costs in USD (n, m), NaN where a price is missing: never within a limit.
        preferences: What the request asks for.

    Raises:
        InputError: A prompt has no candidate left, or the budget is too small for all prompts.
    """
    able = fulfilling(pool, preferences)
    if not able.any():
        raise InputError("no candidate is known to fulfil all that the request asks for; ask for less")
    allowed = able & readable(pool.context_length, tokens_in)
    _require_some(allowed, "is longer than any allowed candidate reads; shorten it, or allow others")
    if preferences.max_cost_usd is not None:
        allowed &= within(cost, preferences.max_cost_usd)
        _require_some(
            allowed, f"costs more than {preferences.max_cost_usd:g} USD at every allowed candidate; raise max_cost_usd"
        )
    if preferences.budget_usd is not None:
        allowed &= budgets.affordable(np.where(allowed, cost, np.nan), preferences.budget_usd)
    return allowed


def fulfilling(pool: CandidateAbilities, preferences: Preferences) -> np.ndarray:
    """Return which candidates have the name, the abilities and the place that are asked for, boolean (m,)."""
    able = np.ones(len(pool.names), dtype=bool)
    for names in (preferences.candidates, preferences.available):
        if names is not None:
            able &= np.isin(pool.names.astype(str), names)
    if preferences.min_context_length is not None:
        able &= pool.context_length >= preferences.min_context_length
    if preferences.modalities:
        able &= np.asarray([known >= set(preferences.modalities) for known in pool.modalities], dtype=bool)
    if preferences.tools:
        able &= pool.tools
    if preferences.region is not None:
        able &= np.asarray([preferences.region in known for known in pool.regions], dtype=bool)
    return able


def readable(context_length: np.ndarray, tokens_in: np.ndarray) -> np.ndarray:
    """Return which candidates read which prompts whole, boolean (n, m); an unknown context length counts as enough.

    Args:
        context_length: In tokens (m,), NaN where unknown.
        tokens_in: How long the prompts are in tokens, (n,).
    """
    return np.asarray(~(context_length < tokens_in[:, None]))


def within(cost: np.ndarray, max_cost_usd: float) -> np.ndarray:
    """Return which costs are within a limit, boolean of the same shape; an unknown one is not.

    Both are compared as float32, in which costs are served: an expected cost that a client saw is within itself.
    """
    return np.asarray(cost.astype(np.float32) <= np.float32(max_cost_usd))


def _require_some(allowed: np.ndarray, fault: str) -> None:
    without = np.flatnonzero(~allowed.any(axis=1))
    if len(without):
        raise InputError(f"prompt {without[0]} {fault}")
