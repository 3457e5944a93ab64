"""Who may ask, endpoint and gateway alike: bearer tokens of clients, known by their SHA-256 alone."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from modelsat.errors import InputError
from serving.refusal import Refused

GATEWAY, ENDPOINT = "MODELSAT_GATEWAY_TOKENS", "MODELSAT_ENDPOINT_TOKENS"
"""Environment variables with the tokens that are let in, separated by commas."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def known(tokens: str, file: Path | None) -> frozenset[str]:
    """Return the digests of all tokens that are let in.

    Args:
        tokens: The tokens themselves, separated by commas.
        file: One SHA-256 in hexadecimal digits a line, a name after it where wanted; `#` begins a comment.

    Raises:
        InputError: The file is unusable.
    """
    found = {digest(token.strip()) for token in tokens.split(",") if token.strip()}
    if file is None:
        return frozenset(found)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f"clients {str(file)!r} are not readable ({type(error).__name__}); name a text file"
        ) from error
    for number, line in enumerate(lines, start=1):
        first = line.split("#", 1)[0].split()[:1]
        if first and not _DIGEST.fullmatch(first[0].lower()):
            raise InputError(
                f"line {number} of clients {str(file)!r} does not start with a SHA-256 of 64 hexadecimal digits; "
                "write what `printf %s TOKEN | sha256sum` prints"
            )
        found.update(one.lower() for one in first)
    if not found:
        raise InputError(f"clients {str(file)!r} contain no client; write one SHA-256 a line, or leave the option out")
    return frozenset(found)


def login_of(headers: Mapping[str, str]) -> str:
    """Return the login of a request: its `Authorization`, or Anthropic's `x-api-key` in that form."""
    key = headers.get("x-api-key", "")
    return headers.get("authorization", "") or (f"Bearer {key}" if key else "")


def client_of(authorization: str, digests: frozenset[str]) -> str:
    """Return the digest of the client's token; empty where everybody is let in.

    Raises:
        Refused: The token is missing or unknown (401).
    """
    if not digests:
        return ""
    scheme, _, token = authorization.partition(" ")
    found = digest(token.strip())
    if scheme.lower() != "bearer" or found not in digests:
        raise Refused(401, "the token is missing or unknown; send 'Authorization: Bearer TOKEN'")
    return found


def digest(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
