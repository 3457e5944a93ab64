"""The digest of a conversation, taken piece by piece.

`json.dumps` of a long one is a single call that holds the interpreter, and with it the event loop, from any thread.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

_DIGITS = 32
_PIECE = 2**20
"""Characters that are encoded at once, in less than a millisecond."""


def conversation_digest(client: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """Return a digest of who asks and of messages, whatever the order of their fields.

    Args:
        client: Who asks.
        messages: As JSON has them.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.sha256()
    _add(digest, client)
    for message in messages:
        _add(digest, message)
    return digest.hexdigest()[:_DIGITS]


def _add(digest: Any, value: Any) -> None:
    # Kind and size stand in front of every value, so that no two conversations are read alike.
    if isinstance(value, str):
        digest.update(b"s%d:" % len(value))
        for start in range(0, len(value), _PIECE):
            digest.update(value[start : start + _PIECE].encode("utf-8", "surrogatepass"))
    elif isinstance(value, Mapping):
        digest.update(b"m%d:" % len(value))
        for name in sorted(value):
            _add(digest, name)
            _add(digest, value[name])
    elif isinstance(value, Sequence):
        digest.update(b"l%d:" % len(value))
        for one in value:
            _add(digest, one)
    else:
        digest.update(f"v{json.dumps(value)};".encode())
