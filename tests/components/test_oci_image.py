"""A bundle travels as a container image, the same for the same bundle, and a registry's client brings it back whole."""

import hashlib
import http.server
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import oras.provider
import pytest

from modelsat.bundle import bundle, oci_image
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError

Packed = tuple[Path, Path, str]


@pytest.fixture(scope="module")
def packed(make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """A bundle's folder, the layout that was written of it, and the image's digest."""
    folder = tmp_path_factory.mktemp("oci")
    make_bundle({"a": 0.25, "b": 0.75}).write(folder / "bundle")
    return folder / "bundle", folder / "layout", oci_image.write(str(folder / "bundle"), folder / "layout", "one")


@pytest.fixture
def registry(packed: Packed) -> Iterator[str]:
    """Address of a registry that serves the layout, read-only, as the distribution specification says."""
    _, layout, digest = packed

    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reference = self.path.rpartition("/")[2]
            name = (digest if reference == "one" else reference).removeprefix("sha256:")
            path = layout / "blobs" / "sha256" / name
            content = path.read_bytes() if path.is_file() else b""
            self.send_response(200 if content else 404)
            kind = json.loads(content).get("mediaType") if "/manifests/" in self.path else None
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Stay quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_blob_is_named_by_its_content(packed: Packed) -> None:
    blobs = list((packed[1] / "blobs" / "sha256").iterdir())

    assert len(blobs) == 6  # a layer, an index, and a manifest with a configuration for each of two platforms
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in blobs] == [path.name for path in blobs]


def test_image_says_which_bundle_it_holds(packed: Packed) -> None:
    folder, layout, digest = packed
    (named,) = json.loads((layout / "index.json").read_text())["manifests"]
    index = json.loads((layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_text())

    assert named["digest"] == digest
    assert named["annotations"] == {"org.opencontainers.image.ref.name": "one"}
    assert index["annotations"]["modelsat.bundle.digest"] == bundle.verify(folder)
    assert [one["platform"]["architecture"] for one in index["manifests"]] == ["amd64", "arm64"]


def test_same_bundle_gives_the_same_image(packed: Packed, tmp_path: Path) -> None:
    (packed[0] / "bundle.json").touch()
    assert oci_image.write(str(packed[0]), tmp_path / "again") == packed[2]


def test_registry_client_brings_the_bundle_back_whole(packed: Packed, registry: str, tmp_path: Path) -> None:
    client = oras.provider.Registry(hostname=registry, insecure=True)
    index = client.get_manifest(f"{registry}/router:one")
    (layer,) = client.pull(target=f"{registry}/router@{index['manifests'][0]['digest']}", outdir=str(tmp_path))
    with tarfile.open(layer) as archive:
        archive.extractall(tmp_path, filter="data")

    assert bundle.verify(tmp_path / "models") == bundle.verify(packed[0])


def test_damaged_bundle_is_not_packed(packed: Packed, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no complete router bundle"):
        oci_image.write(str(tmp_path), tmp_path / "layout")
    assert not (tmp_path / "layout").exists()


def test_folder_of_something_else_is_left_alone(packed: Packed, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is no OCI layout; name a new folder"):
        oci_image.write(str(packed[0]), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
