"""The release ledger: who announced which release, who works on it, and how it ended, each as an object made once.

Announcements come at least once, from feeds, webhooks and schedules alike. A release is a candidate in a revision;
all that happens to it are further objects beside its announcement, and of two writers of an object exactly one
succeeds (`If-None-Match: *` in S3, `O_EXCL` in a folder). However often a release is announced, it is worked on once:

    KEY.announced.json       candidate, revision, what is to be done, by whom it was announced
    KEY.attempt-001.json     who works on it, and until when nobody else does (the lease)
    KEY.failed-001.json      why that attempt failed, and when the next one may begin
    KEY.waiting-001.json     what that attempt waits for outside the release (a key, a server), and until when
    KEY.settled.json         how it ended: onboarded, refused or given up
    KEY.reopened-001.json    why it is worked on again after attempt 1; how it ends then is KEY.settled-001.json

A worker that is killed leaves an attempt without an end; when its lease is over the next attempt may begin. Whoever was
slow and comes back finds that its attempt is not the last one any more.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modelsat.errors import ConflictError, InputError
from modelsat.io import storage
from modelsat.onboarding.releases.states import RETRAINING, ReleaseState, settled_mark, stand
from modelsat.text import rendering

ONBOARDED, REFUSED, GIVEN_UP = "onboarded", "refused", "given up"
RETRAINED, FAILED = "retrained", "failed"
RETRAIN = "retrain"
"""Action of a retraining: its revision counts up, and its releases stand in `about`."""
_KEY_LENGTH = 20


@dataclass(frozen=True)
class Release:
    """What was announced.

    Attributes:
        candidate: Name of the candidate.
        revision: Which of its revisions; "" where it has none.
        action: add, remove or reprice.
        source: Who announced it.
        about: Anything else that the work needs.
    """

    candidate: str
    revision: str = ""
    action: str = "add"
    source: str = ""
    about: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """Return the same key for the same release, whoever announces it."""
        if self.action == RETRAIN:
            return f"{RETRAINING}{self.revision}"
        return rendering.digest(json.dumps([self.candidate, self.revision, self.action]))[:_KEY_LENGTH]


@dataclass(frozen=True)
class Lease:
    """The right to work on a release.

    Attributes:
        key: Of the release.
        attempt: 1 for the first try.
        worker: Whose right it is.
        until: When it ends, UTC.
    """

    key: str
    attempt: int
    worker: str
    until: datetime


def announce(store: str, release: Release) -> bool:
    """Put a release into the ledger; return whether it was new.

    Raises:
        ServiceError: The store cannot be written, or does not keep two writers apart.
    """
    return _create(store, f"{release.key}.announced", asdict(release) | {"announced_at": _text(_now())})


def states(store: str) -> dict[str, ReleaseState]:
    """Return where every release stands, by key in the order of the keys, from one listing."""
    return stand(storage.names(store))


def release(store: str, key: str) -> Release:
    """Return what was announced under a key.

    Raises:
        InputError: There is no such announcement, or it is damaged.
    """
    told = _read(store, f"{key}.announced", *Release.__dataclass_fields__)
    return Release(**{name: told[name] for name in Release.__dataclass_fields__})


def ending(store: str, key: str) -> dict[str, Any] | None:
    """Return how a release ended, None where it has not."""
    state = states(store).get(key)
    return _read(store, f"{key}.{settled_mark(state.reopened)}") if state is not None and state.settled else None


def pause(store: str, state: ReleaseState) -> dict[str, Any] | None:
    """Return why the last attempt ended and when the next may begin (`reason`, `retry_at`), None where it did not."""
    if not state.failed:
        return None
    kinds = (f"{state.key}.{kind}-{state.attempts:03d}" for kind in ("failed", "waiting"))
    names = storage.names(store)
    return next((_read(store, name, "retry_at") for name in kinds if f"{name}.json" in names), None)


def attempt(store: str, state: ReleaseState) -> dict[str, Any] | None:
    """Return the last attempt's `worker` and `until`, None where there was none since the release was reopened."""
    is_begun = state.attempts != (state.reopened or 0)
    return _read(store, f"{state.key}.attempt-{state.attempts:03d}", "worker", "until") if is_begun else None


def claim(
    store: str,
    state: ReleaseState,
    worker: str,
    seconds: float,
    now: datetime | None = None,
    is_gone: Callable[[str], bool] = lambda _: False,
) -> Lease | None:
    """Begin an attempt where nobody else works on the release; return None where somebody does or it is too early.

    Args:
        store: Of the ledger.
        state: Where the release stands.
        worker: Who wants to work on it.
        seconds: How long nobody else may, above 0; longer than the work takes.
        now: UTC time.
        is_gone: Says of a worker whether it is certain that it will not come back; then its lease is over at once.
    """
    now = now or _now()
    if state.settled or _is_taken(store, state, now, is_gone):
        return None
    lease = Lease(state.key, state.attempts + 1, worker, now + timedelta(seconds=seconds))
    told = {"worker": worker, "until": _text(lease.until)}
    return lease if _create(store, f"{state.key}.attempt-{lease.attempt:03d}", told) else None


def fail(store: str, lease: Lease, reason: str, retry_at: datetime) -> None:
    """End an attempt that failed; the next one may begin at `retry_at`."""
    _create(store, f"{lease.key}.failed-{lease.attempt:03d}", {"reason": reason, "retry_at": _text(retry_at)})


def wait(store: str, lease: Lease, reason: str, retry_at: datetime) -> None:
    """End an attempt that something outside the release keeps from success; it does not count as a try."""
    _create(store, f"{lease.key}.waiting-{lease.attempt:03d}", {"reason": reason, "retry_at": _text(retry_at)})


def reopen(store: str, state: ReleaseState, reason: str) -> bool:
    """Let a release that has ended or pauses be worked on again, at once and with all its tries.

    Reopened twice from the same state, it is reopened once.

    Returns:
        Whether it is open now; a release that is being worked on, or is due anyway, is left as it is.
    """
    if not (state.settled or state.failed):
        return False
    _create(store, f"{state.key}.reopened-{state.attempts:03d}", {"reason": reason, "reopened_at": _text(_now())})
    return True


def settle(store: str, lease: Lease, outcome: str, sentence: str, facts: Mapping[str, Any] | None = None) -> None:
    """End a release for good.

    Args:
        store: Of the ledger.
        lease: Of the attempt that ends it.
        outcome: onboarded, refused or given up; retrained or failed for a retraining.
        sentence: How it ended, for a person.
        facts: Numbers that the retraining policy reads.

    Raises:
        ConflictError: Another worker took the release over meanwhile, or has settled it.
    """
    state = states(store).get(lease.key)
    if state is not None and state.attempts > lease.attempt:
        raise ConflictError(
            f"release {lease.key} was taken over by attempt {state.attempts} while attempt {lease.attempt} of "
            f"{lease.worker} worked on it; its end counts, lengthen the lease if the work takes longer than that"
        )
    reopened = None if state is None else state.reopened
    if reopened is not None and lease.attempt <= reopened:
        raise ConflictError(f"release {lease.key} was reopened after attempt {lease.attempt}; the next attempt counts")
    told = {"outcome": outcome, "sentence": sentence, "attempt": lease.attempt, "settled_at": _text(_now())}
    if not _create(store, f"{lease.key}.{settled_mark(reopened)}", told | {"facts": dict(facts or {})}):
        raise ConflictError(f"release {lease.key} is settled already; read how it ended")


def backoff(attempt: int, first: float = 60.0, most: float = 3600.0) -> timedelta:
    """Return how long to wait after a failed attempt: twice as long after each."""
    return timedelta(seconds=min(first * 2.0 ** (attempt - 1), most))


def _is_taken(store: str, state: ReleaseState, now: datetime, is_gone: Callable[[str], bool]) -> bool:
    if state.attempts == (state.reopened or 0):
        return False
    pausing = pause(store, state)
    if pausing is not None:
        return now < _time(pausing["retry_at"])
    last = _read(store, f"{state.key}.attempt-{state.attempts:03d}", "worker", "until")
    return now < _time(last["until"]) and not is_gone(str(last["worker"]))


def _create(store: str, name: str, content: Mapping[str, Any]) -> bool:
    uri, written = storage.join(store, f"{name}.json"), json.dumps(content, indent=2).encode()
    try:
        storage.create(uri, written)
    except ConflictError:
        # The answer to our own write may have been lost, and its repetition refused.
        with contextlib.suppress(InputError):
            return storage.read(uri) == written
        return False
    return True


def _read(store: str, name: str, *fields: str) -> dict[str, Any]:
    """Return a record, after checking that it holds the fields."""
    uri = storage.join(store, f"{name}.json")
    try:
        told = json.loads(storage.read(uri))
        fault = _fault(told, fields)
    except (ValueError, RecursionError) as error:
        told, fault = {}, str(error)
    if fault:
        raise InputError(f"{uri!r} of the release ledger is damaged ({fault}); remove it and announce again")
    return dict(told)


def _fault(told: object, fields: Sequence[str]) -> str:
    if not isinstance(told, dict):
        return "it is no object"
    missing = next((field for field in fields if field not in told), None)
    if missing is not None:
        return f"it has no field {missing!r}"
    wrong = next((field for field in fields if field != "about" and not isinstance(told[field], str)), None)
    if wrong is not None:
        return f"{wrong} is no text"
    for field in set(fields) & {"until", "retry_at"}:
        if datetime.fromisoformat(told[field]).tzinfo is None:
            return f"{field} has no time zone"
    return ""


def _now() -> datetime:
    return datetime.now(UTC)


def _text(moment: datetime) -> str:
    return moment.isoformat()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
