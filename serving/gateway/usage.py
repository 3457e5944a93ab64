"""What an answer used, as its upstream counted it: read from a copy of the bytes on their way to the client.

Answers carry `usage`; a stream of chat completions does where the client, or the upstream's entry (`stream_usage`),
asks for it. Where it stands and what it is called is the protocol's to say. The bytes themselves are never touched
here, and what cannot be read is no usage.
"""

import json
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 8 * 2**20
"""Of an answer that is no stream: beyond, its usage stays unread."""
_MOST_LINE = MOST_BYTES
"""The last event of a response holds all of it."""
_MOST_TOKENS = 100_000_000


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer.

    Attributes:
        tokens_in: Of the prompt, those from the provider's cache included.
        tokens_out: Of the answer, thoughts included.
        cached_in: Tokens of the prompt that came from the provider's cache.
        cost_usd: What the provider says that it charges; None where it does not say.
    """

    tokens_in: int
    tokens_out: int
    cached_in: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True)
class Prices:
    """List prices of a candidate in USD per million tokens; None where unknown."""

    price_in: float | None = None
    price_out: float | None = None
    price_cached_in: float | None = None

    def paid(self, usage: Usage) -> float | None:
        """Return what an answer cost in USD: as charged, else at these prices; None where one of them is unknown.

        Input from the provider's cache costs `price_cached_in`, or the full price where that is unknown.
        """
        if usage.cost_usd is not None:
            return usage.cost_usd
        if self.price_in is None or self.price_out is None:
            return None
        cached = self.price_in if self.price_cached_in is None else self.price_cached_in
        fresh = usage.tokens_in - usage.cached_in
        return (fresh * self.price_in + usage.cached_in * cached + usage.tokens_out * self.price_out) / 1e6


def of_object(answer: Any) -> Usage | None:
    """Read the usage of a completion, or of an event of a stream; None where it has none."""
    told = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(told, dict):
        return None
    read, written = (tokens(told.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    if read is None or written is None:
        return None
    details = told.get("prompt_tokens_details")
    cached = tokens(details.get("cached_tokens")) if isinstance(details, dict) else None
    cost = told.get("cost")
    is_cost = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < 1_000
    return Usage(read, written, min(cached or 0, read), float(cost) if is_cost and cost is not None else None)


class UsageReader:
    """Reads along with an answer.

    Args:
        encoding: Of the body: gzip, deflate or empty; any other leaves the usage unread.
        is_stream: Whether the body is a stream of events.
        read: From an answer or event, and the usage before, to the usage so far.
    """

    def __init__(
        self,
        encoding: str = "",
        is_stream: bool = False,
        read: Callable[[Any, Usage | None], Usage | None] = lambda answer, before: of_object(answer) or before,
    ) -> None:
        self.usage: Usage | None = None
        self._is_stream = is_stream
        self._read = read
        self._inflate = zlib.decompressobj(47) if encoding in ("gzip", "x-gzip", "deflate") else None
        self._reads = not encoding or self._inflate is not None
        self._held = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Read one more chunk as it came over the wire."""
        if not self._reads:
            return
        try:
            plain = chunk if self._inflate is None else self._inflate.decompress(chunk, MOST_BYTES)
        except zlib.error:
            self._reads = False
            return
        self._held += plain
        if self._is_stream and b"\n" not in plain and len(self._held) <= _MOST_LINE:
            return
        if self._is_stream:
            *lines, rest = self._held.split(b"\n")
            for line in lines:
                self._event(bytes(line))
            self._held = rest if len(rest) <= _MOST_LINE else bytearray()
        elif len(self._held) > MOST_BYTES:
            self._reads, self._held = False, bytearray()

    def close(self) -> Usage | None:
        """Return what the answer used, once all of it was fed; None where it did not say."""
        if self._reads and self._is_stream:
            self._event(bytes(self._held))
        elif self._reads:
            self._take(bytes(self._held))
        self._held = bytearray()
        return self.usage

    def _event(self, line: bytes) -> None:
        # Most events are words of the answer; only one that speaks of usage is parsed. The last one counts.
        if line.startswith(b"data:") and b'"usage"' in line:
            self._take(line[5:])

    def _take(self, text: bytes) -> None:
        try:
            self.usage = self._read(json.loads(text), self.usage)
        except (ValueError, RecursionError):
            return


async def read_along(
    chunks: AsyncIterator[bytes], reader: UsageReader, on_end: Callable[[Usage | None], None]
) -> AsyncIterator[bytes]:
    """Yield the chunks as they are, and call `on_end` with the usage once the answer ends or the client leaves."""
    try:
        async for chunk in chunks:
            reader.feed(chunk)
            yield chunk
    finally:
        on_end(reader.close())


def tokens(value: Any) -> int | None:
    """Return a count of tokens; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS else None
