"""What became of every release: due, waiting, in work, onboarded, refused, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from modelsat.data.aliases import Roster
from modelsat.onboarding.releases import ledger, refusals
from modelsat.onboarding.releases.ledger import Release
from modelsat.onboarding.releases.states import ReleaseState

DUE, WAITING, IN_WORK = "due", "waiting", "in work"


@dataclass(frozen=True)
class ListedRelease:
    """One release, or one retraining.

    Attributes:
        candidate: Name; "router" for a retraining.
        action: add, remove, reprice or retrain.
        revision: Which revision; "" where it has none.
        status: due, waiting, in work, onboarded, refused, given up, retrained or failed.
        reason: Why, one sentence; "" where nothing is to be said.
        attempts: How many were begun.
        at: When it ended or was announced, or when it may be tried again; UTC in ISO 8601, "" where unknown.
        source: Who announced it.
        key: In the ledger, "" where it is not there yet.
    """

    candidate: str
    action: str
    revision: str
    status: str
    reason: str
    attempts: int
    at: str
    source: str
    key: str


def of_ledger(store: str, now: datetime | None = None) -> list[ListedRelease]:
    """Return what became of every announced release, in the order of names.

    Args:
        store: Of the release ledger.
        now: UTC time.
    """
    now = now or datetime.now(UTC)
    listed = []
    for state in ledger.states(store).values():
        release = ledger.release(store, state.key)
        status, reason, at = _status(store, state, now)
        listed.append(
            ListedRelease(
                release.candidate,
                release.action,
                release.revision,
                status,
                reason,
                state.attempts,
                at,
                release.source,
                state.key,
            )
        )
    return sorted(listed, key=lambda one: (one.action == ledger.RETRAIN, one.candidate, one.revision))


def with_catalogue(
    listed: Sequence[ListedRelease],
    store: str,
    announced: Sequence[Release],
    waiting: Mapping[str, str],
    rows: Mapping[str, Mapping[str, Any]],
) -> list[ListedRelease]:
    """Add what the catalogue says now: releases that no look has announced yet, rows that wait, rows that changed.

    Args:
        listed: As of `of_ledger`.
        store: Of the release ledger.
        announced: What the catalogue announces, without the rows that wait.
        waiting: A sentence on what each waiting row waits for, by candidate.
        rows: The catalogue's rows by name.
    """
    by_key = {one.key: one for one in listed}
    found = list(listed)
    for release in announced:
        known = by_key.get(release.key)
        if known is None:
            found.append(_new(release, DUE, ""))
        elif refusals.is_changed(ledger.ending(store, release.key), rows[release.candidate]):
            found[found.index(known)] = _new(release, DUE, "its catalogue row has changed", known)
    for name, reason in waiting.items():
        release = Release(name, str(rows[name]["revision"] or ""))
        known = by_key.get(release.key)
        if known is None:
            found.append(_new(release, WAITING, reason))
        elif known.status in (DUE, WAITING):
            found[found.index(known)] = _new(release, WAITING, reason, known)
    return found


def with_champion(listed: Sequence[ListedRelease], candidates: pa.Table) -> list[ListedRelease]:
    """Say of releases that are not worked on whether the router has them by now, as after an onboarding by hand.

    The next look closes those that are open; a refusal stays in the ledger as it was.

    Args:
        listed: As of `of_ledger`.
        candidates: The champion's, a table of the contract `CANDIDATES`.
    """
    roster = Roster.of(candidates)
    prices = {row["candidate"]: f"{row['price_in']}/{row['price_out']}" for row in candidates.to_pylist()}

    def is_served(one: ListedRelease) -> bool:
        name = roster.resolve(one.candidate)
        if name is None or one.status in (IN_WORK, ledger.ONBOARDED):
            return False
        return one.action == "add" or (one.action == "reprice" and one.revision == prices[name])

    return [
        replace(one, status=ledger.ONBOARDED, reason="the router has it already") if is_served(one) else one
        for one in listed
    ]


def _new(release: Release, status: str, reason: str, known: ListedRelease | None = None) -> ListedRelease:
    attempts, at, key = (0, "", "") if known is None else (known.attempts, known.at, known.key)
    return ListedRelease(
        release.candidate, release.action, release.revision, status, reason, attempts, at, release.source, key
    )


def _status(store: str, state: ReleaseState, now: datetime) -> tuple[str, str, str]:
    """Return status, reason and time."""
    if state.settled:
        ended = ledger.ending(store, state.key) or {}
        return str(ended.get("outcome", "")), str(ended.get("sentence", "")), str(ended.get("settled_at", ""))
    pause = ledger.pause(store, state)
    if pause is not None:
        is_early = now < datetime.fromisoformat(pause["retry_at"])
        return WAITING if is_early else DUE, str(pause["reason"]), str(pause["retry_at"])
    begun = ledger.attempt(store, state)
    if begun is not None and now < datetime.fromisoformat(begun["until"]):
        return IN_WORK, f"by {begun['worker']}", str(begun["until"])
    return DUE, "" if begun is None else f"the lease of {begun['worker']} is over", ""
