"""What an answer cost, and what it had cost at the best single candidate."""

from collections.abc import Mapping

from modelsat.policy.costs import tokens_in
from serving.gateway.catalogue import CandidateFacts
from serving.gateway.decision import RoutingDecision
from serving.gateway.usage import Usage


def paid(candidate: str, usage: Usage, facts: Mapping[str, CandidateFacts]) -> float | None:
    """Return what an answer cost in USD: as its provider charged, else at list prices; None where neither is known."""
    return facts.get(candidate, CandidateFacts()).prices.paid(usage)


def at_best_single(
    candidate: str,
    decision: RoutingDecision,
    usage: Usage,
    facts: Mapping[str, CandidateFacts],
) -> float | None:
    """Return what an answer had cost at the best single candidate, in USD; None where that is not known.

    Where it gave the answer itself, that is what was paid. Else its answer is taken to be as long as the router
    expects; the prompt is the one that was sent, history included, and as much of it would have come from its cache.

    Args:
        candidate: Who answered.
        decision: With what the router expected.
        usage: Of the answer that was given.
        facts: Of the candidates.
    """
    if candidate == decision.best_single:
        return paid(candidate, usage, facts)
    expected = next(
        (row["expected_cost_usd"] for row in decision.ranked if row["candidate"] == decision.best_single), None
    )
    prices = facts.get(decision.best_single, CandidateFacts()).prices
    if expected is None or prices.price_in is None:
        return None
    cached_price = prices.price_in if prices.price_cached_in is None else prices.price_cached_in
    fresh = usage.tokens_in - usage.cached_in - float(tokens_in([decision.text])[0])
    return max(float(expected) + (fresh * prices.price_in + usage.cached_in * cached_price) / 1e6, 0.0)
