"""What an onboarding would do and cost, before anything is asked or written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat.bundle import opening
from modelsat.onboarding import asked
from modelsat.onboarding import order as orders
from modelsat.onboarding.asking import AskingSettings, Plan, keys
from modelsat.onboarding.change import Action
from modelsat.onboarding.order import Order
from modelsat.reports import asked as shown


@dataclass(frozen=True)
class OnboardingEstimate:
    """What is left to do, and what asking costs.

    Attributes:
        order: The change and the champion that it starts from.
        plan: Questions and cost; None where nothing is asked.
        unset: Variable that has to be set before anything can be asked; empty for none.
        by_published: Whether published scores alone place the candidate.
    """

    order: Order
    plan: Plan | None
    unset: str = ""
    by_published: bool = False

    def sentence(self) -> str:
        """Say it in one sentence."""
        if self.order.done:
            return f"nothing to do: {self.order.done}"
        if self.plan is None:
            alone = ": its row has no endpoint, so its published scores alone place it" if self.by_published else ""
            return f"{self.order.sentence()}; no question is asked{alone}"
        lacking = [f"{self.unset}, which holds the key, is not set"] if self.unset else []
        lacking += [] if self.order.facts.get("endpoint") else ["nobody can be asked before its row has an endpoint"]
        return "; ".join([shown.announced(self.order.change.candidate, self.plan), *lacking])

    def require_key(self) -> None:
        """Refuse to begin what the step that asks would refuse.

        Raises:
            UnsetVariable: The variable that holds the candidate's key is not set.
        """
        if self.unset:
            keys.required({**self.order.facts, "candidate": self.order.change.candidate})

    def facts(self) -> dict[str, Any]:
        """Return what a program reads."""
        told: dict[str, Any] = {
            "candidate": self.order.change.candidate,
            "action": self.order.change.action,
            "epoch": self.order.epoch,
            "done": self.order.done,
            "asks": self.plan is not None,
        }
        if self.plan is None:
            return told
        cost = self.plan.estimate
        return told | {
            "questions": self.plan.questions,
            "answered": self.plan.answered,
            "tokens_in": cost.tokens_in,
            "usd": cost.usd,
            "usd_most": cost.usd_most,
            "unset_variable": self.unset or None,
        }


def of(
    candidate: str,
    action: str,
    catalogue: str,
    scores: Sequence[str],
    champion_store: str,
    settings: AskingSettings,
    work: Path,
) -> OnboardingEstimate:
    """Estimate; call nobody and write nothing.

    Args:
        candidate: As of `order.place`, like the next two.
        action: Likewise.
        catalogue: Likewise.
        scores: Folders or `s3://` prefixes with results; empty asks the candidate.
        champion_store: Champion records.
        settings: How to ask.
        work: Folder where an interrupted test goes on.

    Raises:
        InputError: There is no champion, no such candidate, or it cannot be asked.
    """
    order = orders.place(candidate, action, catalogue, champion_store)
    needs = not order.done and not scores and order.change.action is Action.ADD
    by_published = needs and asked.is_known_by_published(order, settings)
    if not needs or by_published:
        return OnboardingEstimate(order, None, by_published=by_published)
    with opening.opened_champion(order, with_router=False) as parent:
        row = {**order.facts, "candidate": order.change.candidate}
        return OnboardingEstimate(order, asked.plan(parent, order, settings, work), keys.unset(row))


def settings(parameters: Mapping[str, Any]) -> AskingSettings:
    """Return how to ask by the parameters of the onboard pipeline; what is 0 or empty there is not set.

    Args:
        parameters: Those whose names begin with `ask_` are read.
    """
    chosen = {name.removeprefix("ask_"): value for name, value in parameters.items() if name.startswith("ask_")}
    return AskingSettings(**{name: value for name, value in chosen.items() if value and name != "work_root"})
