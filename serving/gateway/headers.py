"""Headers that cross the gateway: what goes to an upstream, what comes back, and the id of a request in both."""

from collections.abc import Mapping, Sequence

from fastapi import Request

# Of one connection only, or the gateway's own server's to say.
_NOT_PASSED_BACK = {
    b"connection", b"date", b"keep-alive", b"proxy-authenticate", b"server", b"set-cookie", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
    # Whose account answers is the operator's business.
    b"openai-organization", b"openai-project",
}  # fmt: skip


def request_id(request: Request) -> str:
    """Return the id of a request, which the door has given it and which stands in its answer."""
    return str(request.state.request_id)


def to_upstream(headers: Mapping[str, str], request_id: str, names: Sequence[str] = ()) -> dict[str, str]:
    """Return the headers of the upstream's request: never the client's login, and no encoding it did not ask for.

    Args:
        headers: Of the client.
        request_id: Of the request.
        names: Of the client's headers that its protocol needs at the upstream.
    """
    return {name: value for name in names if (value := _plain(headers.get(name, ""), ""))} | {
        "content-type": "application/json",
        "accept": _plain(headers.get("accept", ""), "*/*"),
        "accept-encoding": _codings(headers.get("accept-encoding", "")),
        "user-agent": "modelsat-gateway",
        "x-request-id": request_id,
    }


def from_upstream(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return what of an upstream's headers the client gets, as the bytes that they are."""
    named = [(name.lower(), value) for name, value in headers]
    return [
        (name, value) for name, value in named if name not in _NOT_PASSED_BACK and not name.startswith(b"x-modelsat-")
    ]


def _codings(accepted: str) -> str:
    """Return which of the client's encodings an upstream may use: those that the gateway can look into."""
    named = [
        one.split(";")[0].strip().lower() for one in accepted.split(",") if not one.replace(" ", "").endswith(";q=0")
    ]
    return ", ".join(one for one in named if one in ("gzip", "deflate")) or "identity"


def _plain(value: str, otherwise: str) -> str:
    return value if value and value.isascii() else otherwise
