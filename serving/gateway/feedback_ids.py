"""Ids under which clients say what became of an answer: signed, so that no gateway has to remember any.

An id says when the answer was given and is bound to its client. Any gateway with the same key knows its own again,
after a restart too, and nobody can speak of an answer that somebody else was given.
"""

import hashlib
import hmac
import secrets

from serving.refusal import Refused

_MOST_CHARACTERS = 100
_SIGNED = 32


def issue(key: bytes, client: str, now: float) -> str:
    """Return the signed id of an answer.

    Args:
        key: Of the gateways.
        client: Who gets the answer.
        now: Seconds since 1970.
    """
    plain = f"{int(now):x}-{secrets.token_hex(8)}"
    return f"{plain}-{_signature(key, client, plain)}"


def check(key: bytes, told: str, client: str, now: float, most_seconds: float) -> str:
    """Return the id as it stands in the log.

    Args:
        key: Of the gateways.
        told: The signed id that a client sends.
        client: Who sends it.
        now: Seconds since 1970.
        most_seconds: How old the answer may be.

    Raises:
        Refused: No such answer was given to this client (404), or too long ago (410).
    """
    plain, _, signature = told[:_MOST_CHARACTERS].rpartition("-")
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(key, client, plain).encode()):
        raise Refused(
            404, "no answer was given to this client under this feedback_id; send the x-modelsat-feedback-id of one"
        )
    if now - int(plain.partition("-")[0], 16) > most_seconds:
        raise Refused(410, f"the answer is older than {most_seconds / 86_400:g} days, so its outcome is not taken")
    return plain


def plain(told: str) -> str:
    """Return an id of ours as it stands in the log, where the signature has no business."""
    return told.rpartition("-")[0]


def keyed_digest(key: bytes, purpose: str, text: str) -> str:
    """Return a digest that only who has the key can make of a text, 32 hexadecimal digits."""
    return hmac.new(key, f"{purpose}:{text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:_SIGNED]


def _signature(key: bytes, client: str, plain: str) -> str:
    return keyed_digest(key, f"answer:{client}", plain)
