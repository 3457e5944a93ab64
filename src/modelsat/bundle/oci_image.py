"""Writes a bundle as a container image that holds nothing else, for registries and KServe's `oci://` storage.

The image is an OCI layout on disk: one layer with the bundle's files under `/models/`, where KServe looks for them, and
an index with a platform for each machine that may serve it, since the files are the same on all. The same bundle always
gives the same image, so a digest in a registry can be compared with a bundle.

Source: https://github.com/opencontainers/image-spec (1.1), and the readers of `oci+native://` and `oci+fetch://` in
KServe 0.21.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelsat import __version__
from modelsat.bundle import opening
from modelsat.errors import InputError
from modelsat.io.atomic import atomic_folder

MODELS = "models"
PLATFORMS = ("amd64", "arm64")
"""Architectures that the index names; a node takes no image that does not name its own."""
BUNDLE_DIGEST = "modelsat.bundle.digest"
"""Annotation with the digest that champion records and `modelsat status` know the bundle by."""
_OCI = "application/vnd.oci.image"
_MARKER = "oci-layout"


def write(uri: str, into: Path, tag: str = "latest") -> str:
    """Write a bundle as an OCI layout, completely or not at all, and return the digest of its index.

    Args:
        uri: Of the bundle, as of `opening.opened`.
        into: Folder of the layout; an older layout there is replaced.
        tag: Name of the image within the layout.

    Returns:
        `sha256:` and 64 hexadecimal digits, by which a registry knows the image, too.

    Raises:
        InputError: There is no whole bundle, or `into` holds something other than a layout.
        ServiceError: As of `opening.opened`.
        ResourceError: The disk is full.
    """
    if into.exists() and not (into / _MARKER).is_file():
        raise InputError(f"{str(into)!r} exists and is no OCI layout; name a new folder")
    with opening.fetched(uri) as (bundle, digest), atomic_folder(into) as layout:
        blobs = _Blobs(layout / "blobs" / "sha256")
        layer = blobs.add_layer(bundle)
        annotations = {
            "org.opencontainers.image.title": "modelsat router",
            "org.opencontainers.image.version": __version__,
            BUNDLE_DIGEST: digest,
        }
        manifests = list(_manifests(blobs, layer, annotations))
        index = blobs.add_json("index.v1", {"manifests": manifests, "annotations": annotations})
        named = index | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        (layout / "index.json").write_bytes(_json({**_versioned("index.v1"), "manifests": [named]}))
        (layout / _MARKER).write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return str(index["digest"])


class _Blobs:
    """Files of a layout that are named by their content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def add_layer(self, bundle: Path) -> dict[str, Any]:
        """Add a layer with the files of a folder, whoever owns them and whenever they were written."""
        beside = self.folder / ".layer"
        with tarfile.open(beside, "w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(_entry(MODELS, tarfile.DIRTYPE, 0o755))
            for path in sorted(bundle.rglob("*")):
                name = f"{MODELS}/{path.relative_to(bundle).as_posix()}"
                if path.is_dir():
                    archive.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
                    continue
                with path.open("rb") as content:
                    archive.addfile(_entry(name, tarfile.REGTYPE, 0o644, path.stat().st_size), content)
        with beside.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        size = beside.stat().st_size
        beside.rename(self.folder / digest)
        return {"mediaType": f"{_OCI}.layer.v1.tar", "digest": f"sha256:{digest}", "size": size}

    def add_json(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """Add a document and return its descriptor."""
        raw = _json(content if kind.startswith("config") else _versioned(kind) | content)
        digest = hashlib.sha256(raw).hexdigest()
        (self.folder / digest).write_bytes(raw)
        return {"mediaType": f"{_OCI}.{kind}+json", "digest": f"sha256:{digest}", "size": len(raw)}


def _manifests(blobs: _Blobs, layer: dict[str, Any], annotations: dict[str, str]) -> Iterator[dict[str, Any]]:
    for architecture in PLATFORMS:
        platform = {"architecture": architecture, "os": "linux"}
        config = blobs.add_json(
            "config.v1", {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
        )
        manifest = {"config": config, "layers": [layer], "annotations": annotations}
        yield blobs.add_json("manifest.v1", manifest) | {"platform": platform}


def _entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = kind, mode, size
    return entry


def _versioned(kind: str) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": f"{_OCI}.{kind}+json"}


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
