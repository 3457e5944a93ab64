"""The headers in which the gateway tells its decision."""

from collections.abc import Mapping, Sequence
from typing import Any

from serving.gateway.decision import FALLBACK, RoutingDecision

MODEL, OUTCOME, REASON = "x-modelsat-selected-model", "x-modelsat-outcome", "x-modelsat-reason"
_SHOWN = 8


def of_decision(
    decision: RoutingDecision,
    candidate: str,
    failures: Sequence[tuple[str, str]] = (),
    milliseconds: float | None = None,
) -> dict[str, str]:
    """Return what the gateway says of its decision.

    Args:
        decision: The decision.
        candidate: Who answers in the end.
        failures: Candidates tried before, each with its fault.
        milliseconds: Time to the decision; with it come the first few ranked candidates, None leaves both out.
    """
    probabilities = {row["candidate"]: row["success_probability"] for row in decision.ranked}
    reasons = [decision.reason, *(f"{name}: {fault}" for name, fault in failures)]
    found = {
        MODEL: candidate,
        OUTCOME: FALLBACK if failures else decision.outcome,
        "x-modelsat-router-version": decision.router_version,
        "x-modelsat-success-probability": _number(probabilities.get(candidate)),
        "x-modelsat-foreign": _number(decision.foreign),
        "x-modelsat-pictures": decision.pictures,
        REASON: "; ".join(filter(None, reasons)),
    }
    if milliseconds is not None:
        found["x-modelsat-candidates"] = ", ".join(_shown(row) for row in decision.ranked[:_SHOWN])
        found["x-modelsat-routing-milliseconds"] = f"{milliseconds:.1f}"
    return {name: value for name, value in found.items() if value}


def _shown(row: Mapping[str, Any]) -> str:
    return (
        f"{row['candidate']};success={_number(row['success_probability']) or '-'}"
        f";usd={_number(row['expected_cost_usd']) or '-'}"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
