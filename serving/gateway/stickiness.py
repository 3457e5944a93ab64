"""Stickiness: a conversation stays with the candidate that answered it, unless another one promises enough more.

A switch costs what no benchmark shows: the upstream's cache of the conversation, which `modelsat.policy.switching`
counts where prices are known, and an answer in another voice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelsat.policy import switching
from modelsat.policy.preferences import Preferences
from serving.gateway.turn_costs import expected

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
        ranked: Rows of `modelsat.bundle.ranking.rows`, by falling utility, with the costs of a turn where they are
            known (`turn_costs.with_history`); at least one.
        previous: Who answered the conversation last; None for a new one.
        preferences: With which they were ranked.
        switch_gain: Utility by which the first has to beat `previous`, in [0, 1].
        awaits_tool: Whether the last message answers a tool call of `previous`; then the conversation always stays.
    """
    names = [str(row["candidate"]) for row in ranked]
    if previous not in names:
        return names
    probability, cost = (
        np.asarray([np.nan if value is None else value for value in values], dtype=np.float64)
        for values in ([row["success_probability"] for row in ranked], [expected(row) for row in ranked])
    )
    if awaits_tool or switching.stays(probability, cost, names.index(previous), 0, preferences, switch_gain):
        return [previous, *(name for name in names if name != previous)]
    return names
