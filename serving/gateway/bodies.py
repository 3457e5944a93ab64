"""The bodies of what the gateway answers itself: a decision, and the list of models."""

from collections.abc import Sequence
from typing import Any

from serving.gateway.decision import RoutingDecision


def of_decision(decision: RoutingDecision) -> dict[str, Any]:
    """Return a decision as JSON."""
    answer = {
        "object": "modelsat.decision",
        "model": decision.order[0],
        "outcome": decision.outcome,
        "reason": decision.reason or None,
        "router_version": decision.router_version or None,
        "foreign": decision.foreign,
        **({"pictures": decision.pictures} if decision.pictures else {}),
        "order": decision.order,
        "candidates": decision.ranked,
        **({"promise": decision.promise.as_json()} if decision.promise else {}),
    }
    return answer | ({"explanation": decision.explanation} if decision.explanation else {})


def of_models(names: Sequence[str], is_anthropic: bool) -> dict[str, Any]:
    """Return a list of models as OpenAI's protocol has it, or Anthropic's."""
    if is_anthropic:
        since = "1970-01-01T00:00:00Z"
        told = [{"type": "model", "id": name, "display_name": name, "created_at": since} for name in names]
        return {"data": told, "first_id": names[0], "last_id": names[-1], "has_more": False}
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "modelsat"} for name in names]
    return {"object": "list", "data": rows}
