"""Calls the candidates' upstreams: bytes in both directions as they are, the next candidate where one fails at once.

After the first byte there is no way back, since the client has read it: an answer is held back until it says something.
"""

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from modelsat.io import answer_limit
from serving import off_loop
from serving.gateway import asked_usage
from serving.gateway.answer_start import AnswerStart
from serving.gateway.chat_request import ChatRequest
from serving.gateway.decision import EXPLICIT, RoutingDecision
from serving.gateway.protocols.chat import CHAT
from serving.gateway.traces import UNTRACED, RequestTrace
from serving.gateway.upstream_faults import UpstreamFault
from serving.gateway.upstream_health import UpstreamHealth
from serving.gateway.upstreams import Upstream
from serving.off_loop import LONG_BODY
from serving.refusal import Refused

ATTEMPTS = 3
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Forwarded:
    """An upstream's answer, begun and not yet read.

    Attributes:
        candidate: Who answers.
        response: To be closed by whoever reads it.
        chunks: Its body as it came over the wire.
        failures: What went wrong at the candidates tried before, each with its fault.
        asked_usage: Whether usage was asked for that the client did not ask for.
        start: What is known of the body, decompressed.
    """

    candidate: str
    response: httpx.Response
    chunks: AsyncIterator[bytes]
    failures: tuple[tuple[str, str], ...]
    asked_usage: bool = False
    start: bytes = b""


async def forward(
    client: httpx.AsyncClient,
    decision: RoutingDecision,
    chat: ChatRequest,
    upstreams: Mapping[str, Upstream],
    headers: Mapping[str, str],
    health: UpstreamHealth,
    on_called: Callable[[str], None] = lambda _: None,
    trace: RequestTrace = UNTRACED,
) -> Forwarded:
    """Call the candidates of a decision in order until one answers.

    Candidates that are out are left for the others. Where no candidate answers, the client gets the last thing that an
    upstream said and that is meant for clients. `on_called` is told of each candidate before it is called, and `trace`
    of each call.

    Raises:
        Refused: None answered, and none said anything that is the client's to know (502).
    """
    is_named = decision.outcome == EXPLICIT
    waiting, out = (list(decision.order), []) if is_named else health.split(decision.order)
    before = decision.order.index(waiting[0])
    failures = [(name, f"out after {health.reason(name)}") for name in out if decision.order.index(name) < before]
    kept: tuple[str, AnswerStart] | None = None
    try:
        for _ in range(ATTEMPTS):
            if not waiting:
                break
            candidate = waiting.pop(0)
            on_called(candidate)
            fields = usage_asked(upstreams[candidate], chat)
            own = {} if chat.path else upstreams[candidate].protocols.get(chat.protocol.name, {})
            body = await off_loop.called(chat.is_long, chat.body_for, upstreams[candidate].model, fields, own)
            # What is added to a stream is taken out of it again, so it must not be encoded.
            sent = {**headers, **({"accept-encoding": "identity"} if fields else {})}
            sent |= trace.calls(candidate, upstreams[candidate], chat)
            call = _Call(client, upstreams[candidate], chat, sent)
            start, fault = await _adapted(call, candidate, body, health)
            if start is not None and (fault is None or fault.is_passed_on):
                superseded, kept = kept, (candidate, start)
                start = superseded[1] if superseded else None
            if start is not None:
                await start.response.aclose()
            if fault is None:
                break
            trace.failed(fault.reason)
            # An upstream that cannot count tokens may answer all the same.
            health.failed(candidate, replace(fault, takes_out=False) if chat.path else fault)
            failures.append((candidate, fault.reason))
            if fault.needs_longer_context:
                waiting = longer(waiting, candidate, decision.context_length)
    except BaseException:
        if kept is not None:
            await kept[1].response.aclose()
        raise
    if kept is None:
        faults = ", ".join(f"{candidate} ({fault})" for candidate, fault in failures)
        raise Refused(502, f"no upstream answered: {faults}; try again, or name another model", 1)
    candidate, answer = kept
    trace.answers(answer.response.status_code)
    if answer.response.is_success:
        health.answered(candidate)
    others = tuple(failure for failure in failures if failure[0] != candidate)
    asked = usage_asked(upstreams[candidate], chat) is not None and answer.response.is_success
    return Forwarded(candidate, answer.response, answer.chunks(), others, asked, answer.plain)


def usage_asked(upstream: Upstream, chat: ChatRequest) -> dict[str, Any] | None:
    """Return the fields of a request that asks an upstream for usage; None where the client's are sent as they are."""
    asks = upstream.stream_usage and chat.protocol is CHAT
    return asked_usage.with_usage(chat.forwarded) if asks else None


def longer(names: Sequence[str], than: str, context_length: Mapping[str, float]) -> list[str]:
    """Return the candidates that may read what was too long for one: all but those known to read no more.

    Args:
        names: Candidates.
        than: Who found it too long.
        context_length: In tokens, of the candidates of which it is known.
    """
    least = context_length.get(than)
    if least is None:
        return list(names)
    return [name for name in names if context_length.get(name, math.inf) > least]


@dataclass(frozen=True)
class _Call:
    client: httpx.AsyncClient
    upstream: Upstream
    chat: ChatRequest
    headers: Mapping[str, str]


async def _adapted(
    call: _Call, candidate: str, body: bytes, health: UpstreamHealth
) -> tuple[AnswerStart | None, UpstreamFault | None]:
    """Call an upstream with the name of the limit that it takes; one that asks for the other is called again."""
    renamed = None
    if call.chat.protocol is CHAT and f'"{answer_limit.OLD_NAME}"'.encode() in body:
        renamed = await off_loop.called(len(body) > LONG_BODY, answer_limit.body_with_new_name, body)
    if renamed is None:
        return await _begun(call, body)
    takes_new = candidate in health.takes_new_limit
    start, fault = await _begun(call, renamed if takes_new else body)
    if start is None:
        return start, fault
    status = start.response.status_code
    if takes_new and answer_limit.refuses_new_name(status, start.plain):
        # The model behind the upstream is another one by now.
        health.takes_new_limit.discard(candidate)
    elif not takes_new and answer_limit.asks_for_new_name(status, start.plain):
        health.takes_new_limit.add(candidate)
    else:
        return start, fault
    await start.response.aclose()
    return await _begun(call, body if takes_new else renamed)


async def _begun(call: _Call, body: bytes) -> tuple[AnswerStart | None, UpstreamFault | None]:
    """Call one upstream and read the start of its answer; return it, if there is one, and what is wrong with it."""
    client, upstream, protocol = call.client, call.upstream, call.chat.protocol
    request = client.build_request(
        "POST",
        upstream.address.call(call.chat.path or protocol.path, call.chat.query),
        content=body,
        headers={**call.headers, **upstream.headers, **protocol.login(upstream.address, upstream.key)},
        timeout=httpx.Timeout(upstream.timeout_seconds, connect=min(CONNECT_SECONDS, upstream.timeout_seconds)),
    )
    try:
        response = await client.send(request, stream=True)
    except httpx.HTTPError as error:
        return None, UpstreamFault(type(error).__name__)
    start = AnswerStart(response, protocol=protocol)
    try:
        return start, await start.fault()
    except httpx.HTTPError as error:
        await response.aclose()
        return None, UpstreamFault(type(error).__name__)
    except BaseException:
        await response.aclose()
        raise
