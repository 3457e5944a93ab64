"""What a catalogue announces, what is due, and when the router is trained again: over a real ledger."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from modelsat.data import contracts
from modelsat.onboarding.releases import due as releases
from modelsat.onboarding.releases import ledger, listing, refusals
from modelsat.onboarding.releases.due import ListedCandidates
from modelsat.onboarding.releases.ledger import Release
from modelsat.onboarding.releases.retraining import RetrainingRules

HOUR = 3600.0
THREE = RetrainingRules(newcomers=3, least_seconds=0)


def table(*rows: dict[str, Any]) -> pa.Table:
    return contracts.from_rows(list(rows), contracts.CANDIDATES)


KNOWN = table({"candidate": "ada", "price_in": 1.0, "price_out": 2.0, "aliases": ["org/ada"]}, {"candidate": "bob"})


def announce(store: str, catalogue: pa.Table) -> None:
    for release in releases.of(ListedCandidates.of(catalogue, KNOWN), "feed"):
        ledger.announce(store, release)


def due(store: str, catalogue: pa.Table, known: pa.Table = KNOWN, worker: str = "w") -> tuple[list[str], list[str]]:
    found, notes = releases.due(store, ListedCandidates.of(catalogue, known), worker, HOUR)
    return [f"{one.release.action} {one.release.candidate}" for one in found], notes


def onboard(store: str, *names: str) -> None:
    """Take releases of the given names through the ledger."""
    for name in names:
        ledger.announce(store, Release(name))
    listed = ListedCandidates.of(table(*({"candidate": name} for name in names)), KNOWN)
    found, _ = releases.due(store, listed, "w", HOUR)
    for one in found:
        facts = {"share": 0.0, "answers": [f"answers/{one.release.candidate}"]}
        ledger.settle(store, one.lease, ledger.ONBOARDED, "done", facts)


def test_unknown_candidates_and_new_prices_are_releases() -> None:
    catalogue = table(
        {"candidate": "new", "revision": "2"},
        {"candidate": "org/ada", "price_in": 1.0, "price_out": 2.0},
        {"candidate": "bob", "price_in": 0.5, "price_out": 0.5},
    )

    assert releases.of(ListedCandidates.of(catalogue, KNOWN), "feed") == [
        Release("new", "2", "add", "feed"),
        Release("bob", "0.5/0.5", "reprice", "feed"),
    ]


def test_row_that_says_nothing_of_prices_changes_none() -> None:
    assert releases.of(ListedCandidates.of(table({"candidate": "ada"}), KNOWN), "feed") == []


def test_due_release_is_handed_out_once(tmp_path: Path) -> None:
    store, catalogue = str(tmp_path), table({"candidate": "new"}, {"candidate": "newer"})
    for _ in range(3):
        announce(store, catalogue)

    assert sorted(due(store, catalogue)[0]) == ["add new", "add newer"]
    assert due(store, catalogue, worker="other") == ([], [])


def test_release_that_the_champion_knows_by_now_has_ended(tmp_path: Path) -> None:
    store, catalogue = str(tmp_path), table({"candidate": "new", "aliases": ["org/new"]})
    announce(store, catalogue)
    known = table({"candidate": "new"})

    assert due(store, catalogue, known) == ([], [])
    ending = ledger.ending(store, Release("new").key)
    assert ending is not None
    assert (ending["outcome"], ending["sentence"]) == ("onboarded", "'new' is routed to already")


def test_release_that_was_onboarded_by_hand_is_not_listed_as_due(tmp_path: Path) -> None:
    store = str(tmp_path)
    announce(store, table({"candidate": "new"}, {"candidate": "later"}, {"candidate": "org/ada", "price_in": 9.0}))
    by_hand = table({"candidate": "new"}, {"candidate": "ada", "price_in": 9.0, "aliases": ["org/ada"]})

    listed = listing.with_champion(listing.of_ledger(store), by_hand)

    assert {(one.candidate, one.action): one.status for one in listed} == {
        ("later", "add"): "due",
        ("new", "add"): "onboarded",
        ("org/ada", "reprice"): "onboarded",
    }


def test_announcement_by_an_alias_is_the_candidate_of_the_catalogue(tmp_path: Path) -> None:
    ledger.announce(str(tmp_path), Release("org/new", "3", source="MLflow"))

    assert due(str(tmp_path), table({"candidate": "new", "aliases": ["org/new"]})) == (["add new"], [])


def test_announcement_without_a_row_waits_for_it(tmp_path: Path) -> None:
    store = str(tmp_path)
    ledger.announce(store, Release("ghost", source="MLflow"))

    found, (note,) = due(store, table({"candidate": "new"}))

    assert found == []
    assert note == "'ghost' is announced by MLflow but not in the catalogue; add its row"
    assert due(store, table({"candidate": "ghost"}))[0] == ["add ghost"]


def test_row_with_published_scores_alone_waits_and_says_what_can_be_done_at_once() -> None:
    rows = table({"candidate": "told", "published": '{"MMLU": 0.8}'}, {"candidate": "bare"})

    waiting = releases.waiting(ListedCandidates.of(rows, KNOWN), "", has_keys=True)

    asks = "has neither an endpoint nor results; add one of them"
    assert waiting == {
        "told": f"'told' {asks}, or place it by its published scores alone (modelsat onboard told)",
        "bare": f"'bare' {asks}",
    }


def test_release_is_given_up_after_five_attempts(tmp_path: Path) -> None:
    store, catalogue = str(tmp_path), table({"candidate": "new"})
    announce(store, catalogue)

    listed = ListedCandidates.of(catalogue, KNOWN)
    seen = [releases.due(store, listed, f"w{i}", HOUR, is_gone=lambda _: True) for i in range(7)]

    assert [len(found) for found, _ in seen] == [1, 1, 1, 1, 1, 0, 0]
    assert "'new' is given up after 5 attempts" in seen[5][1][0]
    assert seen[6][1] == []


def test_training_is_claimed_once_with_all_that_is_known(tmp_path: Path) -> None:
    store = str(tmp_path)
    onboard(store, "a", "b")
    assert releases.retraining(store, "w", HOUR, THREE)[0] is None
    onboard(store, "c", "d")

    training, decision = releases.retraining(store, "w", HOUR, THREE)
    other, told = releases.retraining(store, "other", HOUR, THREE)

    assert decision.reason == "4 releases since the last training"
    assert training is not None
    assert sorted(training.sources) == ["answers/a", "answers/b", "answers/c", "answers/d"]
    assert other is None
    assert "no call" in told.reason


def test_what_comes_while_training_runs_is_in_the_next_snapshot(tmp_path: Path) -> None:
    store = str(tmp_path)
    onboard(store, "a", "b", "c")
    first, _ = releases.retraining(store, "w", HOUR, THREE)
    onboard(store, *(f"late-{i}" for i in range(20)))

    nobody, told = releases.retraining(store, "w", HOUR, THREE)

    assert first is not None
    assert nobody is None
    assert "the next one will know all 20 releases" in told.reason
    ledger.settle(store, first.lease, ledger.RETRAINED, "done")
    second, _ = releases.retraining(store, "w", HOUR, THREE)
    assert second is not None
    assert len(second.snapshot) == 20
    assert not set(first.snapshot) & set(second.snapshot)


def test_training_whose_worker_died_is_taken_over_with_its_snapshot(tmp_path: Path) -> None:
    store = str(tmp_path)
    onboard(store, "a", "b", "c")
    first, _ = releases.retraining(store, "dead", HOUR, THREE)
    onboard(store, "late")

    again, decision = releases.retraining(store, "w", HOUR, THREE, is_gone=lambda worker: worker == "dead")

    assert first is not None
    assert again is not None
    assert (again.snapshot, again.lease.attempt) == (first.snapshot, 2)
    assert decision.reason == "attempt 2 at retraining retraining-000001"


def test_release_that_was_refused_calls_for_no_training(tmp_path: Path) -> None:
    store = str(tmp_path)
    ledger.announce(store, Release("bad"))
    (one,), _ = releases.due(store, ListedCandidates.of(table({"candidate": "bad"}), KNOWN), "w", HOUR)
    ledger.settle(store, one.lease, ledger.REFUSED, "copied")

    _, decision = releases.retraining(store, "w", HOUR, RetrainingRules(newcomers=1))

    assert not decision.trains


def test_refusal_of_an_older_version_reads_and_stays(tmp_path: Path) -> None:
    """0.1.0 did not write which content of a row was refused."""
    store, catalogue = str(tmp_path), table({"candidate": "new", "price_in": 1.0})
    announce(store, catalogue)
    listed = ListedCandidates.of(catalogue, KNOWN)
    (one,), _ = releases.due(store, listed, "w", HOUR)
    ledger.settle(store, one.lease, ledger.REFUSED, "copied")

    assert refusals.reopen_changed(store, releases.of(listed, "feed"), listed.rows) == []
    assert refusals.reopen_named(store, "new") == [Release("new", source="feed")]
    assert due(store, catalogue)[0] == ["add new"]


def test_release_that_was_given_up_is_taken_on_again_with_its_row(tmp_path: Path) -> None:
    store, catalogue = str(tmp_path), table({"candidate": "new"})
    announce(store, catalogue)
    for i in range(6):
        releases.due(store, ListedCandidates.of(catalogue, KNOWN), f"w{i}", HOUR, is_gone=lambda _: True)
    changed = ListedCandidates.of(table({"candidate": "new", "endpoint": "http://other/v1"}), KNOWN)

    assert refusals.reopen_changed(store, releases.of(changed, "feed"), changed.rows) == [Release("new", source="feed")]

    found, _ = releases.due(store, changed, "w", HOUR)
    assert [one.lease.attempt for one in found] == [7]


@pytest.mark.parametrize(("answers", "expected"), [("", False), ("there", True)])
def test_results_are_found_by_the_name_of_the_candidate(tmp_path: Path, answers: str, expected: bool) -> None:
    folder = tmp_path / "there" / "org" / "new"
    folder.mkdir(parents=True)
    (folder / "scores.csv").write_text("")
    root = str(tmp_path / answers) if answers else ""

    assert releases.results_of(root, "org/new") == ([str(folder)] if expected else [])
    assert releases.results_of(root, "other") == []
