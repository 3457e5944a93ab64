"""The manifest of a bundle: size and SHA-256 of every file, written last; its digest names the bundle."""

import json
from pathlib import Path
from typing import Any

from modelsat.errors import InputError
from modelsat.io import signing, storage
from modelsat.io.atomic import as_json, write_json
from modelsat.text import rendering

MANIFEST = "manifest.json"


def write(folder: Path) -> str:
    """Write the manifest of a bundle's folder, signed where there is a key, and return the bundle's digest."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): (path.stat().st_size, storage.file_digest(path)) for path in paths}
    digest = _digest(files)
    write_json(folder / MANIFEST, _manifest(files, signing.sign(digest)))
    return digest


def verify(folder: Path, uri: str = "") -> str:
    """Check every file of a bundle against its manifest and return the bundle's digest.

    Args:
        folder: Of the bundle.
        uri: As of `bundle.read`.

    Raises:
        InputError: There is no manifest, a file is absent, changed or not named in it, or its signature is not ours.
    """
    named = repr(uri or str(folder))
    try:
        raw = (folder / MANIFEST).read_text(encoding="utf-8")
        manifest = json.loads(raw)
        files = {str(name): (int(facts["size"]), str(facts["sha256"])) for name, facts in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{named} is no complete router bundle: it has no readable {MANIFEST}") from error
    digest = _digest(files)
    signature = manifest.get("signature")
    if raw != as_json(_manifest(files, signature)):
        raise InputError(f"{MANIFEST!r} of bundle {named} is not as it was written; fetch the bundle again")
    signing.check(digest, signature, f"bundle {named}")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    for name in sorted(present ^ files.keys()):
        state = "is missing" if name in files else "does not belong there"
        raise InputError(f"{name!r} of bundle {named} {state}; fetch the bundle again")
    for name, (size, sha256) in sorted(files.items()):
        path = folder / name
        if path.stat().st_size != size or storage.file_digest(path) != sha256:
            raise InputError(f"{name!r} of bundle {named} differs from its manifest; fetch the bundle again")
    return digest


def _manifest(files: dict[str, tuple[int, str]], signature: str | None) -> dict[str, Any]:
    manifest = {"files": {name: {"size": size, "sha256": sha256} for name, (size, sha256) in files.items()}}
    return manifest if signature is None else manifest | {"signature": signature}


def _digest(files: dict[str, tuple[int, str]]) -> str:
    return rendering.digest(json.dumps(sorted((name, size, digest) for name, (size, digest) in files.items())))
