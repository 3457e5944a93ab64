"""Who is champion: one record per epoch, made once, read by everybody alike."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from modelsat.bundle import champions
from modelsat.bundle.champions import Champion
from modelsat.errors import ConflictError, InputError

LISTING = "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>"
ENTRY = "<Contents><Key>champions/{}</Key><ETag>&quot;0&quot;</ETag></Contents>"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store; the slash at the end stands in for the bug that test_storage shows (names in S3)."""
    if request.param == "folder":
        return str(tmp_path / "champions")
    return f"s3://{request.getfixturevalue('bucket')}/champions/"


def promote(store: str, run: str, against: int) -> Champion:
    return champions.promote(store, f"store/{run}", f"digest-{run}", f"router/{run}", run, "promoted", against)


def test_nobody_is_champion_at_first(store: str) -> None:
    assert champions.current(store) is None


def test_promoted_challenger_is_champion(store: str) -> None:
    made = promote(store, "run-1", against=0)

    assert champions.current(store) == made
    assert (made.epoch, made.bundle_uri, made.bundle_digest) == (1, "store/run-1", "digest-run-1")
    assert (made.model, made.run_id, made.verdict) == ("router/run-1", "run-1", "promoted")
    assert made.promoted_at.endswith("+00:00")


def test_epochs_count_up_and_the_newest_is_champion(store: str) -> None:
    made = [promote(store, f"run-{i}", against=i) for i in range(11)]

    assert [each.epoch for each in made] == list(range(1, 12))
    assert champions.current(store) == made[-1]


def test_promoting_twice_in_one_run_makes_one_record(store: str) -> None:
    first = promote(store, "run-1", against=0)

    again = promote(store, "run-1", against=0)

    assert again == first
    assert champions.current(store) == first


def test_champion_that_changed_since_the_comparison_is_a_conflict(store: str) -> None:
    promote(store, "run-1", against=0)

    with pytest.raises(ConflictError, match=r"epoch 1 in .* was promoted after this run compared with epoch 0"):
        promote(store, "run-2", against=0)

    assert champions.current(store).run_id == "run-1"


def test_epoch_that_never_was_is_a_conflict(store: str) -> None:
    with pytest.raises(ConflictError, match=r"epoch 0 .* compared with epoch 3"):
        promote(store, "run-1", against=3)


def test_champion_in_s3_is_found_without_a_slash_at_the_end(bucket: str) -> None:
    made = promote(f"s3://{bucket}/champions", "run-1", against=0)

    assert champions.current(f"s3://{bucket}/champions") == made


def test_repeated_promotion_is_harmless_after_another_run_promoted(tmp_path: Path) -> None:
    store = str(tmp_path)
    first = promote(store, "run-1", against=0)
    promote(store, "run-2", against=1)

    assert promote(store, "run-1", against=0) == first


def test_promotion_whose_answer_is_lost_is_still_ours(s3_that_answers: Callable[..., None]) -> None:
    objects: dict[str, bytes] = {}

    def answer(method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        name = path.split("?")[0].rsplit("/", 1)[1]
        if method == "PUT" and name in objects:
            return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
        if method == "PUT":
            objects[name] = body
            return None
        if "list-type" in path:
            return 200, LISTING.format("".join(map(ENTRY.format, objects))).encode()
        return 200, objects[name]

    s3_that_answers(answer)

    assert promote("s3://bucket/champions/", "run-1", against=0).run_id == "run-1"


def race(store: str) -> tuple[list[Champion], Counter[str]]:
    made: list[Champion] = []
    faults: Counter[str] = Counter()
    start = threading.Barrier(16)

    def run(i: int) -> None:
        start.wait()
        try:
            made.append(promote(store, f"run-{i}", against=0))
        except Exception as error:
            faults[type(error).__name__] += 1

    threads = [threading.Thread(target=run, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made, faults


def test_of_16_runs_at_once_exactly_one_is_promoted_in_s3(bucket: str) -> None:
    store = f"s3://{bucket}/champions/"

    made, faults = race(store)

    assert len(made) == 1
    assert faults == {"ConflictError": 15}
    assert champions.current(store) == made[0]


def test_of_16_runs_at_once_exactly_one_is_promoted_in_a_folder(
    tmp_path: Path, link_together: Callable[[int], None]
) -> None:
    link_together(16)

    made, faults = race(str(tmp_path))

    assert len(made) == 1
    assert faults == {"ConflictError": 15}
    assert champions.current(str(tmp_path)) == made[0]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "7", '{"epoch": 1}', "\x00" * 40])
def test_damaged_record_is_named_and_never_skipped(tmp_path: Path, content: str) -> None:
    promote(str(tmp_path), "run-1", against=0)
    (tmp_path / "000002.json").write_text(content)

    with pytest.raises(InputError, match=r"champion record '.*000002\.json' is damaged .*; restore it"):
        champions.current(str(tmp_path))


def test_record_is_plain_json(tmp_path: Path) -> None:
    made = promote(str(tmp_path), "run-1", against=0)

    assert json.loads((tmp_path / "000001.json").read_text()) == asdict(made)


def test_other_files_in_the_store_are_no_records(tmp_path: Path) -> None:
    made = promote(str(tmp_path), "run-1", against=0)
    for name in (".000009.json.123", "README.md", "latest.json", "000009.json.bak", "00009.json"):
        (tmp_path / name).write_text("{}")

    assert champions.current(str(tmp_path)) == made


def test_page_names_champion_bundle_and_run(tmp_path: Path) -> None:
    page = champions.page(promote(str(tmp_path), "run-1", against=0))

    assert page.startswith("**Epoch 1: router/run-1** (promoted), promoted at 20")
    assert "`store/run-1`" in page
    assert "`run-1`" in page
