"""The watch on one machine: onboards releases one after another, then trains where the policy says so."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelsat.errors import (
    ConflictError,
    InputError,
    ModelsatError,
    ResourceError,
    ServiceError,
    UnsetVariable,
    ValidationFailed,
)
from modelsat.io.processes import is_gone, worker
from modelsat.onboarding.releases import ledger as release_ledger
from modelsat.onboarding.releases.due import Due
from modelsat.onboarding.releases.ledger import Lease
from modelsat.onboarding.releases.refusals import ROW
from modelsat.onboarding.releases.retraining import RetrainingRules
from modelsat.steps import estimate, watch
from pipelines import local, one_candidate, services
from pipelines.whole_loop import arguments, say


@dataclass(frozen=True)
class Watch:
    """What is watched, and how.

    Attributes:
        folder: Folder of `modelsat run`.
        catalogue: Catalogue of candidates.
        ledger: Folder or `s3://` prefix of the release ledger.
        results: Folder or `s3://` prefix with results by candidate; "" asks every candidate's endpoint.
        lease_seconds: Longer than any onboarding or training takes.
        choices: Parameters of the onboard pipeline that differ from their defaults.
        rules: When to train; None never trains.
        recipe: Training recipe.
        budget_usd: What the tests of one look may cost, all releases together; 0 sets no limit.
    """

    folder: Path
    catalogue: str
    ledger: str
    results: str = ""
    lease_seconds: float = 4 * 3600.0
    choices: Mapping[str, Any] | None = None
    rules: RetrainingRules | None = field(default_factory=RetrainingRules)
    recipe: str = "auto"
    budget_usd: float = 0.0

    def run(self, every: float, once: bool) -> None:
        """Look again and again; a look that fails is reported, and the next one comes.

        Args:
            every: Seconds from one look to the next, above 0.
            once: Whether to look once and end.

        Raises:
            ModelsatError: The only look failed.
        """
        while True:
            try:
                self.look()
            except ModelsatError as error:
                if once:
                    raise
                say(f"{_clock()} the look failed, the next one comes in {every:.0f} s: {error}")
            if once:
                return
            time.sleep(every)

    def look(self) -> None:
        """Announce what is new, onboard what is due, then train where that is called for."""
        found = watch.look(
            self.catalogue,
            self.results,
            self.ledger,
            self._champions,
            worker(),
            self.lease_seconds,
            is_gone=is_gone,
            has_keys=True,
            allowance=self._allowance(),
        )
        for release in found.new:
            say(f"{_clock()} new: {release.action} {release.candidate} {release.revision}".rstrip())
        for note in found.notes:
            say(f"{_clock()} {note}")
        for due, scores in found.due:
            self._onboard(due, scores)
        if self.rules is not None:
            self._train(self.rules)

    def _allowance(self) -> watch.Allowance | None:
        if not self.budget_usd:
            return None
        return watch.Allowance(self.budget_usd, estimate.settings(self.choices or {}), self.folder / "work")

    @property
    def _champions(self) -> str:
        return str(self.folder / "champions")

    def _onboard(self, one: Due, scores: list[str]) -> None:
        name, attempt = one.release.candidate, one.lease.attempt
        say(f"{_clock()} {one.release.action} {name}, attempt {attempt}")
        choices = {
            "action": one.release.action,
            "catalogue": self.catalogue,
            "answer_scores": scores,
            **(self.choices or {}),
            **({"ask_budget_usd": one.budget_usd} if one.budget_usd else {}),
        }
        try:
            say(f"{_clock()} {one_candidate.estimate(self.folder, name, choices).sentence()}")
            tracking_uri = services.mlflow(self.folder).url
            outcome = one_candidate.pipeline(self.folder, name, choices, tracking_uri)
        except (UnsetVariable, ServiceError, ResourceError) as error:
            self._wait(one.lease, str(error))
        except (InputError, ValidationFailed) as error:
            if watch.is_as_it_was(self.catalogue, one):
                self._settle(one, release_ledger.REFUSED, str(error))
            else:
                self._wait(one.lease, f"the catalogue changed in between: {error}")
        except ModelsatError as error:
            self._failed(one.lease, str(error))
        else:
            in_place = outcome.promoted or not outcome.result
            ending = release_ledger.ONBOARDED if in_place else release_ledger.REFUSED
            self._settle(one, ending, outcome.sentence, outcome)

    def _settle(
        self, one: Due, ending: str, sentence: str, outcome: one_candidate.OnboardingOutcome | None = None
    ) -> None:
        facts: dict[str, Any] = {} if ending == release_ledger.ONBOARDED else {ROW: one.row}
        if outcome is not None and outcome.result and one.release.action == "add":
            metrics = outcome.result["metrics"]
            facts |= {
                "share": metrics["share_of_traffic"],
                "loss_bound": metrics.get("loss_bound", 0.0),
                "answers": list(outcome.sources),
            }
        self._end(one.lease, ending, sentence, facts)

    def _failed(self, lease: Lease, reason: str) -> None:
        wait = release_ledger.backoff(lease.attempt)
        soon = f"the next one comes in {wait.total_seconds():.0f} s at the earliest"
        say(f"{_clock()} attempt {lease.attempt} failed, {soon}: {reason}")
        release_ledger.fail(self.ledger, lease, reason, datetime.now(UTC) + wait)

    def _wait(self, lease: Lease, reason: str) -> None:
        """Let a release wait for something outside of it, as long as that takes: this is no try that failed."""
        pause = release_ledger.backoff(lease.attempt)
        say(f"{_clock()} waits, to be tried again in {pause.total_seconds():.0f} s at the earliest: {reason}")
        release_ledger.wait(self.ledger, lease, reason, datetime.now(UTC) + pause)

    def _end(self, lease: Lease, ending: str, sentence: str, facts: Mapping[str, Any]) -> None:
        try:
            release_ledger.settle(self.ledger, lease, ending, sentence, facts)
        except ConflictError as error:
            say(f"{_clock()} {error}")
        else:
            say(f"{_clock()} {ending}: {sentence}")

    def _train(self, rules: RetrainingRules) -> None:
        planned = watch.plan(self.ledger, self._champions, rules, worker(), self.lease_seconds, is_gone)
        say(f"{_clock()} {planned.sentence}")
        if not planned.trains:
            return
        lease = Lease(planned.key, planned.attempt, worker(), datetime.now(UTC))
        try:
            tracking_uri = services.mlflow(self.folder).url
            local.run(self.folder, arguments(self.folder, planned.sources, self.recipe, 1, tracking_uri))
        except (ServiceError, ResourceError) as error:
            self._wait(lease, str(error))
        except ModelsatError as error:
            self._failed(lease, str(error))
        else:
            self._end(lease, release_ledger.RETRAINED, f"trained on {len(planned.sources)} sources", {})


def _clock() -> str:
    return datetime.now(UTC).strftime("%H:%M:%S")
