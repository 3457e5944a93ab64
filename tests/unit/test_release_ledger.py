"""However often a release is announced and whoever dies at it, it is worked on once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelsat.errors import ConflictError, InputError
from modelsat.onboarding.releases import ledger
from modelsat.onboarding.releases.ledger import Lease, Release, ReleaseState

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ADA = Release("ada", "1", source="feed")

ANNOUNCE_AND_WORK = """
import os, sys
from modelsat.onboarding.releases import ledger
store, effects = sys.argv[1:]
worked = 0
for _ in range(50):
    ledger.announce(store, ledger.Release("ada", "1", source=str(os.getpid())))
    for state in ledger.states(store).values():
        lease = ledger.claim(store, state, str(os.getpid()), 600)
        if lease is not None:
            with open(f"{effects}/{os.getpid()}", "a") as file:
                file.write("onboarded\\n")
            ledger.settle(store, lease, ledger.ONBOARDED, "done")
"""
CLAIM_AND_DIE = """
import os, signal, sys
from modelsat.onboarding.releases import ledger
store = sys.argv[1]
state = ledger.states(store)[sys.argv[2]]
assert ledger.claim(store, state, str(os.getpid()), 600) is not None
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger, once on this machine and once in S3."""
    if request.param == "folder":
        return str(tmp_path / "ledger")
    return f"s3://{request.getfixturevalue('bucket')}/ledger"


def state(store: str, release: Release = ADA) -> ReleaseState:
    return ledger.states(store)[release.key]


def begin(store: str, worker: str = "w", at: datetime = NOW, seconds: float = 600) -> Lease | None:
    return ledger.claim(store, state(store), worker, seconds, at)


def test_release_is_new_once(store: str) -> None:
    assert ledger.announce(store, ADA)
    assert not ledger.announce(store, Release("ada", "1", source="somebody else"))

    assert state(store) == ReleaseState(ADA.key, attempts=0, failed=False, settled=False)
    assert ledger.release(store, ADA.key) == ADA


def test_other_revision_or_action_is_another_release(store: str) -> None:
    releases = [ADA, Release("ada", "2"), Release("ada"), Release("ada", "1", "remove"), Release("bob", "1")]

    assert [ledger.announce(store, release) for release in releases] == [True] * 5
    assert len(ledger.states(store)) == 5


def test_release_is_worked_on_by_one_until_the_lease_is_over(store: str) -> None:
    ledger.announce(store, ADA)

    first = begin(store, "first")

    assert first is not None
    assert (first.attempt, first.until) == (1, NOW + timedelta(seconds=600))
    assert begin(store, "second", NOW + timedelta(seconds=599)) is None
    second = begin(store, "second", NOW + timedelta(seconds=600))
    assert second is not None
    assert (second.attempt, second.worker) == (2, "second")


def test_worker_that_is_known_to_be_gone_is_not_waited_for(store: str) -> None:
    ledger.announce(store, ADA)
    begin(store, "dead")

    taken = ledger.claim(store, state(store), "living", 600, NOW, is_gone=lambda worker: worker == "dead")

    assert taken is not None
    assert taken.attempt == 2


def test_failed_attempt_is_repeated_when_its_time_has_come(store: str) -> None:
    ledger.announce(store, ADA)
    lease = begin(store)
    assert lease is not None

    ledger.fail(store, lease, "S3 was down", NOW + timedelta(seconds=60))

    assert state(store).failed
    assert begin(store, at=NOW + timedelta(seconds=59)) is None
    again = begin(store, at=NOW + timedelta(seconds=60))
    assert again is not None
    assert again.attempt == 2
    assert not state(store).failed


def test_settled_release_is_never_worked_on_again(store: str) -> None:
    ledger.announce(store, ADA)
    lease = begin(store)
    assert lease is not None

    ledger.settle(store, lease, ledger.ONBOARDED, "ada is in", {"share": 0.1})

    assert begin(store, at=NOW + timedelta(days=365)) is None
    ending = ledger.ending(store, ADA.key)
    assert ending is not None
    assert (ending["outcome"], ending["sentence"], ending["facts"]) == ("onboarded", "ada is in", {"share": 0.1})


def test_reopened_release_is_worked_on_again_with_all_its_tries_and_ends_anew(store: str) -> None:
    ledger.announce(store, ADA)
    lease = begin(store)
    assert lease is not None
    ledger.settle(store, lease, ledger.REFUSED, "no")

    assert ledger.reopen(store, state(store), "its row has changed")
    assert (state(store).settled, state(store).tries, ledger.ending(store, ADA.key)) == (False, 0, None)
    again = begin(store)

    assert again is not None
    assert again.attempt == 2
    ledger.settle(store, again, ledger.ONBOARDED, "yes")
    ended = ledger.ending(store, ADA.key)
    assert ended is not None
    assert (ended["outcome"], begin(store)) == ("onboarded", None)


def test_release_is_reopened_once_however_often_that_is_asked_for(store: str) -> None:
    ledger.announce(store, ADA)
    assert not ledger.reopen(store, state(store), "it is due anyway")
    lease = begin(store)
    assert lease is not None
    assert not ledger.reopen(store, state(store), "it is being worked on")
    ledger.settle(store, lease, ledger.REFUSED, "no")
    seen = state(store)

    assert [ledger.reopen(store, seen, "a person asked") for _ in range(3)] == [True] * 3
    assert not ledger.reopen(store, state(store), "a person asked")

    assert begin(store) is not None
    assert begin(store) is None


def test_worker_of_before_a_reopening_may_not_settle(store: str) -> None:
    ledger.announce(store, ADA)
    slow = begin(store)
    assert slow is not None
    ledger.settle(store, slow, ledger.REFUSED, "no")
    ledger.reopen(store, state(store), "a person asked")

    with pytest.raises(ConflictError, match="was reopened after attempt 1; the next attempt counts"):
        ledger.settle(store, slow, ledger.ONBOARDED, "done")


def test_attempt_that_waits_is_no_try_and_may_be_repeated_when_its_time_has_come(store: str) -> None:
    ledger.announce(store, ADA)
    lease = begin(store)
    assert lease is not None

    ledger.wait(store, lease, "the endpoint is away", NOW + timedelta(seconds=60))

    assert (state(store).attempts, state(store).tries) == (1, 0)
    pause = ledger.pause(store, state(store))
    assert pause is not None
    assert pause["reason"] == "the endpoint is away"
    assert begin(store, at=NOW + timedelta(seconds=59)) is None
    assert begin(store, at=NOW + timedelta(seconds=60)) is not None


def test_waiting_release_is_free_at_once_when_it_is_reopened(store: str) -> None:
    ledger.announce(store, ADA)
    lease = begin(store)
    assert lease is not None
    ledger.wait(store, lease, "the endpoint is away", NOW + timedelta(hours=1))

    ledger.reopen(store, state(store), "a person asked")

    assert begin(store) is not None


def test_more_attempts_than_three_digits_are_counted() -> None:
    key = "0" * 20

    stood = ledger.stand([f"{key}.announced.json", *(f"{key}.attempt-{i:03d}.json" for i in range(1, 1201))])

    assert stood[key].attempts == 1200


def test_worker_that_was_taken_over_may_not_settle(store: str) -> None:
    ledger.announce(store, ADA)
    slow = begin(store, "slow", seconds=1)
    quick = begin(store, "quick", NOW + timedelta(seconds=2))
    assert slow is not None
    assert quick is not None

    with pytest.raises(ConflictError, match="taken over by attempt 2 while attempt 1 of slow"):
        ledger.settle(store, slow, ledger.ONBOARDED, "done")

    ledger.settle(store, quick, ledger.ONBOARDED, "done")
    with pytest.raises(ConflictError, match="settled already"):
        ledger.settle(store, quick, ledger.REFUSED, "no")


def test_of_many_claims_at_once_one_is_granted(store: str) -> None:
    ledger.announce(store, ADA)
    seen = state(store)

    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda i: ledger.claim(store, seen, f"w{i}", 600, NOW), range(32)))

    assert sum(lease is not None for lease in leases) == 1


def test_hundreds_of_announcements_of_one_release_are_one_onboarding(store: str) -> None:
    # The S3 server of the tests takes twenty times as long as a disk.
    times = 200 if store.startswith("s3://") else 1000
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda i: ledger.announce(store, Release("ada", "1", source=f"feed {i}")), range(times)))

    leases = [lease for _ in range(3) for lease in [begin(store)] if lease is not None]
    assert sum(new) == 1
    assert len(ledger.states(store)) == len(leases) == 1


def test_processes_that_announce_and_work_at_once_onboard_once(tmp_path: Path) -> None:
    (tmp_path / "effects").mkdir()
    command = [sys.executable, "-c", ANNOUNCE_AND_WORK, str(tmp_path / "ledger"), str(tmp_path / "effects")]

    processes = [subprocess.Popen(command) for _ in range(4)]

    assert [process.wait(120) for process in processes] == [0] * 4
    assert [path.read_text() for path in (tmp_path / "effects").iterdir()] == ["onboarded\n"]


def test_processes_meet_in_s3_too(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "effects").mkdir()
    command = [sys.executable, "-c", ANNOUNCE_AND_WORK, f"s3://{bucket}/ledger", str(tmp_path / "effects")]

    processes = [subprocess.Popen(command, env=dict(os.environ)) for _ in range(2)]

    assert [process.wait(120) for process in processes] == [0] * 2
    assert [path.read_text() for path in (tmp_path / "effects").iterdir()] == ["onboarded\n"]


def test_release_of_a_killed_worker_is_taken_over(tmp_path: Path) -> None:
    store = str(tmp_path / "ledger")
    ledger.announce(store, ADA)

    killed = subprocess.Popen([sys.executable, "-c", CLAIM_AND_DIE, store, ADA.key])

    assert killed.wait(60) == -9
    assert begin(store, at=datetime.now(UTC)) is None
    lease = begin(store, at=datetime.now(UTC) + timedelta(seconds=601))
    assert lease is not None
    ledger.settle(store, lease, ledger.ONBOARDED, "done")


def test_claim_whose_answer_is_lost_is_still_ours(s3_that_answers: Callable[..., None]) -> None:
    objects: dict[str, bytes] = {}

    def answer(method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        name = path.split("?")[0].rsplit("/", 1)[1]
        if method == "PUT" and name in objects:
            return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
        if method == "PUT":
            objects[name] = body
            return None
        return (200, objects[name]) if name in objects else (404, b"<Error><Code>NoSuchKey</Code></Error>")

    s3_that_answers(answer)

    assert ledger.claim("s3://bucket/ledger", ReleaseState("ab" * 10, 0, False, False), "w", 600, NOW) is not None


def test_names_alone_say_where_releases_stand() -> None:
    key, other = "0" * 20, "1" * 20
    names = [
        *(f"{key}.announced.json", f"{key}.attempt-001.json", f"{key}.failed-001.json", f"{key}.attempt-002.json"),
        *(f"{other}.announced.json", f"{other}.settled.json", f"{'2' * 20}.settled.json", "README.md"),
    ]

    assert ledger.stand(names) == {key: ReleaseState(key, 2, False, False), other: ReleaseState(other, 0, False, True)}


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 60), (2, 120), (3, 240), (7, 3600), (50, 3600)])
def test_wait_after_a_failure_doubles_up_to_an_hour(attempt: int, seconds: int) -> None:
    assert ledger.backoff(attempt) == timedelta(seconds=seconds)


def test_damaged_object_is_named(tmp_path: Path) -> None:
    ledger.announce(str(tmp_path), ADA)
    (tmp_path / f"{ADA.key}.announced.json").write_text("{")

    with pytest.raises(InputError, match=rf"{ADA.key}\.announced\.json' of the release ledger is damaged"):
        ledger.release(str(tmp_path), ADA.key)


def test_objects_are_plain_json(tmp_path: Path) -> None:
    ledger.announce(str(tmp_path), ADA)

    told = json.loads((tmp_path / f"{ADA.key}.announced.json").read_text())
    assert (told["candidate"], told["revision"], told["action"], told["source"]) == ("ada", "1", "add", "feed")
