"""What an answer cost, and what it had cost at the best single candidate."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelsat.policy.costs import tokens_in
from modelsat.text.conversation import routed_text
from serving.gateway.catalogue import CandidateFacts
from serving.gateway.decision import RoutingDecision
from serving.gateway.usage import Usage


def paid(candidate: str, usage: Usage, facts: Mapping[str, CandidateFacts]) -> float | None:
    """Return what an answer cost in USD: as its provider charged, else at list prices; None where neither is known."""
    return facts.get(candidate, CandidateFacts()).prices.paid(usage)


def at_best_single(
    candidate: str,
    decision: RoutingDecision,
    messages: Sequence[Mapping[str, Any]],
    usage: Usage,
    facts: Mapping[str, CandidateFacts],
) -> float | None:
    """Return what an answer had cost at the best single candidate, in USD; None where that is not known.

    Where it gave the answer itself, that is what was paid. Else its answer is taken to be as long as the router
    expects; the prompt is the one that was sent, history included.

    Args:
        candidate: Who answered.
        decision: With what the router expected.
        messages: Of the conversation.
        usage: Of the answer that was given.
        facts: Of the candidates.
    """
    if candidate == decision.best_single:
        return paid(candidate, usage, facts)
    expected = next(
        (row["expected_cost_usd"] for row in decision.ranked if row["candidate"] == decision.best_single), None
    )
    price_in = facts.get(decision.best_single, CandidateFacts()).prices.price_in
    if expected is None or price_in is None:
        return None
    read = float(tokens_in([routed_text(messages)])[0])
    return max(float(expected) + (usage.tokens_in - read) * price_in / 1e6, 0.0)
