"""Files behind a URI behave alike in a folder and in S3, and every refusal says where and what to do."""

import hashlib
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from modelsat.errors import ConflictError, InputError, ModelsatError, ServiceError
from modelsat.io import s3, storage

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"

PUBLISH_HALF_A_FILE = """
import shutil, sys, time
from pathlib import Path
from modelsat.io import storage
def half(source, target):
    Path(target).write_text("half")
    print("half", flush=True)
    time.sleep(60)
shutil.copyfile = half
storage.publish_folder(Path(sys.argv[1]), sys.argv[2], last="manifest")
"""


def fill(root: str, **files: str) -> None:
    for name, text in files.items():
        storage.create(storage.join(root, name.replace("__", "/").replace("_csv", ".csv")), text.encode())


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place, once on this machine and once in S3."""
    if request.param == "folder":
        return str(tmp_path / "root")
    return f"s3://{request.getfixturevalue('bucket')}/root"


def race(uri: str, writers: int) -> tuple[list[bytes], Counter[str]]:
    """Let many writers create one file at the same time; return who believes to have won, and what the others got."""
    winners: list[bytes] = []
    faults: Counter[str] = Counter()
    start = threading.Barrier(writers)

    def write(i: int) -> None:
        content = b"%03d" % i * 100
        start.wait()
        try:
            storage.create(uri, content)
        except Exception as error:
            faults[type(error).__name__] += 1
        else:
            winners.append(content)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return winners, faults


def test_snapshot_names_every_file_below_in_order(root: str, tmp_path: Path) -> None:
    fill(root, b_csv="2", a_csv="1", deep__er__c_csv="3")

    files = storage.snapshot(root, tmp_path)

    assert [file.name for file in files] == ["a.csv", "b.csv", "deep/er/c.csv"]
    assert [file.uri for file in files] == [f"{root}/{file.name}" for file in files]
    assert [file.path.read_text() for file in files] == ["1", "2", "3"]
    assert [file.digest for file in files] == [hashlib.sha256(text).hexdigest() for text in (b"1", b"2", b"3")]


def test_snapshot_of_one_file_holds_that_file(root: str, tmp_path: Path) -> None:
    fill(root, a_csv="1", b_csv="2")

    (file,) = storage.snapshot(f"{root}/a.csv", tmp_path)

    assert (file.name, file.path.read_text()) == ("a.csv", "1")


def test_trailing_slash_makes_no_difference_to_a_snapshot(root: str, tmp_path: Path) -> None:
    fill(root, a_csv="1", deep__b_csv="2")

    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one = storage.snapshot(root, tmp_path / "one")
    other = storage.snapshot(f"{root}/", tmp_path / "other")

    assert [file.name for file in one] == [file.name for file in other]


def test_hidden_files_are_left_out(root: str, tmp_path: Path) -> None:
    fill(root, a_csv="1")
    storage.create(storage.join(root, ".hidden"), b"x")
    storage.create(storage.join(root, ".git", "config"), b"x")

    assert [file.name for file in storage.snapshot(root, tmp_path)] == ["a.csv"]


def test_neighbour_with_the_same_beginning_is_never_fetched(root: str, tmp_path: Path) -> None:
    fill(root, v1__a_csv="1", v10__b_csv="2", v1_csv="3")

    assert [file.name for file in storage.snapshot(storage.join(root, "v1"), tmp_path)] == ["a.csv"]
    assert storage.count(storage.join(root, "v1")) == 1


def test_empty_place_is_refused(root: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no files|does not exist"):
        storage.snapshot(root, tmp_path)
    with pytest.raises(InputError, match=r"(holds no files|does not exist); name a folder or s3:// prefix"):
        storage.count(root)


def test_files_are_counted_at_every_depth(root: str) -> None:
    fill(root, a_csv="1", deep__er__b_csv="2")

    assert storage.count(root) == 2
    assert storage.count(f"{root}/a.csv") == 1


def test_hidden_files_are_not_counted(root: str) -> None:
    storage.create(storage.join(root, ".DS_Store"), b"x")

    with pytest.raises(InputError, match="holds no files"):
        storage.count(root)


def test_names_in_s3_are_those_directly_below(bucket: str) -> None:
    fill(f"s3://{bucket}/root", b_csv="2", a_csv="1", deep__c_csv="3")

    assert storage.names(f"s3://{bucket}/root") == ["a.csv", "b.csv"]


def test_names_are_those_directly_below(root: str) -> None:
    fill(root, b_csv="2", a_csv="1", deep__c_csv="3")

    assert storage.names(f"{root}/") == ["a.csv", "b.csv"]


def test_names_at_the_top_of_a_bucket(bucket: str) -> None:
    fill(f"s3://{bucket}", a_csv="1", deep__c_csv="3")

    assert storage.names(f"s3://{bucket}") == ["a.csv"]


def test_place_that_does_not_exist_has_no_names(root: str) -> None:
    assert storage.names(root) == []


def test_created_file_is_read_back(root: str) -> None:
    storage.create(f"{root}/deep/file", b"\x00content\xff")

    assert storage.read(f"{root}/deep/file") == b"\x00content\xff"


def test_missing_file_is_an_input_error_with_its_uri(root: str) -> None:
    fill(root, a_csv="1")

    with pytest.raises(InputError, match=r"root/none\.csv' does not exist"):
        storage.read(f"{root}/none.csv")


def test_existing_file_is_never_replaced(root: str) -> None:
    storage.create(f"{root}/file", b"first")

    with pytest.raises(ConflictError, match=r"root/file' exists already"):
        storage.create(f"{root}/file", b"second")

    assert storage.read(f"{root}/file") == b"first"


def test_of_24_writers_in_s3_exactly_one_wins(bucket: str) -> None:
    winners, faults = race(f"s3://{bucket}/record", 24)

    assert len(winners) == 1
    assert faults == {"ConflictError": 23}
    assert storage.read(f"s3://{bucket}/record") == winners[0]


def test_of_24_writers_in_a_folder_exactly_one_wins(tmp_path: Path, link_together: Callable[[int], None]) -> None:
    link_together(24)

    winners, faults = race(str(tmp_path / "record"), 24)

    assert len(winners) == 1
    assert faults == {"ConflictError": 23}
    assert storage.read(str(tmp_path / "record")) == winners[0]


def test_creating_leaves_nothing_beside(tmp_path: Path) -> None:
    storage.create(str(tmp_path / "file"), b"first")
    with pytest.raises(ConflictError):
        storage.create(str(tmp_path / "file"), b"second")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_creating_on_a_full_disk_is_named_and_leaves_nothing(mount_disk: Callable[[str], Path]) -> None:
    disk = mount_disk("size=64k")

    with pytest.raises(ModelsatError, match="the disk is full"):
        storage.create(str(disk / "file"), b"x" * 100_000)

    assert list(disk.iterdir()) == []


def test_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere' does not exist; name a folder"):
        storage.snapshot(str(tmp_path / "nowhere"), tmp_path)


def test_broken_link_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1")
    (tmp_path / "b.csv").symlink_to(tmp_path / "nowhere")

    assert [file.name for file in storage.snapshot(str(tmp_path), tmp_path)] == ["a.csv"]


def test_published_folder_is_whole_with_the_named_file_last(root: str, tmp_path: Path) -> None:
    fill(str(tmp_path / "from"), manifest="m", a_csv="1", deep__b_csv="2")

    storage.publish_folder(tmp_path / "from", root, last="manifest")

    (tmp_path / "into").mkdir()
    storage.fetch_folder(root, tmp_path / "into")
    copied = {path.relative_to(tmp_path / "into").as_posix() for path in (tmp_path / "into").rglob("*.*")}
    assert copied == {"a.csv", "deep/b.csv"}
    assert (tmp_path / "into" / "manifest").read_text() == "m"
    assert (tmp_path / "into" / "deep" / "b.csv").read_text() == "2"


def test_order_of_publishing_ends_with_the_named_file(s3_that_answers: Callable[..., None], tmp_path: Path) -> None:
    put: list[str] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method == "PUT":
            put.append(path.split("/place/")[1])
            return 200, b""
        return 200, EMPTY_LIST

    s3_that_answers(answer)
    fill(str(tmp_path), a_manifest="m", z_csv="1", deep__b_csv="2")

    storage.publish_folder(tmp_path, "s3://bucket/place", last="a_manifest")

    assert put == ["deep/b.csv", "z.csv", "a_manifest"]


def test_what_is_complete_is_not_published_again(tmp_path: Path) -> None:
    place = tmp_path / "place"
    fill(str(tmp_path / "from"), manifest="m", a_csv="1")
    storage.publish_folder(tmp_path / "from", str(place), last="manifest")
    (place / "a.csv").unlink()

    storage.publish_folder(tmp_path / "from", str(place), last="manifest")

    assert not (place / "a.csv").exists()


def test_interrupted_copy_is_completed(tmp_path: Path) -> None:
    place = tmp_path / "place"
    fill(str(tmp_path / "from"), manifest="m", a_csv="1", b_csv="2")
    fill(str(place), a_csv="half")

    storage.publish_folder(tmp_path / "from", str(place), last="manifest")

    assert {path.name: path.read_text() for path in place.iterdir()} == {"manifest": "m", "a.csv": "1", "b.csv": "2"}


def test_killed_copy_leaves_nothing_in_the_folder_that_does_not_belong_there(tmp_path: Path) -> None:
    source, place = tmp_path / "from", tmp_path / "store" / "place"
    fill(str(source), manifest="m", a_csv="1")
    command = [sys.executable, "-c", PUBLISH_HALF_A_FILE, str(source), str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)

    storage.publish_folder(source, str(place), last="manifest")

    assert sorted(path.name for path in place.iterdir()) == ["a.csv", "manifest"]


@pytest.mark.parametrize("uri", ["s3://", "s3:///prefix"])
def test_uri_without_a_bucket_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="names no bucket; write s3://bucket/prefix"):
        storage.names(uri)


def test_missing_bucket_is_named(bucket: str) -> None:
    for ask in (storage.names, storage.read, storage.count):
        with pytest.raises(InputError, match=r"'s3://no-such-bucket/place' does not exist in S3 \(NoSuchBucket\)"):
            ask("s3://no-such-bucket/place")


def test_bucket_that_denies_access_is_named(s3_that_answers: Callable[..., None], tmp_path: Path) -> None:
    s3_that_answers(lambda *_: (403, DENIED))

    for ask in (storage.names, storage.read, lambda uri: storage.snapshot(uri, tmp_path)):
        with pytest.raises(ServiceError, match=r"S3 denies access to 's3://secret/place' \(AccessDenied\); grant"):
            ask("s3://secret/place")
    with pytest.raises(ServiceError, match="S3 denies access to 's3://secret/'"):
        storage.create("s3://secret/place", b"x")


def test_bucket_that_may_be_read_but_not_written_is_named(s3_that_answers: Callable[..., None], tmp_path: Path) -> None:
    s3_that_answers(lambda method, *_: (200, EMPTY_LIST) if method == "GET" else (403, DENIED))
    fill(str(tmp_path), manifest="m")

    with pytest.raises(ServiceError, match="S3 denies access to 's3://secret/place"):
        storage.publish_folder(tmp_path, "s3://secret/place", last="manifest")


def test_s3_that_fails_is_a_service_error_with_its_status(s3_that_answers: Callable[..., None]) -> None:
    s3_that_answers(lambda *_: (501, b"<Error><Code>NotImplemented</Code></Error>"))

    with pytest.raises(ServiceError, match=r"S3 failed at 's3://bucket/place' \(NotImplemented, HTTP 501\)"):
        storage.read("s3://bucket/place")


def test_s3_that_does_not_answer_is_a_service_error(use_s3: Callable[[str], None]) -> None:
    use_s3("http://127.0.0.1:9")

    with pytest.raises(ServiceError, match=r"S3 did not answer for 's3://bucket/place'.*AWS_ENDPOINT_URL"):
        storage.read("s3://bucket/place")


def test_missing_credentials_are_named(use_s3: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    use_s3("http://127.0.0.1:9")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(InputError, match="no S3 credentials for 's3://bucket/place'; set AWS_ACCESS_KEY_ID"):
        storage.read("s3://bucket/place")


@pytest.fixture
def changing_source(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix with one object that somebody else replaces between its listing and its reading."""
    storage.create(f"s3://{bucket}/place/a.csv", b"old")
    list_objects = s3.list_keys

    def list_and_be_overtaken(*place: str) -> list[tuple[str, str]]:
        found = list_objects(*place)
        s3.client().put_object(Bucket=bucket, Key="place/a.csv", Body=b"new")
        return found

    monkeypatch.setattr(s3, "list_keys", list_and_be_overtaken)
    return f"s3://{bucket}/place"


def test_object_that_changes_while_it_is_read_is_refused(changing_source: str, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"/place/a\.csv' changed while it was read"):
        storage.snapshot(changing_source, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_s3_that_ignores_conditional_writes_is_refused(s3_that_answers: Callable[..., None]) -> None:
    s3_that_answers(lambda *_: (200, b""))

    with pytest.raises(ServiceError, match="ignores If-None-Match"):
        storage.create("s3://bucket/record", b"first")


@pytest.fixture
def put(bucket: str) -> Callable[[str, bytes], None]:
    """Write keys that no client would send, straight into the server."""
    from moto.s3.models import s3_backends

    return lambda key, content: s3_backends["123456789012"]["aws"].put_object(bucket, key, content)


def test_key_that_climbs_is_never_written_outside(
    bucket: str, put: Callable[[str, bytes], None], tmp_path: Path
) -> None:
    put("place/../../evil.csv", b"evil")
    put("place/a.csv", b"good")
    (tmp_path / "deep" / "into").mkdir(parents=True)

    with pytest.raises(InputError, match="would be written outside its folder"):
        storage.snapshot(f"s3://{bucket}/place", tmp_path / "deep" / "into")

    assert not list(tmp_path.rglob("evil.csv"))


def test_key_that_climbs_is_refused(bucket: str, put: Callable[[str, bytes], None], tmp_path: Path) -> None:
    put("place/../../evil.csv", b"evil")
    put("place/a.csv", b"good")

    with pytest.raises(InputError, match="would be written outside its folder; rename the object"):
        storage.snapshot(f"s3://{bucket}/place", tmp_path)


def test_two_keys_never_share_a_file(bucket: str, put: Callable[[str, bytes], None], tmp_path: Path) -> None:
    put("place/a.csv", b"one")
    put("place//a.csv", b"other")

    try:
        files = storage.snapshot(f"s3://{bucket}/place", tmp_path)
    except InputError:
        return

    assert {file.path.read_bytes() for file in files} == {b"one", b"other"}


def test_key_that_is_file_and_folder_at_once_is_refused(
    bucket: str, put: Callable[[str, bytes], None], tmp_path: Path
) -> None:
    put("place/a", b"file")
    put("place/a/b", b"below")

    with pytest.raises(InputError):
        storage.snapshot(f"s3://{bucket}/place", tmp_path)


def test_folder_marker_is_no_file(bucket: str, put: Callable[[str, bytes], None], tmp_path: Path) -> None:
    put("place/", b"")
    put("place/a.csv", b"1")

    assert [file.name for file in storage.snapshot(f"s3://{bucket}/place", tmp_path)] == ["a.csv"]


@pytest.mark.parametrize("key", ["a b.csv", "a+b.csv", "a#b.csv", "a?b.csv", "a%20b.csv", "ä.csv"])
def test_key_with_signs_that_urls_reserve_comes_back(root: str, key: str, tmp_path: Path) -> None:
    storage.create(f"{root}/{key}", b"1")

    assert storage.read(f"{root}/{key}") == b"1"
    assert [file.name for file in storage.snapshot(root, tmp_path)] == [key]


def test_listing_of_more_than_one_page_is_complete(bucket: str, put: Callable[[str, bytes], None]) -> None:
    for i in range(1005):
        put(f"place/{i:04d}", b"")

    assert storage.count(f"s3://{bucket}/place") == 1005


def test_digest_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")

    assert storage.file_digest(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("uri", "joined"), [("/a", "/a/b/c"), ("/a/", "/a/b/c"), ("s3://a", "s3://a/b/c"), ("s3://a/p/", "s3://a/p/b/c")]
)
def test_joining_appends_segments(uri: str, joined: str) -> None:
    assert storage.join(uri, "b", "c") == joined


@pytest.mark.parametrize("name", ["x" * 241 + ".csv", "\u00fc" * 121, "a\0b.csv"])
def test_key_that_no_file_can_have_is_refused(
    bucket: str, put: Callable[[str, bytes], None], tmp_path: Path, name: str
) -> None:
    put(f"place/{name}", b"good")

    with pytest.raises(InputError, match="is no name that a file could have; give the object a shorter one"):
        storage.snapshot(f"s3://{bucket}/place", tmp_path)


def test_key_as_long_as_a_file_s_name_may_be_is_read(
    bucket: str, put: Callable[[str, bytes], None], tmp_path: Path
) -> None:
    put(f"place/{'x' * 236}.csv", b"good")

    assert [file.path.read_bytes() for file in storage.snapshot(f"s3://{bucket}/place", tmp_path)] == [b"good"]
