"""A champion that cannot be served is tried again, with pauses; records that go back are never followed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from endpoint_process import promote
from prometheus_client import CollectorRegistry

from modelsat.bundle import champion_records, champions, opening
from modelsat.bundle.bundle import Bundle
from serving.champion_watch import LONGEST_PAUSE_SECONDS, ChampionWatch, pause_after
from serving.predictor import Predictor
from serving.telemetry import EndpointTelemetry

Write = Callable[[str, float], tuple[Path, Bundle]]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def write(tmp_path: Path, make_bundle: Callable[..., Bundle]) -> Write:
    """Return a function that writes a bundle under a name, with the probability of its only candidate."""

    def write_one(name: str, probability: float) -> tuple[Path, Bundle]:
        return tmp_path / name, make_bundle({"only": probability}).write(tmp_path / name)

    return write_one


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "champions")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(store: str, clock: Clock, caplog: pytest.LogCaptureFixture) -> ChampionWatch:
    """A watch that looks when it is told to."""
    caplog.set_level(logging.INFO, "modelsat.serving")
    return ChampionWatch(Predictor("router", EndpointTelemetry(CollectorRegistry()), 1.0), store, clock=clock)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs whose bundles were opened, in order."""
    epochs: list[int] = []
    real = opening.opened_champion

    @contextmanager
    def spy(champion: Any, with_router: bool = True) -> Iterator[Bundle]:
        epochs.append(champion.epoch)
        with real(champion, with_router) as bundle:
            yield bundle

    monkeypatch.setattr(opening, "opened_champion", spy)
    return epochs


def refused(watch: ChampionWatch) -> float:
    return watch.predictor.telemetry.champions_refused._value.get()


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_pauses_double_up_to_a_minute() -> None:
    assert [pause_after(tries) for tries in (1, 2, 3, 4, 7, 8, 10_000)] == [1, 2, 4, 8, *3 * [LONGEST_PAUSE_SECONDS]]


def test_refused_champion_serves_as_soon_as_its_folder_is_repaired(
    watch: ChampionWatch, store: str, write: Write
) -> None:
    folder, bundle = write("first", 0.5)
    whole = (folder / "bundle.json").read_bytes()
    (folder / "bundle.json").write_bytes(whole[:-20])
    promote(store, folder, bundle.digest)
    assert [watch.look() for _ in range(3)] == [False] * 3

    (folder / "bundle.json").write_bytes(whole)

    # The clock stands still: the change alone calls for the try.
    assert watch.look()
    assert (watch.epoch, refused(watch)) == (1, 1)


def test_champion_that_cannot_load_is_tried_after_pauses_that_double_and_logged_once(
    watch: ChampionWatch, store: str, write: Write, clock: Clock, opened: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    folder, bundle = write("first", 0.5)
    (folder / "cards.parquet").unlink()
    promote(store, folder, bundle.digest)

    tried_at = []
    for second in range(33):
        clock.now, before = float(second), len(opened)
        watch.look()
        tried_at += [second] * (len(opened) - before)

    assert tried_at == [0, 1, 3, 7, 15, 31]
    assert len(logged(caplog, logging.ERROR)) == 1
    assert "champion of epoch 1 is refused, none serves yet: 'cards.parquet'" in logged(caplog, logging.ERROR)[0]
    assert refused(watch) == 1


def test_newer_champion_is_taken_at_once_after_a_refused_one(watch: ChampionWatch, store: str, write: Write) -> None:
    (bad_folder, bad), (folder, good) = write("bad", 0.4), write("good", 0.5)
    (bad_folder / "cards.parquet").unlink()
    promote(store, bad_folder, bad.digest)
    assert not watch.look()

    promote(store, folder, good.digest)

    assert watch.look()
    assert watch.epoch == 2


def test_store_that_does_not_answer_is_no_verdict(
    s3_that_answers: Callable[..., None], write: Write, clock: Clock, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    folder, bundle = write("first", 0.5)
    kept = promote(str(tmp_path / "kept"), folder, bundle.digest)
    record = champion_records.encode(replace(kept, bundle_uri=str(folder)))
    faults = ["<Error><Code>AccessDenied</Code></Error>"] * 2
    entry = "<Contents><Key>champions/000001.json</Key><ETag>&quot;0&quot;</ETag></Contents>"
    listing = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entry}</ListBucketResult>"

    def answer(_: str, path: str, __: bytes) -> tuple[int, bytes]:
        if "list-type" in path:
            return 200, listing.encode()
        return (403, faults.pop().encode()) if faults else (200, record)

    s3_that_answers(answer)
    caplog.set_level(logging.INFO, "modelsat.serving")
    watch = ChampionWatch(
        Predictor("router", EndpointTelemetry(CollectorRegistry()), 1.0), "s3://bucket/champions", clock=clock
    )

    for clock.now in (0.0, 0.5, 1.0, 2.0):
        assert not watch.look()
    clock.now = 3.0

    assert watch.look()
    assert refused(watch) == 0
    (warning,) = logged(caplog, logging.WARNING)
    assert "the champion could not be followed, none serves yet, trying again: S3 denies access" in warning


@pytest.mark.parametrize("left", [1, 0])
def test_deleted_records_bring_back_no_earlier_champion(
    watch: ChampionWatch, store: str, write: Write, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    for name, probability in (("first", 0.4), ("second", 0.5)):
        folder, bundle = write(name, probability)
        promote(store, folder, bundle.digest)
        assert watch.look()
    kept = {path: path.read_bytes() for path in sorted(Path(store).iterdir())}
    for path in list(kept)[left:]:
        path.unlink()

    assert not watch.look()
    assert watch.epoch == 2
    (sentence,) = logged(caplog, logging.ERROR)
    assert (
        f"this endpoint has followed epoch 2, but the newest champion record in {store!r} is that of epoch {left}"
        in (sentence)
    )

    for path, content in kept.items():
        path.write_bytes(content)
    assert not watch.look()
    assert logged(caplog, logging.INFO)[-1] == "the champion records can be followed again after 1 failed tries"


def test_record_that_was_replaced_is_not_followed(
    watch: ChampionWatch, store: str, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    (folder, bundle), (other_folder, other) = write("first", 0.4), write("other", 0.5)
    first = promote(store, folder, bundle.digest)
    assert watch.look()

    forged = replace(first, bundle_uri=str(other_folder), bundle_digest=other.digest)
    (Path(store) / "000001.json").write_bytes(champion_records.encode(forged))

    assert not watch.look()
    assert "was replaced after this endpoint followed it" in logged(caplog, logging.ERROR)[0]


def test_deleted_record_of_an_earlier_epoch_is_reported_and_stops_nothing(
    watch: ChampionWatch, store: str, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        folder, bundle = write(str(number), 0.5 + number / 10)
        promote(store, folder, bundle.digest)
    (Path(store) / "000002.json").unlink()

    assert watch.look()
    assert watch.epoch == 3
    assert champions.missing(store) == [2]
    assert logged(caplog, logging.WARNING) == [f"champion records of epochs [2] were deleted in {store!r}"]


def test_endpoint_tells_of_the_last_promotions_the_newest_first(
    watch: ChampionWatch, store: str, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    for name, probability in (("first", 0.5), ("second", 0.6)):
        folder, bundle = write(name, probability)
        promote(store, folder, bundle.digest)
        assert watch.look()

    told = watch.predictor.standing()

    assert [(row["epoch"], row["verdict"]) for row in told["promotions"]] == [(2, "promoted"), (1, "promoted")]
    assert set(told["promotions"][0]) == {"epoch", "model", "verdict", "promoted_at"}
    assert told["since"].endswith("+00:00")


def test_older_record_that_is_damaged_keeps_no_champion_from_serving(
    watch: ChampionWatch, store: str, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    for name, probability in (("first", 0.5), ("second", 0.6), ("third", 0.7)):
        folder, bundle = write(name, probability)
        promote(store, folder, bundle.digest)
    (Path(store) / "000001.json").write_text("{}")

    assert watch.look()
    assert (watch.epoch, watch.predictor.standing()["promotions"]) == (3, [])
    assert "the promotions before cannot be listed" in logged(caplog, logging.WARNING)[0]
