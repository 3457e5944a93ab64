"""Proves the origin of a bundle: an HMAC-SHA256 over its digest, with a key that trainers and endpoints share.

Digests show that a bundle is complete, but anyone with write access to the store can create a complete one. If the
variable `MODELSAT_SIGNING_KEY` is set, bundles are signed when written and refused without a valid signature when read.
Several keys, separated by commas, are accepted while one replaces another; the first one signs.
"""

import hashlib
import hmac
import os

from modelsat.errors import InputError

VARIABLE = "MODELSAT_SIGNING_KEY"
LEAST_CHARACTERS = 32
_PURPOSE = "modelsat-bundle-1:"


def sign(digest: str) -> str | None:
    """Return the signature of a bundle's digest in hexadecimal digits; None where there is no key.

    Raises:
        InputError: A key is too short to be secret.
    """
    keys = _keys()
    return _signature(digest, keys[0]) if keys else None


def check(digest: str, signature: object, where: str) -> None:
    """Refuse a bundle that was not signed with one of the keys; without a key every bundle passes.

    Args:
        digest: Of the bundle, as its files say.
        signature: What its manifest holds.
        where: Name of the bundle in error messages.

    Raises:
        InputError: The signature is missing or of another key, or a key is too short to be secret.
    """
    keys = _keys()
    if not keys:
        return
    if not isinstance(signature, str) or not signature.isascii():
        raise InputError(f"{where} is not signed and {VARIABLE} is set; write it again where the key is known")
    if not any(hmac.compare_digest(signature, _signature(digest, key)) for key in keys):
        raise InputError(f"{where} is signed with a key that is not in {VARIABLE}; do not trust it before you know why")


def _keys() -> list[bytes]:
    keys = [key.strip().encode() for key in os.environ.get(VARIABLE, "").split(",") if key.strip()]
    if any(len(key) < LEAST_CHARACTERS for key in keys):
        raise InputError(f"{VARIABLE} holds a key of fewer than {LEAST_CHARACTERS} characters; use a longer one")
    return keys


def _signature(digest: str, key: bytes) -> str:
    return hmac.new(key, (_PURPOSE + digest).encode(), hashlib.sha256).hexdigest()
