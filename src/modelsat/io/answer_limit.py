"""The limit of an answer's length has two names in requests, and newer models refuse the older one.

Who is refused so sends the same limit under the new name; nothing else of a request is changed for a provider.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

OLD_NAME, NEW_NAME = "max_tokens", "max_completion_tokens"
_STATUSES = (400, 422)
_ASKS = re.compile(
    rf"\buse\s+[`'\"]?{NEW_NAME}\b|{NEW_NAME}[`'\"]?\s+(?:parameter\s+)?instead|replaced\s+by\s+[`'\"]?{NEW_NAME}\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"unsupported|unrecogni[sz]ed|unknown|unexpected|\bextra|not (?:permitted|supported|allowed)"
    rf"|\buse\s+[`'\"]?{OLD_NAME}\b|{OLD_NAME}[`'\"]?\s+(?:parameter\s+)?instead",
    re.IGNORECASE,
)


def asks_for_new_name(status: int, answer: bytes) -> bool:
    """Say whether a refusal asks for the new name in place of the old one.

    Args:
        status: Of HTTP.
        answer: Body of the refusal, decompressed.
    """
    return status in _STATUSES and bool(_ASKS.search(answer.decode("utf-8", "replace")))


def refuses_new_name(status: int, answer: bytes) -> bool:
    """Say whether a refusal is of the new name itself, and not of its value or of anything else in the request.

    Args:
        status: Of HTTP.
        answer: Body of the refusal, decompressed.
    """
    said = answer.decode("utf-8", "replace")
    return status in _STATUSES and NEW_NAME in said and bool(_REFUSES.search(said))


def with_new_name(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a request's fields with the limit under its new name; None where they have no limit under the old one."""
    if fields.get(OLD_NAME) is None or fields.get(NEW_NAME) is not None:
        return None
    return {NEW_NAME if name == OLD_NAME else name: value for name, value in fields.items() if name != NEW_NAME}


def body_with_new_name(body: bytes) -> bytes | None:
    """Return a JSON request as of `with_new_name`."""
    fields = with_new_name(json.loads(body))
    return None if fields is None else json.dumps(fields).encode()
