"""Says, and signs, which commit and which pins artefacts were built from: SLSA provenance 1.0 in a DSSE envelope.

    python infra/provenance.py OUT ARTEFACT...

An artefact is a file, such as a wheel or a bill of materials, or an image that was pushed, as NAME@sha256:DIGEST. The
key in `MODELSAT_SIGNING_PRIVATE_KEY` signs, and its public key checks; without a key there is no signature, and a line
says so.

Source: https://slsa.dev/spec/v1.0/provenance, https://github.com/secure-systems-lab/dsse (protocol 1.0).
"""

import argparse
import base64
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from modelsat import __version__
from modelsat.errors import InputError
from modelsat.io import key_pair, storage
from modelsat.io.atomic import write_json
from modelsat.io.checkout import Commit, commit_of

ROOT = Path(__file__).parents[1]
PAYLOAD = "application/vnd.in-toto+json"
BUILD = "https://slsa.dev/provenance/v1"
_IMAGE = re.compile(r"(?P<name>[^@\s]+)@sha256:(?P<digest>[0-9a-f]{64})")
_PINS = ("constraints.txt", "hashes.txt", "pyproject.toml", "Makefile", "infra/images/build.sh")


def statement(artefacts: list[str], commit: Commit | None, builder: str, base_image: str = "") -> dict[str, Any]:
    """Return the in-toto statement about artefacts.

    Args:
        artefacts: Files, and images as NAME@sha256:DIGEST.
        commit: Of the checkout that they were built from.
        builder: URI of who built them.
        base_image: Of the images, as NAME@sha256:DIGEST; empty where none was built.

    Raises:
        InputError: The checkout differs from its commit or has none, or an artefact is neither file nor image.
    """
    if commit is None:
        raise InputError(
            "provenance names a commit, and these files are of none; build in a checkout of the repository"
        )
    if commit.changed:
        shown = ", ".join(commit.changes[:5]) + (", ..." if len(commit.changes) > 5 else "")
        raise InputError(
            f"provenance names a commit, and this checkout differs from it ({shown or 'git does not say where'}); "
            "commit these files, or move what does not belong here away"
        )
    base = [_image(base_image)] if base_image else []
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [_image(one) if _IMAGE.fullmatch(one) else _file(Path(one)) for one in artefacts],
        "predicateType": BUILD,
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:modelsat:make:1",
                "externalParameters": {"version": __version__, "python": sys.version.split()[0]},
                "resolvedDependencies": [
                    {"name": "modelsat", "digest": {"gitCommit": commit.revision}},
                    *({**_file(ROOT / name), "name": name} for name in _PINS),
                    *base,
                ],
            },
            "runDetails": {"builder": {"id": builder}},
        },
    }


def envelope(payload: bytes) -> dict[str, Any]:
    """Return a DSSE envelope of a statement, signed where there is a private key."""
    signed = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)
    signatures = [{"sig": key_pair.sign(signed).removeprefix(key_pair.PREFIX)}] if key_pair.signs() else []
    return {"payloadType": PAYLOAD, "payload": base64.b64encode(payload).decode(), "signatures": signatures}


def _file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{str(path)!r} is no file and no image as NAME@sha256:DIGEST; build it first")
    return {"name": path.name, "digest": {"sha256": storage.file_digest(path)}}


def _image(text: str) -> dict[str, Any]:
    found = _IMAGE.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r} names no image by its digest; write it as NAME@sha256:DIGEST")
    return {"name": found["name"], "digest": {"sha256": found["digest"]}}


def main() -> int:
    """Write the envelope; return 2 with a sentence where it cannot be true."""
    parser = argparse.ArgumentParser(description="Write signed SLSA provenance of artefacts.")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("artefacts", nargs="+", metavar="ARTEFACT", help="file, or NAME@sha256:DIGEST")
    parser.add_argument("--builder", default="urn:modelsat:make", help="URI of who builds")
    arguments = parser.parse_args()
    try:
        told = statement(arguments.artefacts, commit_of(ROOT), arguments.builder, os.environ.get("BASE_IMAGE", ""))
        sealed = envelope(json.dumps(told, sort_keys=True).encode())
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    write_json(arguments.out, sealed)
    how = "signed" if sealed["signatures"] else f"not signed: {key_pair.PRIVATE} is not set"
    sys.stdout.write(f"{arguments.out}: {len(told['subject'])} artefacts, {how}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
