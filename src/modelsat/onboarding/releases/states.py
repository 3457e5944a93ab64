"""Where releases stand, read off the names of the ledger's objects alone, so that one listing tells it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

RETRAINING = "retraining-"
"""How the key of a retraining begins."""
_NAME = re.compile(r"([0-9a-z-]+)\.(announced|settled|(?:settled|attempt|failed|waiting|reopened)-\d{3,})\.json")


@dataclass(frozen=True)
class ReleaseState:
    """Where a release stands.

    Attributes:
        key: Of the release.
        attempts: How many attempts were begun.
        failed: Whether the last of them failed or waits; False once it was reopened after that.
        settled: Whether it has ended, since it was reopened last.
        waits: How many attempts since then ended waiting for something outside.
        reopened: After which attempt it was reopened last, None where it was not.
    """

    key: str
    attempts: int
    failed: bool
    settled: bool
    waits: int = 0
    reopened: int | None = None

    @property
    def tries(self) -> int:
        """Return how many attempts count since the release was announced or reopened: those that did not wait."""
        return self.attempts - (self.reopened or 0) - self.waits

    @property
    def is_retraining(self) -> bool:
        """Say whether it is a retraining and no candidate's release."""
        return self.key.startswith(RETRAINING)


def stand(names: Sequence[str]) -> dict[str, ReleaseState]:
    """Read off the names of a ledger's objects where every announced release stands."""
    marks: dict[str, set[str]] = {}
    for name in names:
        found = _NAME.fullmatch(name)
        if found:
            marks.setdefault(found[1], set()).add(found[2])
    out = {}
    for key in sorted(key for key, found in marks.items() if "announced" in found):
        attempts = max(_numbers(marks[key], "attempt"), default=0)
        reopened = max(_numbers(marks[key], "reopened"), default=None)
        waits = sum(number > (reopened or 0) for number in _numbers(marks[key], "waiting"))
        ended = {*_numbers(marks[key], "failed"), *_numbers(marks[key], "waiting")}
        failed = attempts in ended and attempts != (reopened or 0)
        settled = settled_mark(reopened) in marks[key]
        out[key] = ReleaseState(key, attempts, failed, settled, waits, reopened)
    return out


def settled_mark(reopened: int | None) -> str:
    """Return the mark of the end that counts for a release that was reopened after so many attempts."""
    return "settled" if reopened is None else f"settled-{reopened:03d}"


def _numbers(marks: set[str], kind: str) -> list[int]:
    """Return the numbers of the marks of one kind, such as 2 of `failed-002`."""
    return [int(mark.removeprefix(f"{kind}-")) for mark in marks if mark.startswith(f"{kind}-")]
