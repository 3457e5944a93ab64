"""Refusals are of a row's content: when a release that was refused or given up is worked on again."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from modelsat.errors import InputError
from modelsat.io.near_names import near
from modelsat.onboarding.releases import ledger
from modelsat.onboarding.releases.ledger import Release
from modelsat.text import rendering

ROW = "row"
"""Among the facts of an end: the digest of the catalogue row that was refused."""
_BESIDE_THE_POINT = ("aliases", "family", "licence")
"""Fields that decide nothing about an onboarding."""


def content_digest(row: Mapping[str, Any]) -> str:
    """Return a digest of what counts in a catalogue row: all fields that hold something but names and licence."""
    told = {name: value for name, value in row.items() if value is not None and name not in _BESIDE_THE_POINT}
    return rendering.digest(json.dumps(told, sort_keys=True, default=str))[:20]


def is_changed(ended: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
    """Say whether a release ended as refused or given up because of another content of its row.

    Args:
        ended: How it ended, None where it has not.
        row: The catalogue's row now.
    """
    if ended is None or ended["outcome"] not in (ledger.REFUSED, ledger.GIVEN_UP):
        return False
    before = ended["facts"].get(ROW)
    return bool(before) and before != content_digest(row)


def reopen_changed(store: str, announced: Iterable[Release], rows: Mapping[str, Mapping[str, Any]]) -> list[Release]:
    """Reopen what was refused or given up with another content of its row than it has now.

    An end of an older version does not say which content was refused; such a release stays as it is.

    Args:
        store: Of the release ledger.
        announced: What the catalogue announces.
        rows: The catalogue's rows by name.

    Returns:
        The releases that are open again.
    """
    states = ledger.states(store)
    reopened = []
    for release in announced:
        state = states.get(release.key)
        if state is None or not state.settled:
            continue
        if is_changed(ledger.ending(store, release.key), rows[release.candidate]):
            ledger.reopen(store, state, "its catalogue row has changed")
            reopened.append(release)
    return reopened


def reopen_ended(store: str, release: Release, why: str) -> bool:
    """Reopen a release that was refused or given up, since something new came in; return whether it is open again.

    Args:
        store: Of the release ledger.
        release: As it was announced.
        why: What came in, for the ledger.
    """
    state, ended = ledger.states(store).get(release.key), ledger.ending(store, release.key)
    is_refused = ended is not None and ended["outcome"] in (ledger.REFUSED, ledger.GIVEN_UP)
    return state is not None and is_refused and ledger.reopen(store, state, why)


def reopen_named(store: str, name: str) -> list[Release]:
    """Reopen every release of a candidate that was refused, given up or pauses, as a person asked for.

    Args:
        store: Of the release ledger.
        name: Of the candidate, as it was announced.

    Returns:
        The releases that are open again; none where all of them are done, or open already.

    Raises:
        InputError: No release of that name was ever announced.
    """
    states = [state for state in ledger.states(store).values() if not state.is_retraining]
    found = [(state, ledger.release(store, state.key)) for state in states]
    named = [(state, release) for state, release in found if release.candidate == name]
    if not named:
        others = near(name, [release.candidate for _, release in found])
        raise InputError(f"the release ledger has no release of {name!r}{others}; `modelsat releases` lists them")
    reopened = []
    for state, release in named:
        ended = ledger.ending(store, state.key)
        is_done = ended is not None and ended["outcome"] == ledger.ONBOARDED
        if not is_done and ledger.reopen(store, state, "reopened by hand"):
            reopened.append(release)
    return reopened
