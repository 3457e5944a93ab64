"""Signatures by a pair of Ed25519 keys: who holds the private key signs, and whoever has the public key can check.

Unlike the shared secret of `signing`, the public key that an endpoint has makes no signature. Keys are PEM as `openssl
genpkey -algorithm ed25519` writes them, and signatures are those that `openssl pkeyutl -verify -rawin` checks.
"""

import base64
import binascii
import os
import re
from typing import TYPE_CHECKING

from modelsat.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRIVATE, PUBLIC = "MODELSAT_SIGNING_PRIVATE_KEY", "MODELSAT_SIGNING_PUBLIC_KEYS"
"""Environment variables with the private key that signs, and with all public keys whose signatures are accepted."""
PREFIX = "ed25519:"
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


def signs() -> bool:
    """Say whether there is a private key."""
    return bool(os.environ.get(PRIVATE, "").strip())


def checks() -> bool:
    """Say whether there is a public key, which a private key holds as well."""
    return signs() or bool(os.environ.get(PUBLIC, "").strip())


def sign(content: bytes) -> str:
    """Return the signature of a content by the private key.

    Raises:
        InputError: The variable holds no such key.
    """
    return PREFIX + base64.b64encode(_private_key().sign(content)).decode()


def is_signed(content: bytes, signature: str) -> bool:
    """Say whether a content was signed by the private key of one of the public keys.

    Raises:
        InputError: A variable holds no such key.
    """
    from cryptography.exceptions import InvalidSignature

    keys = _public_keys()
    if not signature.startswith(PREFIX):
        return False
    try:
        raw = base64.b64decode(signature.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    for key in keys:
        try:
            key.verify(raw, content)
        except InvalidSignature:
            continue
        return True
    return False


def _private_key() -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(os.environ[PRIVATE].strip().encode(), None)
    # Not `from error`, and with no word of it: it may quote the key.
    except Exception:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"{PRIVATE} holds no Ed25519 private key in PEM without a password; make one with "
            "`openssl genpkey -algorithm ed25519`"
        ) from None
    return key


def _public_keys() -> "list[Ed25519PublicKey]":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    text = os.environ.get(PUBLIC, "").strip()
    found = [_private_key().public_key()] if signs() else []
    blocks = [match.group(0) for match in _BLOCK.finditer(text)]
    # What stands between blocks would be a key that is believed to count and does not.
    fault = bool(_BLOCK.sub("", text).strip(" \t\r\n,"))
    for block in blocks:
        try:
            key = load_pem_public_key(block.encode())
        except Exception:
            key = None
        if isinstance(key, Ed25519PublicKey):
            found.append(key)
        else:
            fault = True
    if fault:
        raise InputError(
            f"{PUBLIC} holds something other than Ed25519 public keys in PEM, one after the other; write what "
            "`openssl pkey -in KEY -pubout` prints"
        ) from None
    return found
