"""Bounds: on requests in flight, streams included, and on the bytes of one; beyond them the gateway says so."""

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.gateway.errors import Refused, answer

MOST_IN_FLIGHT = 256
MOST_BYTES = 20 * 2**20
"""Of one body; images travel inside of it."""


class Capacity:
    """ASGI middleware around the routes that call upstreams.

    Args:
        app: The application.
        most: Requests in flight; the next one is answered 503.
    """

    def __init__(self, app: ASGIApp, most: int = MOST_IN_FLIGHT) -> None:
        self.app = app
        self.most = most
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        if self.in_flight >= self.most:
            refused = Refused(503, f"{self.most} requests are in flight, which is all this gateway takes; try again", 1)
            await answer(refused, {})(scope, receive, send)
            return
        self.in_flight += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight -= 1


async def read_body(request: Request) -> bytes:
    """Read a body up to the limit.

    Raises:
        Refused: It is longer (413), or the client has left.
    """
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES:
                raise Refused(413, f"the body has more than {MOST_BYTES // 2**20} MiB; send images by address instead")
            parts.append(part)
    except ClientDisconnect:
        raise Refused(400, "the client left before the end of the body") from None
    return b"".join(parts)
