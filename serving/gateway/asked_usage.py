"""Usage of a stream that the gateway asked for and the client did not: asked upstream, and taken out of the stream.

OpenAI's `stream_options.include_usage` adds an event without choices before the end, and `"usage": null` to all others.
The client gets the stream that it would have got without asking: the added event is dropped, the added field cut out.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

_NULL = re.compile(rb',\s*"usage"\s*:\s*null')
_MOST_LINE = 256 * 2**10


def with_usage(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a request's fields with usage asked for; None where it is no stream, or the client has asked itself."""
    if fields.get("stream") is not True or "stream_options" in fields:
        return None
    return {**fields, "stream_options": {"include_usage": True}}


async def without_usage(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a stream of events, uncompressed, as it would have been without asking for usage."""
    held = b""
    async for chunk in chunks:
        held += chunk
        *events, held = re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", held)
        kept = b"".join(filter(None, map(_cleaned, events)))
        if kept:
            yield kept
        if len(held) > _MOST_LINE:
            yield held
            held = b""
    if held:
        yield _cleaned(held)


def _cleaned(event: bytes) -> bytes:
    if b'"usage"' not in event:
        return event
    text = event.strip()
    try:
        told = json.loads(text[5:]) if text.startswith(b"data:") else None
    except (ValueError, RecursionError):
        return event
    if isinstance(told, dict) and told.get("choices") == [] and isinstance(told.get("usage"), dict):
        return b""
    if isinstance(told, dict) and "usage" in told and told["usage"] is None:
        return _NULL.sub(b"", event, count=1)
    return event
