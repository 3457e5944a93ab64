"""One look for releases, as the watch makes it: what is new, what is due, whether to train."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from modelsat.bundle import champions, opening
from modelsat.data import catalogue
from modelsat.errors import InputError
from modelsat.onboarding.asking import AskingSettings
from modelsat.onboarding.change import ANSWERS_AT
from modelsat.onboarding.releases import due as releases
from modelsat.onboarding.releases import ledger as release_ledger
from modelsat.onboarding.releases import listing as listings
from modelsat.onboarding.releases import refusals
from modelsat.onboarding.releases.allowance import shares
from modelsat.onboarding.releases.due import Due, ListedCandidates
from modelsat.onboarding.releases.ledger import Lease, Release
from modelsat.onboarding.releases.listing import ListedRelease
from modelsat.onboarding.releases.retraining import RetrainingRules
from modelsat.steps import estimate


@dataclass(frozen=True)
class Allowance:
    """A budget for the tests of one look.

    Attributes:
        budget_usd: For all releases together, above 0.
        settings: How candidates are asked, by which their tests are estimated.
        work: Folder where interrupted tests go on, whose answers are paid for already.
    """

    budget_usd: float
    settings: AskingSettings
    work: Path = Path("work")


@dataclass(frozen=True)
class FoundReleases:
    """What a look found: releases that are new in the ledger, those that are due with their results, and remarks."""

    new: tuple[Release, ...]
    due: tuple[tuple[Due, list[str]], ...]
    notes: tuple[str, ...]

    def as_parameters(self) -> list[dict[str, Any]]:
        """Return what is due as a pipeline takes it."""
        return [
            {
                "candidate": one.release.candidate,
                "action": one.release.action,
                "scores": scores,
                "key": one.lease.key,
                "attempt": one.lease.attempt,
                "budget_usd": one.budget_usd,
            }
            for one, scores in self.due
        ]

    def page(self) -> str:
        """Return what was found as Markdown."""
        due = [
            f"- {one.release.action} **{one.release.candidate}**, attempt {one.lease.attempt}" for one, _ in self.due
        ]
        return "\n".join([f"**{len(due)} due**, {len(self.new)} new", "", *due, *(f"- {note}" for note in self.notes)])


@dataclass(frozen=True)
class PlannedRetraining:
    """Whether to train, on which results, under which key and attempt of the ledger, and why."""

    trains: bool
    sources: list[str]
    key: str
    attempt: int
    sentence: str


def look(
    catalogue_uri: str,
    results: str,
    ledger: str,
    champion_store: str,
    worker: str,
    lease_seconds: float,
    most: int | None = None,
    is_gone: Callable[[str], bool] = lambda _: False,
    has_keys: bool = False,
    allowance: Allowance | None = None,
) -> FoundReleases:
    """Announce what is new and take the leases of what is due; what is broken stops nobody else.

    Args:
        catalogue_uri: Catalogue of candidates.
        results: Folder or `s3://` prefix with results by candidate; "" for none.
        ledger: Of the releases.
        champion_store: Champion records.
        worker: Who looks.
        lease_seconds: Longer than an onboarding takes.
        most: So many releases at most; None takes all.
        is_gone: Says of a worker whether it is certain that it will not come back.
        has_keys: Whether this process asks itself: then a candidate whose key is not set waits for it.
        allowance: What asking may cost, all releases together; None sets no limit.

    Raises:
        InputError: There is no champion, or no catalogue.
        ServiceError: A store does not answer.
    """
    with opening.opened_champion(champions.required(champion_store), with_router=False) as champion:
        table, faults = catalogue.usable(catalogue_uri)
        listed = ListedCandidates.of(table, champion.candidates)
    waiting = releases.waiting(listed, results, has_keys)
    listed = listed.without(waiting)
    announced = releases.of(listed, catalogue_uri)
    new = [release for release in announced if release_ledger.announce(ledger, release)]
    reopened = refusals.reopen_changed(ledger, announced, listed.rows)
    due, notes = releases.due(ledger, listed, worker, lease_seconds, is_gone, most)
    again = [f"{release.candidate!r} is tried again: its catalogue row has changed" for release in reopened]
    with_scores = [(one, _scores(results, one.release)) for one in due]
    too_dear: list[str] = []
    if allowance is not None:
        with_scores, too_dear = _within(allowance, with_scores, catalogue_uri, ledger, champion_store)
    return FoundReleases(tuple(new), tuple(with_scores), (*faults, *waiting.values(), *again, *notes, *too_dear))


def _within(
    allowance: Allowance, due: Sequence[tuple[Due, list[str]]], catalogue_uri: str, ledger: str, champion_store: str
) -> tuple[list[tuple[Due, list[str]]], list[str]]:
    """Return what may begin within the budget, each with its share, and a sentence on what waits for the next look."""
    plans = []
    for one, scores in due:
        try:
            wanted = (one.release.candidate, one.release.action, catalogue_uri, scores, champion_store)
            plans.append(estimate.of(*wanted, allowance.settings, allowance.work).plan)
        except InputError:
            # The onboarding itself says why it cannot begin, and the ledger keeps that.
            plans.append(None)
    begun, notes = [], []
    for (one, scores), share in zip(due, shares(allowance.budget_usd, plans), strict=True):
        if share.waits:
            release_ledger.wait(ledger, one.lease, share.waits, datetime.now(UTC))
            notes.append(f"{one.release.candidate!r} waits for the next look: {share.waits}")
        else:
            begun.append((replace(one, budget_usd=share.usd), scores))
    return begun, notes


def is_as_it_was(catalogue_uri: str, one: Due) -> bool:
    """Say whether the row of a release has the content with which it was taken on: only then can it be refused."""
    if not one.row:
        return True
    try:
        return refusals.content_digest(catalogue.row(catalogue_uri, one.release.candidate)) == one.row
    except InputError:
        return False


def listing(
    ledger: str, catalogue_uri: str, results: str, champion_store: str
) -> tuple[list[ListedRelease], list[str]]:
    """Return what became of every release, and a sentence per row of the catalogue that cannot be used.

    Args:
        ledger: Of the releases.
        catalogue_uri: Catalogue of candidates; "" lists the ledger alone.
        results: As of `look`.
        champion_store: Champion records; there may be none where there is no catalogue.

    Raises:
        InputError: There is no catalogue, or no champion beside it.
    """
    listed = listings.of_ledger(ledger)
    if not catalogue_uri:
        serving = champions.current(champion_store) if champion_store and listed else None
        if serving is None:
            return listed, []
        with opening.opened_champion(serving, with_router=False) as champion:
            return listings.with_champion(listed, champion.candidates), []
    with opening.opened_champion(champions.required(champion_store), with_router=False) as champion:
        table, faults = catalogue.usable(catalogue_uri)
        candidates = ListedCandidates.of(table, champion.candidates)
        listed = listings.with_champion(listed, champion.candidates)
    waiting = releases.waiting(candidates, results, has_keys=True)
    announced = releases.of(candidates.without(waiting), catalogue_uri)
    return listings.with_catalogue(listed, ledger, announced, waiting, candidates.rows), faults


def plan(
    ledger: str,
    champion_store: str,
    rules: RetrainingRules,
    worker: str,
    lease_seconds: float,
    is_gone: Callable[[str], bool] = lambda _: False,
) -> PlannedRetraining:
    """Ask the policy whether to train, and take the lease where it says so.

    Args:
        ledger: Of the releases.
        champion_store: Champion records.
        rules: Of the policy.
        worker: Who would train.
        lease_seconds: Longer than a training takes.
        is_gone: As of `look`.
    """
    training, decision = releases.retraining(ledger, worker, lease_seconds, rules, is_gone)
    if training is None:
        return PlannedRetraining(False, [], "", 0, decision.reason)
    with opening.opened_champion(champions.required(champion_store), with_router=False) as champion:
        lineage = champion.lineage
    # A run that was killed between promotion and ledger is known by the champion alone.
    answers = chain.from_iterable(lineage.get(ANSWERS_AT, {}).values())
    sources = dict.fromkeys([*lineage.get("sources", []), *answers, *training.sources])
    return PlannedRetraining(True, list(sources), training.lease.key, training.lease.attempt, decision.reason)


def settle(ledger: str, key: str, attempt: int, worker: str, outcome: str, answers: Sequence[str]) -> None:
    """End a release or a retraining that went well.

    Raises:
        ConflictError: Another worker took it over meanwhile, or has settled it.
    """
    lease = Lease(key, attempt, worker, datetime.now(UTC))
    facts: Mapping[str, Any] = {"answers": list(answers)} if outcome == release_ledger.ONBOARDED else {}
    release_ledger.settle(ledger, lease, outcome, f"{outcome} by {worker}", facts)


def _scores(results: str, release: Release) -> list[str]:
    return releases.results_of(results, release.candidate) if release.action == "add" else []
