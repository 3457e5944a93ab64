"""Which releases a catalogue holds that the champion does not know yet, and which are due to be worked on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from modelsat.data.aliases import Roster
from modelsat.io import storage
from modelsat.onboarding.asking import keys
from modelsat.onboarding.releases import ledger, refusals
from modelsat.onboarding.releases import retraining as retraining_policy
from modelsat.onboarding.releases.ledger import Lease, Release
from modelsat.onboarding.releases.retraining import Onboarded, RetrainingDecision
from modelsat.onboarding.releases.states import ReleaseState

TRIES = 5
"""Attempts at one release or retraining before it is given up."""


@dataclass(frozen=True)
class Due:
    """A release that somebody now has the lease to work on.

    Attributes:
        release: Which one.
        lease: The right to work on it.
        row: Digest of the catalogue row that counts for it, "" where there is none.
        budget_usd: What its test may cost; 0 sets no limit.
    """

    release: Release
    lease: Lease
    row: str = ""
    budget_usd: float = 0.0


@dataclass(frozen=True)
class ListedCandidates:
    """The catalogue beside the champion's candidates, names resolved once.

    Attributes:
        rows: The catalogue's rows by name.
        names: The catalogue's own names.
        champion: The champion's rows by name.
        known_as: The champion's name by the catalogue's, for candidates that it routes to.
    """

    rows: Mapping[str, dict[str, Any]]
    names: Roster
    champion: Mapping[str, dict[str, Any]]
    known_as: Mapping[str, str]

    @classmethod
    def of(cls, catalogue: pa.Table, champion: pa.Table) -> "ListedCandidates":
        """Resolve the names in both, tables of the contract `CANDIDATES`."""
        return cls(
            {row["candidate"]: row for row in catalogue.to_pylist()},
            Roster.of(catalogue),
            {row["candidate"]: row for row in champion.to_pylist()},
            Roster.of(champion).match(catalogue),
        )

    def without(self, names: Collection[str]) -> "ListedCandidates":
        """Return the same without some rows of the catalogue."""
        canonical = {name: row for name, row in self.names.canonical.items() if row not in names}
        rows = {name: row for name, row in self.rows.items() if name not in names}
        return replace(self, rows=rows, names=Roster(canonical))


def of(listed: ListedCandidates, source: str) -> list[Release]:
    """Return the releases that a catalogue announces: unknown candidates, and known ones with other prices.

    Args:
        listed: The catalogue and the champion's candidates.
        source: Where the catalogue is.
    """
    found = []
    for name, row in listed.rows.items():
        prices = _prices(row)
        if name not in listed.known_as:
            found.append(Release(name, row["revision"] or "", source=source))
        elif prices != (None, None) and prices != _prices(listed.champion[listed.known_as[name]]):
            found.append(Release(name, f"{prices[0]}/{prices[1]}", "reprice", source))
    return found


def waiting(listed: ListedCandidates, results: str, has_keys: bool) -> dict[str, str]:
    """Return the rows of unknown candidates that cannot be worked on yet, with a sentence on what each waits for.

    Args:
        listed: The catalogue and the champion's candidates.
        results: Folder or `s3://` prefix with results by candidate; "" for none.
        has_keys: Whether the keys of candidates are known here.
    """
    notes = {}
    for name, row in listed.rows.items():
        if name in listed.known_as or results_of(results, name):
            continue
        unset = keys.unset(row) if has_keys else ""
        if not row["endpoint"]:
            notes[name] = f"{name!r} has neither an endpoint nor results; add one of them"
            if row["published"]:
                notes[name] += f", or place it by its published scores alone (modelsat onboard {name})"
        elif unset:
            notes[name] = f"{name!r} waits: the environment variable {unset} is not set; it holds its key"
    return notes


def due(
    store: str,
    listed: ListedCandidates,
    worker: str,
    seconds: float,
    is_gone: Callable[[str], bool] = lambda _: False,
    most: int | None = None,
) -> tuple[list[Due], list[str]]:
    """Claim every announced release that can be worked on now.

    A release of another revision than the catalogue's is the catalogue's candidate; one that the champion knows by now
    has ended; one that the catalogue does not list waits for its row.

    Args:
        store: Of the release ledger.
        listed: The catalogue and the champion's candidates.
        worker: Who wants to work.
        seconds: Length of a lease.
        is_gone: Says of a worker whether it is certain that it will not come back.
        most: So many at most; None takes all.

    Returns:
        What is due, and sentences on what waits or was given up.
    """
    routed_to = {*listed.champion, *listed.known_as}
    claimed: list[Due] = []
    notes = []
    for state in ledger.states(store).values():
        if state.settled or state.is_retraining or (most is not None and len(claimed) >= most):
            continue
        release = ledger.release(store, state.key)
        name = listed.names.resolve(release.candidate) or release.candidate
        if release.action == "add" and name not in listed.rows and name not in routed_to:
            by = release.source or "somebody"
            notes.append(f"{name!r} is announced by {by} but not in the catalogue; add its row")
            continue
        row = refusals.content_digest(listed.rows[name]) if name in listed.rows else ""
        lease = ledger.claim(store, state, worker, seconds, is_gone=is_gone)
        if lease is None:
            continue
        if release.action == "add" and name in routed_to:
            ledger.settle(store, lease, ledger.ONBOARDED, f"{name!r} is routed to already")
        elif state.tries >= TRIES:
            sentence = f"{name!r} is given up after {TRIES} attempts; correct its row, or reopen it with --retry"
            ledger.settle(store, lease, ledger.GIVEN_UP, sentence, {refusals.ROW: row})
            notes.append(sentence)
        else:
            claimed.append(Due(replace(release, candidate=name), lease, row))
    return claimed, notes


@dataclass(frozen=True)
class Retraining:
    """A retraining that somebody now has the lease for, with the results of the releases in its snapshot."""

    lease: Lease
    snapshot: tuple[str, ...]
    sources: tuple[str, ...]


def retraining(
    store: str,
    worker: str,
    seconds: float,
    rules: retraining_policy.RetrainingRules,
    is_gone: Callable[[str], bool] = lambda _: False,
) -> tuple[Retraining | None, RetrainingDecision]:
    """Claim a retraining where the policy calls for one, or the one whose worker died; one at a time.

    Args:
        store: Of the release ledger.
        worker: Who wants to train.
        seconds: Length of the lease.
        rules: Of the policy.
        is_gone: Says of a worker whether it is certain that it will not come back.
    """
    found = ledger.states(store)
    trainings = [state for state in found.values() if state.is_retraining]
    releases = [ledger.release(store, state.key) for state in trainings]
    snapshots = [tuple(release.about["snapshot"]) for release in releases if release.about]
    last = trainings[-1] if trainings else None
    if last is not None and not last.settled:
        lease = ledger.claim(store, last, worker, seconds, is_gone=is_gone)
        if lease is None:
            return None, retraining_policy.decide(_waiting(store, found, snapshots), True, None, rules)
        if last.tries < TRIES:
            resumed = RetrainingDecision(True, f"attempt {lease.attempt} at retraining {last.key}", snapshots[-1])
            return Retraining(lease, snapshots[-1], _sources(store, snapshots[-1])), resumed
        ledger.settle(store, lease, ledger.FAILED, f"given up after {TRIES} attempts")
    since = _seconds_since(store, last.key) if last is not None else None
    decision = retraining_policy.decide(_waiting(store, found, snapshots), False, since, rules)
    if not decision.trains:
        return None, decision
    about = {"snapshot": list(decision.snapshot), "reason": decision.reason}
    wanted = Release("router", f"{len(trainings) + 1:06d}", ledger.RETRAIN, worker, about)
    if not ledger.announce(store, wanted):
        return None, RetrainingDecision(False, "another worker begins this retraining")
    lease = ledger.claim(store, ledger.states(store)[wanted.key], worker, seconds)
    if lease is None:
        return None, RetrainingDecision(False, "another worker begins this retraining")
    return Retraining(lease, decision.snapshot, _sources(store, decision.snapshot)), decision


def _waiting(store: str, found: dict[str, ReleaseState], snapshots: Sequence[tuple[str, ...]]) -> list[Onboarded]:
    trained = {key for snapshot in snapshots for key in snapshot}
    waiting = []
    for state in found.values():
        if state.settled and not state.is_retraining and state.key not in trained:
            facts = _facts(store, state.key)
            if facts is not None:
                waiting.append(Onboarded(state.key, facts.get("share", 0.0), facts.get("loss_bound", 0.0)))
    return waiting


def _facts(store: str, key: str) -> dict[str, Any] | None:
    ended = ledger.ending(store, key)
    is_new = ended is not None and ended["outcome"] == ledger.ONBOARDED and "answers" in ended["facts"]
    return ended["facts"] if ended is not None and is_new else None


def _sources(store: str, snapshot: Sequence[str]) -> tuple[str, ...]:
    told = [_facts(store, key) or {} for key in snapshot]
    return tuple(dict.fromkeys(uri for facts in told for uri in facts.get("answers", [])))


def _seconds_since(store: str, key: str) -> float:
    ended = ledger.ending(store, key) or {}
    ended_at = datetime.fromisoformat(str(ended.get("settled_at", datetime.now(UTC).isoformat())))
    return (datetime.now(UTC) - ended_at).total_seconds()


def _prices(row: dict[str, Any]) -> tuple[Any, Any]:
    return row["price_in"], row["price_out"]


def results_of(answers: str, candidate: str) -> list[str]:
    """Return the folder below `answers` that bears the candidate's name, where it holds files."""
    uri = storage.join(answers, candidate) if answers else ""
    return [uri] if uri and storage.names(uri) else []
