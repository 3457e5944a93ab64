"""What stands in a champion record: one promotion, the digest of the record before it, and who wrote it.

A record is never changed or deleted. The chain shows where one was replaced, and the signature (`modelsat.io.signing`)
that a process with the key wrote it, for this epoch and after that record. Records of modelsat 0.1.0 have neither.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime

from modelsat.errors import InputError
from modelsat.io import signing

FIRST = ""
"""What the first record holds in place of the digest of the record before it."""


@dataclass(frozen=True)
class Champion:
    """One promotion.

    Attributes:
        epoch: 1 for the first promotion ever, then one more each time.
        bundle_uri: Where the bundle lies, named by its digest.
        bundle_digest: What a loader must find there.
        model: Registered name and version, such as `modelsat-router/3`.
        run_id: Which run promoted it; the key that makes promotion idempotent.
        verdict: The gate's outcome: promoted, or do not route for a constant bundle.
        promoted_at: UTC time in ISO 8601.
        previous: SHA-256 of the record before this one in hexadecimal, `FIRST` for none; None in records of 0.1.0.
        signature: Over all that stands above (`modelsat.io.signing`); None where no key is set.
    """

    epoch: int
    bundle_uri: str
    bundle_digest: str
    model: str
    run_id: str
    verdict: str
    promoted_at: str
    previous: str | None = None
    signature: str | None = None

    @property
    def is_chained(self) -> bool:
        """Return whether the record names the one before it."""
        return self.previous is not None


def signed(champion: Champion) -> Champion:
    """Return a champion with the signature of the key that is set, if any."""
    return replace(champion, signature=signing.sign(_signed_content(champion), signing.CHAMPION))


def encode(champion: Champion) -> bytes:
    """Return the content of a champion's record."""
    return json.dumps(asdict(champion), indent=2).encode()


def digest(content: bytes) -> str:
    """Return what the next record names a record by."""
    return hashlib.sha256(content).hexdigest()


def decode(content: bytes, uri: str, epoch: int) -> Champion:
    """Return the champion of a record, after checking who wrote it.

    Args:
        content: Of the record.
        uri: Where it stands, for sentences.
        epoch: What the name of the record says.

    Raises:
        InputError: The record is damaged, or a key is set and a chained record is not signed with it.
    """
    try:
        champion = Champion(**json.loads(content))
        fault = _fault(champion, epoch)
    except (ValueError, TypeError, RecursionError) as error:
        champion, fault = None, str(error)
    if champion is None or fault:
        raise InputError(f"champion record {uri!r} is damaged ({fault}); restore it from the registry's tags")
    if champion.is_chained:
        signing.check(_signed_content(champion), champion.signature, f"champion record {uri!r}", signing.CHAMPION)
    return champion


def _signed_content(champion: Champion) -> str:
    return json.dumps(asdict(replace(champion, signature=None)), sort_keys=True)


def _fault(champion: Champion, epoch: int) -> str:
    optional = ("previous", "signature")
    for field in fields(champion):
        value = getattr(champion, field.name)
        if field.name != "epoch" and not (isinstance(value, str) or (value is None and field.name in optional)):
            return f"{field.name} is no text"
    if type(champion.epoch) is not int or champion.epoch != epoch:
        return f"it says epoch {champion.epoch!r} under the name of epoch {epoch}"
    datetime.fromisoformat(champion.promoted_at)
    return ""
