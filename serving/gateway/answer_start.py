"""The start of an upstream's answer, read before the client sees a byte: enough of it to know whether it is one.

Bytes are kept as they came and passed on afterwards; what is judged is a decompressed copy.
"""

import re
import time
import zlib
from collections.abc import AsyncIterator, Callable

import httpx

from serving.gateway import upstream_faults
from serving.gateway.protocols.chat import CHAT
from serving.gateway.protocols.protocol import Protocol
from serving.gateway.upstream_faults import UpstreamFault

MOST_BYTES = 64 * 1024
"""How much is read before an answer is passed on unjudged."""
HOLD_SECONDS = 5.0
"""For how long. Providers that think for minutes send signs of life, which a client's timeout waits for."""
_SIGNS_OF_A_STREAM = (b"data:", b"event:", b"id:", b"retry:", b":")
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class AnswerStart:
    """An answer that has begun.

    Args:
        response: Whose body is not read yet.
        clock: Seconds that never go back.
        protocol: Of the answer.
    """

    def __init__(
        self,
        response: httpx.Response,
        clock: Callable[[], float] = time.monotonic,
        protocol: Protocol = CHAT,
    ) -> None:
        self.response = response
        self._protocol = protocol
        self._clock = clock
        self._until = clock() + HOLD_SECONDS
        self._chunks = response.aiter_raw()
        self._held: list[bytes] = []
        self._plain = b""
        self._is_whole = False
        compressed = response.headers.get("content-encoding", "").lower() in ("gzip", "x-gzip", "deflate")
        self._stream = zlib.decompressobj(47) if compressed else None

    async def fault(self) -> UpstreamFault | None:
        """Read as much as is needed and return what is wrong; None for an answer, or a fault of the request itself.

        Raises:
            httpx.HTTPError: The upstream broke off or fell silent.
        """
        if not self.response.is_success:
            await self._read_to_end()
            return upstream_faults.of_status(self.response.status_code, self._plain)
        await self._read()
        content_type = self.response.headers.get("content-type", "").lower()
        if content_type.startswith("text/event-stream") or self._plain.lstrip().startswith(_SIGNS_OF_A_STREAM):
            return await self._fault_of_stream()
        await self._read_to_end()
        if not self._is_whole:
            # Pages of proxies are long, too; before JSON some providers send spaces as signs of life.
            looks_like_json = self._plain.lstrip()[:1] in (b"{", b"")
            return None if looks_like_json else UpstreamFault(upstream_faults.NO_ANSWER)
        return self._protocol.of_body(self._plain)

    @property
    def plain(self) -> bytes:
        """Return what has been read of the body, decompressed."""
        return self._plain

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it came over the wire, from its first byte on."""
        for chunk in self._held:
            yield chunk
        if not self._is_whole:
            async for chunk in self._chunks:
                yield chunk

    async def _fault_of_stream(self) -> UpstreamFault | None:
        at = 0
        while self._may_hold():
            end = _BLANK_LINE.search(self._plain, at)
            if end is None:
                if not await self._read():
                    rest = self._protocol.of_event(self._plain[at:])
                    return None if rest is True else rest or UpstreamFault(upstream_faults.NO_ANSWER)
                continue
            judged = self._protocol.of_event(self._plain[at : end.start()])
            if judged is not False:
                return None if judged is True else judged
            at = end.end()
        return None

    async def _read_to_end(self) -> None:
        while self._may_hold() and await self._read():
            pass

    def _may_hold(self) -> bool:
        return len(self._plain) < MOST_BYTES and (self._is_whole or self._clock() < self._until)

    async def _read(self) -> bool:
        """Read one more chunk; return whether there was one."""
        if self._is_whole:
            return False
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._is_whole = True
            return False
        self._held.append(chunk)
        try:
            self._plain += chunk if self._stream is None else self._stream.decompress(chunk, MOST_BYTES)
        except zlib.error:
            self._stream = None
        return True
