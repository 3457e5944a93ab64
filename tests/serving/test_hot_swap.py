"""Promotions reach the clients while they ask, and broken bundles never do."""

import itertools
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from endpoint_process import INFER, JSON, Answer, Endpoint, ask, promote, v2_body

from modelsat.bundle import champion_records, champions
from modelsat.bundle.bundle import Bundle
from modelsat.io import atomic

CLIENTS = 3
Write = Callable[..., tuple[Path, Bundle]]
BODY = json.dumps(v2_body(["What is 2 + 2?", "Spell rhythm."])).encode()


@dataclass
class Client:
    """What one client got over the one connection that it kept open."""

    answers: list[Answer] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)

    def ask_until(self, stopped: threading.Event, endpoint: Endpoint) -> None:
        connection = endpoint.connect()
        try:
            connection.connect()
            connection.auto_open = 0
            while not stopped.is_set():
                self.answers.append(ask(connection, "POST", INFER, BODY, JSON))
                time.sleep(0.002)
        except Exception as fault:
            self.faults.append(fault)
        finally:
            connection.close()

    def latest(self) -> str:
        """Return the version of the latest answer; a client that failed has none."""
        return self.answers[-1].version if self.answers and not self.faults else ""


@contextmanager
def traffic(endpoint: Endpoint) -> Iterator[list[Client]]:
    """Let clients ask without a pause; afterwards none may have met a fault."""
    clients, stopped = [Client() for _ in range(CLIENTS)], threading.Event()
    threads = [threading.Thread(target=client.ask_until, args=(stopped, endpoint)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        endpoint.wait_until(lambda: all(client.answers or client.faults for client in clients), "answering clients")
        yield clients
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert [fault for client in clients for fault in client.faults] == []
    assert {answer.status for client in clients for answer in client.answers} == {200}


def wait_until_all_see(endpoint: Endpoint, clients: list[Client], digest: str) -> None:
    endpoint.wait_until(
        lambda: all(client.faults or client.latest() == digest[:12] for client in clients), f"answering from {digest}"
    )


def versions_in_order(client: Client) -> list[str]:
    seen = [answer.version for answer in client.answers]
    return [version for i, version in enumerate(seen) if i == 0 or version != seen[i - 1]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("store") / "champions")


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Bundle]) -> Write:
    """Return a function that writes a bundle, unlike any before, whose only candidate has the given probability."""
    serial = itertools.count()

    def write_one(probability: float = 0.5) -> tuple[Path, Bundle]:
        folder = tmp_path_factory.mktemp("bundle") / "bundle"
        return folder, make_bundle({"only": probability}, lineage={"serial": next(serial)}).write(folder)

    return write_one


@pytest.fixture(scope="module")
def follower(start_endpoint: Callable[..., Endpoint], store: str, write: Write) -> Endpoint:
    """Endpoint that follows the store and serves its first champion."""
    folder, bundle = write()
    promote(store, folder, bundle.digest)
    # A deadline that a busy machine meets: what is tested is that a swap costs no answer.
    endpoint = start_endpoint("--champions", store, "--deadline", "30")
    endpoint.wait_until_serving(bundle.digest)
    return endpoint


@pytest.fixture
def before(follower: Endpoint) -> Answer:
    """What the follower answers at the start of the test."""
    answer = follower.post(INFER, json.loads(BODY))
    assert answer.status == 200
    return answer


def test_two_promotions_in_a_row_reach_clients_that_never_stop_asking(
    follower: Endpoint, store: str, before: Answer, write: Write
) -> None:
    (folder_1, first), (folder_2, second) = write(), write()

    with traffic(follower) as clients:
        promote(store, folder_1, first.digest)
        wait_until_all_see(follower, clients, first.digest)
        promote(store, folder_2, second.digest)
        wait_until_all_see(follower, clients, second.digest)

    expected = [before.version, first.digest[:12], second.digest[:12]]
    assert [versions_in_order(client) for client in clients] == [expected] * CLIENTS


def test_every_answer_comes_from_the_bundle_that_it_names(follower: Endpoint, store: str, write: Write) -> None:
    (folder_1, first), (folder_2, second) = write(0.25), write(0.75)
    promote(store, folder_1, first.digest)
    follower.wait_until_serving(first.digest)

    with traffic(follower) as clients:
        promote(store, folder_2, second.digest)
        wait_until_all_see(follower, clients, second.digest)

    probabilities = {first.digest[:12]: 0.25, second.digest[:12]: 0.75}
    for answer in (answer for client in clients for answer in client.answers):
        assert answer.output("success_probability") == pytest.approx([probabilities[answer.version]] * 2)


def test_router_of_another_kind_with_other_candidates_takes_over(
    follower: Endpoint,
    store: str,
    before: Answer,
    write: Write,
    write_neighbours: Callable[..., Bundle],
    tmp_path: Path,
) -> None:
    after = write_neighbours(tmp_path / "neighbours")
    folder, back = write()

    with traffic(follower) as clients:
        promote(store, tmp_path / "neighbours", after.digest)
        wait_until_all_see(follower, clients, after.digest)
        promote(store, folder, back.digest)
        wait_until_all_see(follower, clients, back.digest)

    candidates = {before.version: {"only"}, after.digest[:12]: set("abc"), back.digest[:12]: {"only"}}
    for answer in (answer for client in clients for answer in client.answers):
        assert set(answer.output("candidates")) == candidates[answer.version]


def test_promotion_that_was_overtaken_is_skipped(follower: Endpoint, store: str, write: Write, tmp_path: Path) -> None:
    folder, newest = write()

    promote(store, tmp_path / "never-read", "overtaken")
    promote(store, folder, newest.digest)

    follower.wait_until_serving(newest.digest)


def test_bundle_promoted_again_is_served_again(follower: Endpoint, store: str, write: Write) -> None:
    (old_folder, old), (new_folder, new) = write(), write()
    promote(store, old_folder, old.digest)
    follower.wait_until_serving(old.digest)

    for folder, bundle in ((new_folder, new), (old_folder, old)):
        promote(store, folder, bundle.digest)
        follower.wait_until_serving(bundle.digest)


def test_bundle_serves_on_after_its_folder_is_gone(follower: Endpoint, store: str, write: Write) -> None:
    folder, bundle = write()
    promote(store, folder, bundle.digest)
    follower.wait_until_serving(bundle.digest)

    shutil.rmtree(folder)

    assert follower.serves(bundle.digest)


def truncate(folder: Path) -> None:
    file = folder / "bundle.json"
    file.write_bytes(file.read_bytes()[:-20])


def flip_a_bit(folder: Path) -> None:
    file = folder / "candidates.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def remove_a_file(folder: Path) -> None:
    (folder / "cards.parquet").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "router.pickle").write_bytes(b"cos\nsystem\n")


def remove_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def remove_the_folder(folder: Path) -> None:
    shutil.rmtree(folder)


BROKEN = [
    (truncate, "'bundle.json' of bundle {} differs from its manifest; fetch the bundle again"),
    (flip_a_bit, "'candidates.parquet' of bundle {} differs from its manifest; fetch the bundle again"),
    (remove_a_file, "'cards.parquet' of bundle {} is missing; fetch the bundle again"),
    (add_a_file, "'router.pickle' of bundle {} does not belong there; fetch the bundle again"),
    (remove_the_manifest, "{} is no complete router bundle: it has no readable manifest.json"),
    (remove_the_folder, "{} is no complete router bundle: it has no readable manifest.json"),
]


@pytest.mark.parametrize(("damage", "reason"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_broken_bundle_is_refused_and_the_old_one_serves(
    follower: Endpoint, store: str, before: Answer, write: Write, damage: Callable[[Path], None], reason: str
) -> None:
    folder, bundle = write()
    damage(folder)
    said = len(follower.log)

    refused = promote(store, folder, bundle.digest)

    follower.wait_until_said(reason.format(repr(str(folder))), since=said)
    assert f"champion of epoch {refused.epoch} is refused, epoch " in follower.log[said:]
    assert "Traceback" not in follower.log[said:]
    assert follower.infer(["Which version?"]).version == before.version


def test_good_bundle_is_taken_after_a_broken_one_and_clients_notice_nothing(
    follower: Endpoint, store: str, write: Write
) -> None:
    (first_folder, first), (folder, bundle), (good_folder, good) = write(), write(), write()
    serving = promote(store, first_folder, first.digest)
    follower.wait_until_serving(first.digest)
    flip_a_bit(folder)

    with traffic(follower) as clients:
        refused = promote(store, folder, bundle.digest)
        sentence = f"champion of epoch {refused.epoch} is refused, epoch {serving.epoch} keeps serving: "
        follower.wait_until_said(sentence)
        promote(store, good_folder, good.digest)
        wait_until_all_see(follower, clients, good.digest)

    assert [versions_in_order(client) for client in clients] == [[first.digest[:12], good.digest[:12]]] * CLIENTS
    assert follower.log.count(sentence) == 1


def test_bundle_other_than_the_promoted_one_is_refused(
    follower: Endpoint, store: str, before: Answer, write: Write
) -> None:
    folder, bundle = write()

    promote(store, folder, "another-digest")

    follower.wait_until_said(f"bundle '{folder}' has digest {bundle.digest}, the champion record of epoch")
    assert follower.infer(["Which version?"]).version == before.version


def test_router_without_finite_probabilities_is_refused(
    follower: Endpoint, store: str, before: Answer, write_neighbours: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = write_neighbours(tmp_path / "good")
    bundle.router.mean[:] = float("nan")
    bundle = bundle.write(tmp_path / "bad")

    promote(store, tmp_path / "bad", bundle.digest)

    follower.wait_until_said(f"bundle {bundle.digest} does not give one finite probability per candidate; retrain it")
    assert follower.infer(["Which version?"]).version == before.version


def test_damaged_record_is_reported_and_followed_once_it_is_restored(
    follower: Endpoint, store: str, before: Answer, write: Write
) -> None:
    folder, after = write()
    latest = champions.current(store)
    assert latest is not None
    record = Path(store) / f"{latest.epoch + 1:06d}.json"
    previous = champion_records.digest((Path(store) / f"{latest.epoch:06d}.json").read_bytes())
    restored = champion_records.encode(
        replace(latest, epoch=latest.epoch + 1, bundle_uri=str(folder), bundle_digest=after.digest, previous=previous)
    )
    record.write_bytes(restored[:40])

    follower.wait_until_said(f"champion record '{record}' is damaged")
    assert follower.infer(["Which version?"]).version == before.version
    atomic.write_text(record, restored.decode())

    follower.wait_until_serving(after.digest)
