"""`modelsat releases`, as a model owner uses it: what became of every release, and trying one again."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from modelsat.cli import app
from modelsat.errors import InputError
from modelsat.onboarding.releases import ledger
from modelsat.onboarding.releases.ledger import Lease, Release


def modelsat(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["releases", "--folder", str(folder), *arguments])


def statuses(folder: Path) -> dict[str, Any]:
    return {one["candidate"]: one for one in json.loads(modelsat(folder, "--json").stdout)["releases"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose ledger holds a release of every kind."""
    store = str(tmp_path / "ledger")

    def take_on(name: str) -> Lease:
        ledger.announce(store, Release(name, "1", source="feed"))
        lease = ledger.claim(store, ledger.states(store)[Release(name, "1").key], "host/1/1", 600)
        assert lease is not None
        return lease

    ledger.announce(store, Release("fresh", "1", source="feed"))
    take_on("busy")
    ledger.wait(store, take_on("away"), "status 503", datetime.now(UTC) + timedelta(hours=1))
    ledger.settle(store, take_on("in"), ledger.ONBOARDED, "in is in")
    ledger.settle(store, take_on("copied"), ledger.REFUSED, "99 % equal to ada")
    return tmp_path


def test_every_release_is_listed_with_its_status_and_reason(folder: Path) -> None:
    listed = statuses(folder)

    assert {name: one["status"] for name, one in listed.items()} == {
        "fresh": "due",
        "busy": "in work",
        "away": "waiting",
        "in": "onboarded",
        "copied": "refused",
    }
    assert listed["away"]["reason"] == "status 503"
    assert listed["copied"]["reason"] == "99 % equal to ada"
    table = modelsat(folder).stdout.splitlines()
    assert table[0].split() == ["model", "revision", "action", "status", "when", "why"]
    assert any("copied" in line and "refused" in line and line.endswith("99 % equal to ada") for line in table)


def test_refused_release_is_reopened_by_name_and_once(folder: Path) -> None:
    first, second = modelsat(folder, "--retry", "copied", "--json"), modelsat(folder, "--retry", "copied", "--json")

    assert first.stderr == "reopened: add copied 1\n"
    assert second.stderr == "'copied' is done or open already; nothing was reopened\n"
    assert statuses(folder)["copied"]["status"] == "due"
    assert len(list((folder / "ledger").glob("*.reopened-*.json"))) == 1


def test_release_that_is_done_or_in_work_is_left_alone(folder: Path) -> None:
    for name in ("in", "busy"):
        assert "nothing was reopened" in modelsat(folder, "--retry", name).stderr
    assert (statuses(folder)["in"]["status"], statuses(folder)["busy"]["status"]) == ("onboarded", "in work")


def test_name_that_no_release_has_is_answered_with_those_like_it(folder: Path) -> None:
    refused = modelsat(folder, "--retry", "Copid")

    assert isinstance(refused.exception, InputError)
    assert "the release ledger has no release of 'Copid' (similar names: copied)" in str(refused.exception)


def test_empty_ledger_says_what_to_do_next(tmp_path: Path) -> None:
    assert modelsat(tmp_path).stdout.startswith("no release was announced yet; next: modelsat watch")
