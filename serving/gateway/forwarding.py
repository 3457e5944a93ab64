"""Calls the candidates' upstreams: bytes in both directions as they are, the next candidate where one fails at once.

After the first byte there is no way back: the client has read it.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx

from serving.gateway.chat_request import ChatRequest
from serving.gateway.decision import RoutingDecision
from serving.gateway.upstreams import Upstream
from serving.refusal import Refused

ATTEMPTS = 3
CONNECT_SECONDS = 5.0
_OTHERS_MAY_DO_BETTER = {408, 429}


@dataclass(frozen=True)
class Forwarded:
    """An upstream's answer, begun and not yet read.

    Attributes:
        candidate: Who answers.
        response: To be closed by whoever reads it.
        chunks: Its body as it came over the wire.
        failures: What went wrong at the candidates tried before, as `candidate: fault`.
    """

    candidate: str
    response: httpx.Response
    chunks: AsyncIterator[bytes]
    failures: tuple[tuple[str, str], ...]


async def forward(
    client: httpx.AsyncClient,
    decision: RoutingDecision,
    chat: ChatRequest,
    upstreams: Mapping[str, Upstream],
    headers: Mapping[str, str],
) -> Forwarded:
    """Call the candidates of a decision in order until one answers.

    An upstream that cannot be reached, is silent, or answers 408, 429 or 5xx is left for the next one; the last one's
    answer is passed on whatever it is.

    Raises:
        Refused: None could be reached (502).
    """
    tried = decision.order[:ATTEMPTS]
    failures: list[tuple[str, str]] = []
    for candidate in tried:
        upstream = upstreams[candidate]
        try:
            response = await _begun(client, upstream, chat, headers)
            retried = response.status_code >= 500 or response.status_code in _OTHERS_MAY_DO_BETTER
            if retried and candidate != tried[-1]:
                await response.aclose()
                failures.append((candidate, str(response.status_code)))
                continue
            chunks = await _with_first(response)
        except httpx.HTTPError as error:
            failures.append((candidate, type(error).__name__))
            continue
        return Forwarded(candidate, response, chunks, tuple(failures))
    faults = ", ".join(f"{candidate} ({fault})" for candidate, fault in failures)
    raise Refused(502, f"no upstream answered: {faults}; try again, or name another model", 1)


async def _begun(
    client: httpx.AsyncClient, upstream: Upstream, chat: ChatRequest, headers: Mapping[str, str]
) -> httpx.Response:
    request = client.build_request(
        "POST",
        upstream.address.completions,
        content=chat.body_for(upstream.model),
        headers={**headers, **upstream.address.login(upstream.key)},
        timeout=httpx.Timeout(upstream.timeout_seconds, connect=min(CONNECT_SECONDS, upstream.timeout_seconds)),
    )
    return await client.send(request, stream=True)


async def _with_first(response: httpx.Response) -> AsyncIterator[bytes]:
    """Wait for the first chunk, so that a failure before it can still go elsewhere."""
    chunks = response.aiter_raw()
    try:
        first = await anext(chunks, b"")
    except httpx.HTTPError:
        await response.aclose()
        raise

    async def all_chunks() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_chunks()
