"""Headers that cross the gateway: what goes to an upstream, what comes back, and the id of a request in both."""

import re
import uuid
from collections.abc import Mapping, Sequence

from fastapi import Request

REQUEST_ID = "x-modelsat-request-id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Of one connection only, or the gateway's own server's to say.
_NOT_PASSED_BACK = {
    b"connection", b"date", b"keep-alive", b"proxy-authenticate", b"server", b"set-cookie", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
}  # fmt: skip


def request_id(request: Request) -> str:
    """Return the id of a request: the client's `x-request-id` where it is one, otherwise a new one, always the same."""
    if not hasattr(request.state, "request_id"):
        given = request.headers.get("x-request-id", "")
        request.state.request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
    return str(request.state.request_id)


def to_upstream(headers: Mapping[str, str], request_id: str) -> dict[str, str]:
    """Return the headers of the upstream's request: never the client's login, and no encoding it did not ask for."""
    return {
        "content-type": "application/json",
        "accept": _plain(headers.get("accept", ""), "*/*"),
        "accept-encoding": _plain(headers.get("accept-encoding", ""), "identity"),
        "user-agent": "modelsat-gateway",
        "x-request-id": request_id,
    }


def from_upstream(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return what of an upstream's headers the client gets, as the bytes that they are."""
    named = [(name.lower(), value) for name, value in headers]
    return [
        (name, value) for name, value in named if name not in _NOT_PASSED_BACK and not name.startswith(b"x-modelsat-")
    ]


def _plain(value: str, otherwise: str) -> str:
    return value if value and value.isascii() else otherwise
