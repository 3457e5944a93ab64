"""Stickiness: a conversation stays with the candidate that answered it, unless another one promises enough more.

A switch costs what no benchmark shows: the upstream's cache of the conversation, and an answer in another voice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelsat.policy import choice
from modelsat.policy.preferences import CHEAPEST, Preferences

SWITCH_GAIN = 0.05
"""Utility that another candidate has to promise more; the evidence is in docs/adr/0008."""


def order(
    ranked: Sequence[Mapping[str, Any]],
    previous: str | None,
    preferences: Preferences = Preferences(),
    switch_gain: float = SWITCH_GAIN,
    awaits_tool: bool = False,
) -> list[str]:
    """Return the candidates in the order in which they are tried.

    Args:
        ranked: Rows of `modelsat.bundle.ranking.rows`, by falling utility; at least one.
        previous: Who answered the conversation last; None for a new one.
        preferences: With which they were ranked; where the cheapest is wanted, only a tool keeps a conversation.
        switch_gain: Utility by which the first has to beat `previous`, in [0, 1].
        awaits_tool: Whether the last message answers a tool call of `previous`; then the conversation always stays.
    """
    names = [str(row["candidate"]) for row in ranked]
    if previous not in names:
        return names
    probability, cost = (
        np.asarray([[np.nan if row[name] is None else row[name] for row in ranked]], dtype=np.float64)
        for name in ("success_probability", "expected_cost_usd")
    )
    utility = choice.utility(probability, cost, preferences.cost_weight or 0.0)[0]
    gains = utility[0] - utility[names.index(previous)] > switch_gain
    if not awaits_tool and (gains or preferences.policy == CHEAPEST):
        return names
    return [previous, *(name for name in names if name != previous)]


def awaits_tool(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the last message is the result of a tool that the candidate called."""
    return messages[-1].get("role") in ("tool", "function")
