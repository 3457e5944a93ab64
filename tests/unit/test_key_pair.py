"""A pair of keys: whoever has the public key can check a bundle, with modelsat or without, and cannot sign one."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from modelsat.bundle import bundle, champion_records, champions
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from modelsat.io import key_pair, signing

SECRET = "a secret of more than thirty-two characters"
VARIABLES = (signing.VARIABLE, key_pair.PRIVATE, key_pair.PUBLIC)
Keys = Callable[..., None]


def pem(key: Ed25519PrivateKey) -> tuple[str, str]:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


OURS, THEIRS = (pem(Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32)) for i in (1, 2))


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Return a function that sets which keys a process has, and no others."""

    def set_keys(secret: str = "", private: str = "", public: str = "") -> None:
        for name, value in zip(VARIABLES, (secret, private, public), strict=True):
            monkeypatch.setenv(name, value)

    return set_keys


@pytest.fixture
def signed(make_bundle: Callable[..., Bundle], tmp_path: Path, has: Keys) -> Path:
    """A bundle that was written where our private key is."""
    has(private=OURS[0])
    make_bundle({"only": 0.5}).write(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_bundle_is_read_with_the_public_key_alone(signed: Path, has: Keys) -> None:
    for public in (OURS[1], f"{THEIRS[1]}\n{OURS[1]}", f" {OURS[1]},{THEIRS[1]} "):
        has(public=public)

        assert bundle.read(signed).names == ("only",)


def test_bundle_of_another_key_and_one_without_a_signature_are_refused(
    signed: Path, make_bundle: Callable[..., Bundle], tmp_path: Path, has: Keys
) -> None:
    has()
    make_bundle({"only": 0.5}).write(tmp_path / "plain")
    has(public=THEIRS[1])

    with pytest.raises(InputError, match="is signed with a key that is not in MODELSAT_SIGNING_PUBLIC_KEYS"):
        bundle.read(signed)
    with pytest.raises(InputError, match="is not signed and MODELSAT_SIGNING_PUBLIC_KEYS is set"):
        bundle.read(tmp_path / "plain")


def test_public_key_signs_nothing(make_bundle: Callable[..., Bundle], tmp_path: Path, has: Keys) -> None:
    has(public=OURS[1])

    make_bundle({"only": 0.5}).write(tmp_path / "bundle")

    assert "signature" not in json.loads((tmp_path / "bundle" / "manifest.json").read_text())


@pytest.mark.parametrize("signature", ["", "ed25519:", "ed25519:?", "ed25519:" + "A" * 88, "0" * 64, "ü"])
def test_what_is_no_signature_of_the_content_is_refused(signature: str, has: Keys) -> None:
    has(public=OURS[1])

    with pytest.raises(InputError):
        signing.check("content", signature, "record")


def test_signature_is_for_one_content_and_one_purpose(has: Keys) -> None:
    has(private=OURS[0])
    signature = signing.sign("content")

    signing.check("content", signature, "bundle")
    for content, purpose in (("contents", signing.BUNDLE), ("content", signing.CHAMPION)):
        with pytest.raises(InputError, match="is signed with a key that is not in"):
            signing.check(content, signature, "bundle", purpose)


def test_champion_record_is_signed_by_the_pair_and_refused_once_it_is_changed(tmp_path: Path, has: Keys) -> None:
    has(private=OURS[0])
    made = champions.promote(str(tmp_path), "uri", "digest", "router/1", "run", "promoted", 0)
    has(public=OURS[1])

    assert champions.current(str(tmp_path)) == made
    (tmp_path / "000001.json").write_bytes(champion_records.encode(replace(made, verdict="kept")))
    with pytest.raises(InputError, match="is signed with a key that is not in"):
        champions.current(str(tmp_path))


def test_pair_takes_the_place_of_a_secret_without_an_interruption(has: Keys) -> None:
    """First readers get the public key, then writers the private one, then the secret goes."""
    has(secret=SECRET)
    old = signing.sign("content")
    has(secret=SECRET, private=OURS[0])
    new = signing.sign("content")
    assert new is not None
    assert new.startswith("ed25519:")

    has(secret=SECRET, public=OURS[1])
    for signature in (old, new):
        signing.check("content", signature, "bundle")
    has(public=OURS[1])
    signing.check("content", new, "bundle")
    with pytest.raises(InputError, match="not in MODELSAT_SIGNING_PUBLIC_KEYS"):
        signing.check("content", old, "bundle")
    has(secret=SECRET)
    with pytest.raises(InputError, match="not in MODELSAT_SIGNING_KEY;"):
        signing.check("content", new, "bundle")


def test_key_that_is_none_is_refused_and_never_shown(has: Keys) -> None:
    other = generate_private_key(SECP256R1()).public_key()
    curve = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for keys in (
        {"private": "swordfish"},
        {"private": OURS[1]},
        {"public": "swordfish"},
        {"public": OURS[1] + "swordfish"},
    ):
        has(**keys)
        with pytest.raises(InputError, match="Ed25519") as refused:
            signing.check("content", "ed25519:AAAA", "bundle")
        assert "swordfish" not in str(refused.value)
    for public in (OURS[0], curve):
        has(public=public)
        with pytest.raises(InputError, match="holds something other than Ed25519 public keys"):
            signing.check("content", "ed25519:AAAA", "bundle")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_makes_the_keys_and_checks_the_signature_without_modelsat(
    make_bundle: Callable[..., Bundle], tmp_path: Path, has: Keys
) -> None:
    def openssl(*arguments: str) -> str:
        run = subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return run.stdout

    has(private=openssl("genpkey", "-algorithm", "ed25519", "-out", "-"))
    (tmp_path / "private.pem").write_text(os.environ[key_pair.PRIVATE])
    (tmp_path / "public.pem").write_text(openssl("pkey", "-in", "private.pem", "-pubout"))
    written = make_bundle({"only": 0.5}).write(tmp_path / "bundle")
    signature = json.loads((tmp_path / "bundle" / "manifest.json").read_text())["signature"]

    (tmp_path / "signature").write_bytes(base64.b64decode(signature.partition(":")[2]))
    (tmp_path / "signed").write_text(f"modelsat-bundle-1:{written.digest}")
    check = ("pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-sigfile", "signature", "-in")

    assert "Verified Successfully" in openssl(*check, "signed")
    (tmp_path / "signed").write_text("modelsat-bundle-1:another")
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*check, "signed")
