"""Provenance names what was built and from what, and its signature is one that others can check."""

import base64
import hashlib
import json
import runpy
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from modelsat.errors import InputError
from modelsat.io import key_pair
from modelsat.io.checkout import Commit

ROOT = Path(__file__).parents[2]
PROVENANCE = runpy.run_path(str(ROOT / "infra" / "provenance.py"))
CLEAN = Commit("c" * 40, changed=False)
IMAGE = "registry.example.com:5000/serving@sha256:" + "d" * 64


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "modelsat.whl"
    path.write_bytes(b"wheel")
    return path


def test_statement_names_artefacts_commit_and_pins_by_digest(wheel: Path) -> None:
    told = PROVENANCE["statement"]([str(wheel), IMAGE], CLEAN, "urn:builder", "python@sha256:" + "b" * 64)

    build = told["predicate"]["buildDefinition"]
    needs = {one["name"]: one["digest"] for one in build["resolvedDependencies"]}
    assert told["subject"] == [
        {"name": "modelsat.whl", "digest": {"sha256": hashlib.sha256(b"wheel").hexdigest()}},
        {"name": "registry.example.com:5000/serving", "digest": {"sha256": "d" * 64}},
    ]
    assert needs["modelsat"] == {"gitCommit": "c" * 40}
    assert needs["constraints.txt"] == {"sha256": hashlib.sha256((ROOT / "constraints.txt").read_bytes()).hexdigest()}
    assert needs["python"] == {"sha256": "b" * 64}
    assert told["predicate"]["runDetails"] == {"builder": {"id": "urn:builder"}}


@pytest.mark.parametrize(
    ("commit", "sentence"),
    [
        (None, "these files are of none; build in a checkout"),
        (
            Commit("c" * 40, changed=True, changes=("catalogue.yaml", "measured/")),
            r"differs from it \(catalogue.yaml, measured/\); commit these files, or move",
        ),
    ],
)
def test_nothing_is_said_of_a_checkout_that_no_commit_describes(
    commit: Commit | None, sentence: str, wheel: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        PROVENANCE["statement"]([str(wheel)], commit, "urn:builder")


def test_images_are_named_by_digest_and_files_exist(wheel: Path) -> None:
    with pytest.raises(InputError, match="'serving:latest' is no file and no image as NAME@sha256:DIGEST"):
        PROVENANCE["statement"](["serving:latest"], CLEAN, "urn:builder")
    with pytest.raises(InputError, match=r"'python:3\.11' names no image by its digest"):
        PROVENANCE["statement"]([str(wheel)], CLEAN, "urn:builder", "python:3.11")


def test_signature_is_over_the_encoding_that_dsse_prescribes(monkeypatch: pytest.MonkeyPatch) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    monkeypatch.setenv(key_pair.PRIVATE, pem)

    sealed = PROVENANCE["envelope"](b'{"a":1}')

    signature = base64.b64decode(sealed["signatures"][0]["sig"])
    key.public_key().verify(signature, b'DSSEv1 28 application/vnd.in-toto+json 7 {"a":1}')
    assert json.loads(base64.b64decode(sealed["payload"])) == {"a": 1}
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, b'{"a":1}')


def test_without_a_key_there_is_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(key_pair.PRIVATE, raising=False)
    assert PROVENANCE["envelope"](b"{}")["signatures"] == []
