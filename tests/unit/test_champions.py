"""Who is champion: one record per epoch, made once, read by everybody alike."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from modelsat.bundle import champion_records, champions
from modelsat.bundle.champions import Champion
from modelsat.errors import ConflictError, InputError
from modelsat.io import signing, storage

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


KEY, OTHER_KEY = "k" * 32, "o" * 32


def test_each_record_names_the_one_before_it(store: str) -> None:
    made = [promote(store, f"run-{i}", against=i) for i in range(3)]

    contents = [storage.read(storage.join(store, f"{epoch:06d}.json")) for epoch in (1, 2)]
    assert [each.previous for each in made] == ["", *(hashlib.sha256(content).hexdigest() for content in contents)]


def of_0_1_0(champion: Champion) -> bytes:
    told = asdict(champion)
    return json.dumps({name: told[name] for name in list(told)[:7]}, indent=2).encode()


def test_records_of_0_1_0_are_read_and_followed_by_chained_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(tmp_path)
    for epoch in (1, 2):
        promote(store, f"run-{epoch}", against=epoch - 1)
        record = tmp_path / f"{epoch:06d}.json"
        record.write_bytes(of_0_1_0(Champion(**json.loads(record.read_bytes()))))
    monkeypatch.setenv(signing.VARIABLE, KEY)

    old = champions.current(store)
    new = promote(store, "run-3", against=2)

    assert old is not None
    assert (old.epoch, old.previous, old.signature) == (2, None, None)
    assert new.previous == hashlib.sha256((tmp_path / "000002.json").read_bytes()).hexdigest()
    assert champions.current(store) == new


def test_record_without_a_chain_after_a_chained_one_is_refused(tmp_path: Path) -> None:
    first = promote(str(tmp_path), "run-1", against=0)
    for epoch in (2, 3):
        (tmp_path / f"{epoch:06d}.json").write_bytes(of_0_1_0(replace(first, epoch=epoch)))

    with pytest.raises(
        InputError, match=r"000003\.json' does not name the record before it, though '000001\.json' does"
    ):
        champions.current(str(tmp_path))


def test_replaced_record_is_noticed_by_the_one_after_it(tmp_path: Path) -> None:
    first = promote(str(tmp_path), "run-1", against=0)
    promote(str(tmp_path), "run-2", against=1)

    (tmp_path / "000001.json").write_bytes(champion_records.encode(replace(first, bundle_uri="elsewhere")))

    with pytest.raises(InputError, match=r"000002\.json' follows another record than '000001\.json'"):
        champions.current(str(tmp_path))
    with pytest.raises(InputError, match="one of them was replaced"):
        promote(str(tmp_path), "run-3", against=2)


def test_record_of_one_epoch_is_none_of_another(tmp_path: Path) -> None:
    promote(str(tmp_path), "run-1", against=0)
    promote(str(tmp_path), "run-2", against=1)
    (tmp_path / "000003.json").write_bytes((tmp_path / "000001.json").read_bytes())

    with pytest.raises(InputError, match="says epoch 1 under the name of epoch 3"):
        champions.current(str(tmp_path))


def test_signed_record_is_read_where_the_key_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.VARIABLE, KEY)
    made = promote(str(tmp_path), "run-1", against=0)

    for keys in (KEY, f"{OTHER_KEY},{KEY}", ""):
        monkeypatch.setenv(signing.VARIABLE, keys)
        assert champions.current(str(tmp_path)) == made


@pytest.mark.parametrize("field", ["bundle_uri", "bundle_digest", "model", "run_id", "verdict", "previous"])
def test_record_that_a_stranger_wrote_or_changed_is_refused_where_there_is_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    store = str(tmp_path)
    promote(store, "run-1", against=0)
    monkeypatch.setenv(signing.VARIABLE, KEY)
    with pytest.raises(InputError, match=r"000001\.json' is not signed and MODELSAT_SIGNING_KEY is set"):
        champions.current(store)

    (tmp_path / "000001.json").unlink()
    made = promote(store, "run-1", against=0)
    (tmp_path / "000001.json").write_bytes(champion_records.encode(replace(made, **{field: "changed"})))
    with pytest.raises(InputError, match="is signed with a key that is not in MODELSAT_SIGNING_KEY"):
        champions.current(store)


def test_signature_of_a_bundle_signs_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.VARIABLE, KEY)

    with pytest.raises(InputError, match="is signed with a key that is not in"):
        signing.check("content", signing.sign("content"), "record", signing.CHAMPION)


@pytest.mark.parametrize(
    ("field", "value"),
    [("epoch", "2"), ("epoch", True), ("epoch", 2.0), ("bundle_uri", 7), ("model", None), ("promoted_at", "yesterday")],
)
def test_record_with_a_value_of_another_kind_is_damaged(tmp_path: Path, field: str, value: object) -> None:
    promote(str(tmp_path), "run-1", against=0)
    second = asdict(promote(str(tmp_path), "run-2", against=1))
    (tmp_path / "000002.json").write_text(json.dumps(second | {field: value}))

    with pytest.raises(InputError, match=r"000002\.json' is damaged"):
        champions.current(str(tmp_path))


def test_records_that_end_before_what_was_followed_are_refused(tmp_path: Path) -> None:
    made = promote(str(tmp_path), "run-1", against=0)

    champions.require_not_behind(str(tmp_path), made, 1, "the endpoint")
    champions.require_not_behind(str(tmp_path), None, 0, "the endpoint")
    with pytest.raises(
        InputError, match=r"the endpoint has followed epoch 2, but the newest champion record .* epoch 1"
    ):
        champions.require_not_behind(str(tmp_path), made, 2, "the endpoint")
    with pytest.raises(InputError, match="epoch 0: a record was deleted"):
        champions.require_not_behind(str(tmp_path), None, 1, "the endpoint")
