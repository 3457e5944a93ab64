"""Connections of endpoint and gateway: uvicorn's HTTP/1.1, deaf to offers of other protocols, and no wait without end.

uvicorn drops the body of a request that offers an upgrade, bounds no head, and waits forever for one.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving import proxies
from serving.proxies import Network

KEEP_ALIVE_SECONDS = 65
"""How long a connection may be idle between requests: longer than load balancers keep theirs, which is a minute."""
_OFFERS = (b"upgrade", b"http2-settings")


@dataclass(frozen=True)
class ConnectionLimits:
    """Bounds of one connection.

    Attributes:
        head_seconds: How long a client may take for request line and headers, from the connection on.
        most_head_bytes: Of request line and headers, about.
        stall_seconds: How long a client may leave an answer unread.
        most_of_one: Connections from one address that is no proxy.
        proxies: Whose connections are not counted.
    """

    head_seconds: float = 15.0
    most_head_bytes: int = 64 * 1024
    stall_seconds: float = 60.0
    most_of_one: int = 512
    proxies: tuple[Network, ...] = ()


class BoundedConnection(HttpToolsProtocol):
    """A connection with bounds; uvicorn makes one per client, of the class that `bounded` returns."""

    limits = ConnectionLimits()
    open_by_source: ClassVar[Counter[str]] = Counter()

    _source = ""
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head; turn away who has too many connections."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if peer and not proxies.is_of(peer, self.limits.proxies):
            self._source = proxies.source(peer)
            self.open_by_source[self._source] += 1
            if self.open_by_source[self._source] > self.limits.most_of_one:
                self._refuse(503, f"{self.limits.most_of_one} connections of this address are open; close some")
                return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_head_timer()
        self._end_stall_timer()
        if self._source:
            self.open_by_source[self._source] -= 1
            if not self.open_by_source[self._source]:
                del self.open_by_source[self._source]
            self._source = ""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came; an offer of another protocol is declined by answering in this one."""
        if self.transport.is_closing():
            return
        began_in_head = self._in_head
        while data:
            self._unset_keepalive_if_required()
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as offer:
                # Behind such a head the parser takes nothing for a body. A new one reads it again, without the offer.
                data = self._head_without_offer() + data[offer.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            except httptools.HttpParserError:
                self._refuse(400, "this is no request of HTTP/1.1")
                return
        if self._in_head and began_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.most_head_bytes:
                self._refuse(431, f"request line and headers have more than {self.limits.most_head_bytes} bytes")
        if self.cycle is None or self.cycle.response_complete:
            self._expect_head()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Start the request, unless it is to be read again without its offer."""
        self._in_head = False
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("no proxy")
        if not self.parser.should_upgrade():
            self._end_head_timer()
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the request, if it was started."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def pause_writing(self) -> None:
        """Wait for a client that reads too slowly, but not forever."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._end_stall_timer()

    def _head_without_offer(self) -> bytes:
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name in _OFFERS:
                continue
            if name == b"connection":
                kept = [word for word in value.split(b",") if word.strip().lower() not in _OFFERS]
                if not kept:
                    continue
                value = b",".join(kept)
            lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_seconds, self._head_is_late)

    def _end_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._in_head:
            self._refuse(408, f"the headers did not arrive within {self.limits.head_seconds:g} s; send them again")
        else:
            self.transport.close()

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer before there is a request that could be answered, and close."""
        body = sentence.encode()
        head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


def bounded(limits: ConnectionLimits) -> type[BoundedConnection]:
    """Return the connections of one server, for `uvicorn.Config(http=...)`."""
    return type("Bounded", (BoundedConnection,), {"limits": limits, "open_by_source": Counter()})
