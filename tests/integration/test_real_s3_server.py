"""Results read from a real S3 server: rclone from PyPI, with signatures, over HTTP."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelsat.data import collection, sample
from modelsat.errors import InputError, ServiceError
from modelsat.io import s3, storage

RCLONE = Path(sys.executable).with_name("rclone")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str, Path]]:
    """Serve a folder; yield the URL, both halves of the key, and the folder whose subfolders are buckets."""
    root = tmp_path_factory.mktemp("buckets")
    sample.write(root / "results" / "nightly", prompts=320)
    key, secret = secrets.token_hex(10), secrets.token_hex(20)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{key},{secret}", root]
    environment = {**os.environ, "RCLONE_CONFIG": os.devnull}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(f"http://127.0.0.1:{port}/", process)
        yield f"http://127.0.0.1:{port}", key, secret, root
    finally:
        process.kill()
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
            continue
        return
    pytest.fail("rclone did not start")


@pytest.fixture
def served_folder(served: tuple[str, str, str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Point boto3 at the server; yield the folder of its buckets."""
    url, key, secret, root = served
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    for name, value in zip(names, (url, key, secret, "us-east-1"), strict=True):
        monkeypatch.setenv(name, value)
    s3.client.cache_clear()
    s3.prove_conditional_writes.cache_clear()
    yield root
    s3.client.cache_clear()
    s3.prove_conditional_writes.cache_clear()


def test_results_in_a_real_bucket_are_those_of_the_folder(served_folder: Path) -> None:
    far = collection.collect(["s3://results/nightly"])
    near = collection.collect([str(served_folder / "results" / "nightly")])

    assert far.digest() == near.digest()
    assert far.scores["source_uri"][0].as_py() == "s3://results/nightly/scores.csv"


def test_wrong_secret_is_refused_with_the_bucket_named(served_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "0" * 40)
    s3.client.cache_clear()

    with pytest.raises(ServiceError, match="S3 denies access to 's3://results/nightly'"):
        collection.collect(["s3://results/nightly"])


def test_missing_bucket_is_named(served_folder: Path) -> None:
    with pytest.raises(InputError, match="s3://no-such-bucket"):
        collection.collect(["s3://no-such-bucket/x"])


def test_server_without_conditional_writes_keeps_no_champion_records(served_folder: Path) -> None:
    with pytest.raises(ServiceError, match="ignores If-None-Match"):
        storage.create("s3://results/champions/000001.json", b"{}")

    assert not (served_folder / "results" / "champions" / "000001.json").exists()


def test_published_folder_comes_back_whole(served_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.bin").write_bytes(os.urandom(100_000))
    (tmp_path / "in" / "manifest.json").write_text("{}")
    (tmp_path / "out").mkdir()

    storage.publish_folder(tmp_path / "in", "s3://results/bundles/x", last="manifest.json")
    storage.fetch_folder("s3://results/bundles/x", tmp_path / "out")

    assert (tmp_path / "out" / "deep" / "a.bin").read_bytes() == (tmp_path / "in" / "deep" / "a.bin").read_bytes()
