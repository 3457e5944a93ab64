"""What an answer used, as its upstream counted it: read from a copy of the bytes on their way to the client.

Whole answers and streams of chat completions carry `usage`; a stream does where the client, or the upstream's entry
(`stream_usage`), asks for it. The bytes themselves are never touched here, and what cannot be read is no usage.
"""

import json
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 8 * 2**20
"""Of an answer that is no stream: beyond, its usage stays unread."""
_MOST_LINE = 256 * 2**10
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
    read, written = (_tokens(told.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    if read is None or written is None:
        return None
    details = told.get("prompt_tokens_details")
    cached = _tokens(details.get("cached_tokens")) if isinstance(details, dict) else None
    cost = told.get("cost")
    is_cost = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < 1_000
    return Usage(read, written, min(cached or 0, read), float(cost) if is_cost and cost is not None else None)


class UsageReader:
    """Reads along with an answer.

    Args:
        encoding: Of the body: gzip, deflate or empty; any other leaves the usage unread.
        is_stream: Whether the body is a stream of events.
    """

    def __init__(self, encoding: str = "", is_stream: bool = False) -> None:
        self.usage: Usage | None = None
        self._is_stream = is_stream
        self._inflate = zlib.decompressobj(47) if encoding in ("gzip", "x-gzip", "deflate") else None
        self._reads = not encoding or self._inflate is not None
        self._held = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Read one more chunk as it came over the wire."""
        if not self._reads:
            return
        try:
            self._held += chunk if self._inflate is None else self._inflate.decompress(chunk, MOST_BYTES)
        except zlib.error:
            self._reads = False
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
            self.usage = _parsed(bytes(self._held))
        self._held = bytearray()
        return self.usage

    def _event(self, line: bytes) -> None:
        # Most events are words of the answer; only one that speaks of usage is parsed. The last one counts.
        if line.startswith(b"data:") and b'"usage"' in line:
            self.usage = _parsed(line[5:]) or self.usage


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


def _parsed(text: bytes) -> Usage | None:
    try:
        return of_object(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _tokens(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS else None
