"""An upstream's answer on its way to the client: the same bytes, closed behind whoever leaves first."""

from collections.abc import Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from serving.gateway import headers
from serving.gateway.forwarding import Forwarded


class Passthrough(StreamingResponse):
    """Streams an answer that has begun.

    Args:
        forwarded: The upstream's answer.
        told: Headers of the gateway, beside those of the upstream.
    """

    def __init__(self, forwarded: Forwarded, told: Mapping[str, str]) -> None:
        super().__init__(forwarded.chunks, status_code=forwarded.response.status_code)
        self.raw_headers = headers.from_upstream(forwarded.response.headers.raw)
        self.raw_headers += [(name.encode(), value.encode()) for name, value in told.items()]
        self._upstream = forwarded.response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream, and let the upstream go also where the client has gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._upstream.aclose()
