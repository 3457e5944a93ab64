"""Proves the origin of a bundle or a champion record, by a shared secret or by a pair of keys.

Digests show that a bundle is complete, but anyone with write access to the store can create a complete one. If a key is
set, both are signed when written and refused without a valid signature when read.

- `MODELSAT_SIGNING_KEY`: HMAC-SHA256 with a secret that trainers and endpoints share. Several, with commas, are
  accepted while one replaces another; the first one signs.
- A pair of keys (`key_pair`): trainers have the private key, which signs in place of the secret; endpoints need the
  public key alone.

Where both are set, a signature of either is accepted, so that one can replace the other.
"""

import hashlib
import hmac
import os

from modelsat.errors import InputError
from modelsat.io import key_pair

VARIABLE = "MODELSAT_SIGNING_KEY"
LEAST_CHARACTERS = 32
BUNDLE, CHAMPION = "modelsat-bundle-1:", "modelsat-champion-1:"
"""What a signature is for: one of a bundle is none of a champion record. Signed is this followed by the content."""


def sign(content: str, purpose: str = BUNDLE) -> str | None:
    """Return the signature of a content or its digest; None where there is no key.

    Args:
        content: What is signed.
        purpose: `BUNDLE` or `CHAMPION`.

    Returns:
        `ed25519:` with the signature in base64 where there is a private key, else an HMAC in hexadecimal digits.

    Raises:
        InputError: A key is unusable, or too short to be secret.
    """
    if key_pair.signs():
        return key_pair.sign((purpose + content).encode())
    keys = _keys()
    return _signature(content, keys[0], purpose) if keys else None


def check(content: str, signature: object, where: str, purpose: str = BUNDLE) -> None:
    """Refuse what was not signed with one of the keys; without a key everything passes.

    Args:
        content: Of a bundle its digest, as its files say.
        signature: What stands beside it.
        where: What the sentence calls the thing.
        purpose: As of `sign`.

    Raises:
        InputError: The signature is missing or of another key, or a key is unusable.
    """
    keys = _keys()
    variables = [VARIABLE] * bool(keys) + [key_pair.PUBLIC] * key_pair.checks()
    if not variables:
        return
    if not isinstance(signature, str) or not signature.isascii():
        raise InputError(
            f"{where} is not signed and {' and '.join(variables)} is set; write it again where the key is known"
        )
    if key_pair.checks() and key_pair.is_signed((purpose + content).encode(), signature):
        return
    if not any(hmac.compare_digest(signature, _signature(content, key, purpose)) for key in keys):
        raise InputError(
            f"{where} is signed with a key that is not in {' or '.join(variables)}; do not trust it before you know why"
        )


def _keys() -> list[bytes]:
    keys = [key.strip().encode() for key in os.environ.get(VARIABLE, "").split(",") if key.strip()]
    if any(len(key) < LEAST_CHARACTERS for key in keys):
        raise InputError(f"{VARIABLE} holds a key of fewer than {LEAST_CHARACTERS} characters; use a longer one")
    return keys


def _signature(content: str, key: bytes, purpose: str) -> str:
    return hmac.new(key, (purpose + content).encode(), hashlib.sha256).hexdigest()
