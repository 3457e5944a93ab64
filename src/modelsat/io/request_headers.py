"""Which headers a candidate's row may add to its requests: none that carries a secret, and none that frames a request.

Keys come from the environment (`modelsat.io.key_variables`); a header that stands in a file must be no key.
"""

import os
import re
from collections.abc import Mapping

from modelsat.io.key_variables import names_in

SETTING = "MODELSAT_REQUEST_HEADERS"
"""Names of further headers that rows may hold, separated by commas."""
PREFIXES = ("anthropic-", "openai-", "x-goog-")
NAMES = ("http-referer", "x-title", "x-source", "user-agent")
"""Headers that need no setting: these, and those that begin with `PREFIXES`."""
_SECRET = re.compile(r"auth|key|token|secret|cookie|password|credential|signature")
_LIKE_A_SECRET = re.compile(r"(?i)^\s*(bearer|basic)\s|\b(sk|pk|rk|ghp|xox[a-z])[-_][\w-]{8,}")
_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_LONGEST = 1_000


def fault_in_headers(headers: object, environment: Mapping[str, str] = os.environ) -> str | None:
    """Say why headers may not stand in a row, None where they may; no sentence repeats a value.

    Args:
        headers: What stands where names and values are asked for.
        environment: Where `SETTING` is read.

    Returns:
        The end of a sentence.
    """
    if not isinstance(headers, Mapping):
        return "are no object; write names and values in braces"
    further = {name.lower() for name in names_in(environment.get(SETTING, ""))}
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return "hold a name that no header has; write one such as anthropic-beta"
        lower = name.lower()
        if _SECRET.search(lower):
            return f"hold {name!r}, which carries a secret; name the variable with the key, and leave the header out"
        if not lower.startswith(PREFIXES) and lower not in NAMES and lower not in further:
            known = ", ".join([*NAMES, *(f"{prefix}..." for prefix in PREFIXES)])
            return f"hold {name!r}, which is none of {known}; add its name to {SETTING} if it is no secret"
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > _LONGEST:
            return f"hold {name!r} with no text of printable ASCII; put quotes around it"
        if _LIKE_A_SECRET.search(value):
            return f"hold {name!r} with what looks like a key; keys come from the environment"
    return None
