"""The verdict of the gate on a challenger, and the sentence that people read."""

from dataclasses import dataclass
from enum import StrEnum

from modelsat.statistics import Interval


class GateOutcome(StrEnum):
    """What the gate decided."""

    PROMOTED = "promoted"
    KEPT = "kept"
    DO_NOT_ROUTE = "do not route"


@dataclass(frozen=True)
class GateVerdict:
    """The decision with its reasons.

    Attributes:
        outcome: Promoted, kept or do not route.
        reason: One sentence for a person.
        against: What the challenger was compared with.
        gain: Accuracy of the challenger minus that of its opponent, with the two-sided 95 % interval.
        saving: Share of the opponent's cost that is saved, None where costs are unknown.
        prompts: How many held-out prompts decided: those on which both choices can be judged.
        warning: What a person should look at although it refuses nothing; "" for nothing.
    """

    outcome: GateOutcome
    reason: str
    against: str
    gain: Interval
    saving: float | None
    prompts: int
    warning: str = ""


def sentence(verdict: GateVerdict) -> str:
    """Return the verdict as one sentence."""
    lead = {
        GateOutcome.PROMOTED: "The challenger is promoted",
        GateOutcome.KEPT: "The champion is kept",
        GateOutcome.DO_NOT_ROUTE: "The advice is not to route, the best single candidate answers everything",
    }[verdict.outcome]
    return f"{lead}: {verdict.reason}."
