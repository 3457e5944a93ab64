"""OpenTelemetry spans of a request: the request itself, the decision on it, and each call of an upstream.

Off unless asked for. A caller's `traceparent` is continued, and upstreams get one, so the calls stand in the caller's
trace. Spans hold no text of prompts unless a second setting asks for that, and never a header, key or answer.
"""

import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelsat.errors import ModelsatError
from serving.door import LEFT
from serving.gateway import trace_attributes as attributes
from serving.gateway.chat_request import ChatRequest
from serving.gateway.decision import RoutingDecision
from serving.gateway.upstreams import Upstream
from serving.gateway.usage import Usage

_STATE = "trace"
_PROPAGATOR = TraceContextTextMapPropagator()
_TRACED = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/v1/route")


class RequestTrace:
    """The spans of one request that is not traced: nothing is kept."""

    async def deciding(self, chat: ChatRequest, decision: Awaitable[RoutingDecision]) -> RoutingDecision:  # noqa: ARG002
        """Return the decision, in a span of its own."""
        return await decision

    def calls(self, candidate: str, upstream: Upstream, chat: ChatRequest) -> Mapping[str, str]:  # noqa: ARG002
        """Begin the span of an upstream's call; return the headers that the call carries for it."""
        return {}

    def failed(self, reason: str) -> None:
        """End the span of the last call, which was no answer."""

    def answers(self, status: int) -> None:
        """Note that the last call's answer begins."""

    def used(self, usage: Usage | None, paid: float | None) -> None:
        """End the span of the last call, whose answer has ended.

        Args:
            usage: As its upstream counted; None where it did not say.
            paid: In USD; None where it is not known.
        """


UNTRACED = RequestTrace()


def of(scope: Mapping[str, Any]) -> RequestTrace:
    """Return the trace of a request."""
    found = scope.get("state", {}).get(_STATE, UNTRACED)
    return found if isinstance(found, RequestTrace) else UNTRACED


@dataclass
class _Call:
    """A call of an upstream: what its span will say, once the answer is on its way."""

    span: Span
    candidate: str
    upstream: Upstream
    chat: ChatRequest
    began: float = field(default_factory=time.perf_counter)
    ended: int | None = None
    fault: str = ""
    facts: dict[str, float] = field(default_factory=dict)
    usage: tuple[Usage | None, float | None] = (None, None)


@dataclass
class _Decision:
    """A decision: when it began and ended, in nanoseconds, and what came of it."""

    chat: ChatRequest
    began: int = field(default_factory=time.time_ns)
    ended: int = 0
    decided: RoutingDecision | None = None
    fault: str = ""


class TracedRequest(RequestTrace):
    """The spans of one request. What they say is written behind the answer's last byte, so that no client waits for it.

    Args:
        tracer: Makes them.
        span: Of the request.
        keeps_text: Whether spans hold the text of prompts.
    """

    def __init__(self, tracer: Tracer, span: Span, keeps_text: bool) -> None:
        self._tracer = tracer
        self._span = span
        self._context = trace.set_span_in_context(span, Context())
        self._keeps_text = keeps_text
        self._decision: _Decision | None = None
        self._calls: list[_Call] = []

    async def deciding(self, chat: ChatRequest, decision: Awaitable[RoutingDecision]) -> RoutingDecision:
        """Return the decision, in a span of its own."""
        self._decision = noted = _Decision(chat)
        try:
            noted.decided = await decision
        except ModelsatError as error:
            noted.fault = type(error).__name__
            raise
        finally:
            noted.ended = time.time_ns()
        return noted.decided

    def calls(self, candidate: str, upstream: Upstream, chat: ChatRequest) -> Mapping[str, str]:
        """Begin the span of an upstream's call; return the headers that the call carries for it."""
        span = self._tracer.start_span(f"chat {upstream.model}", self._context, SpanKind.CLIENT)
        self._calls.append(_Call(span, candidate, upstream, chat))
        headers: dict[str, str] = {}
        _PROPAGATOR.inject(headers, trace.set_span_in_context(span, Context()))
        return headers

    def failed(self, reason: str) -> None:
        """End the span of the last call, which was no answer."""
        call = self._calls[-1]
        call.fault, call.ended = reason, time.time_ns()

    def answers(self, status: int) -> None:
        """Note that the last call's answer begins."""
        call = self._calls[-1]
        if call.ended is not None:
            return
        call.facts["http.response.status_code"] = status
        if call.chat.forwarded.get("stream") is True:
            call.facts[attributes.FIRST_CHUNK] = time.perf_counter() - call.began
        if status >= 400:
            call.fault = str(status)

    def used(self, usage: Usage | None, paid: float | None) -> None:
        """End the span of the last call, whose answer has ended; arguments as of `RequestTrace`."""
        call = self._calls[-1]
        call.usage, call.ended = (usage, paid), time.time_ns()

    def end(self, status: int) -> None:
        """Write what the spans say and end them.

        Args:
            status: Of the answer; `LEFT` where the client left before it.
        """
        if not self._span.is_recording():
            return
        for call in self._calls:
            if call.ended is None and status == LEFT:
                call.fault = "left"
            self._write(call)
        if self._decision is not None:
            self._write_decision(self._decision)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            _fail(self._span, str(status))
        self._span.end()

    def _write(self, call: _Call) -> None:
        told = attributes.of_call(call.candidate, call.upstream, call.chat)
        call.span.set_attributes({**told, **call.facts, **attributes.of_usage(*call.usage)})
        if self._keeps_text:
            call.span.set_attributes(attributes.messages(call.chat))
        if call.fault:
            _fail(call.span, call.fault)
        call.span.end(call.ended)

    def _write_decision(self, noted: _Decision) -> None:
        span = self._tracer.start_span("route", self._context, start_time=noted.began)
        if noted.chat.conversation:
            self._span.set_attribute(attributes.SESSION, noted.chat.conversation)
        if noted.fault:
            _fail(span, noted.fault)
        if noted.decided is not None:
            span.set_attributes(attributes.of_decision(noted.decided))
            if self._keeps_text:
                asked = attributes.question(noted.decided)
                span.set_attributes(asked)
                self._span.set_attributes(asked)
            model = self._calls[-1].candidate if self._calls else noted.decided.order[0]
            self._span.set_attributes({"modelsat.model": model, "modelsat.outcome": noted.decided.outcome})
        span.end(noted.ended)


class TracedRoutes:
    """An ASGI middleware that opens a span for each request of a model.

    Args:
        app: The application.
        tracer: Makes spans.
        keeps_text: Whether spans hold the text of prompts.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer, keeps_text: bool) -> None:
        self._app = app
        self._tracer = tracer
        self._keeps_text = keeps_text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; its span ends with the last byte of its answer."""
        if scope["type"] != "http" or scope["path"] not in _TRACED:
            await self._app(scope, receive, send)
            return
        carrier = {name: value for name, value in Headers(scope=scope).items() if name in _PROPAGATOR.fields}
        told = {
            "http.request.method": scope["method"],
            "url.path": scope["path"],
            "modelsat.request_id": scope["state"]["request_id"],
        }
        parent = _PROPAGATOR.extract(carrier, Context())
        span = self._tracer.start_span(f"{scope['method']} {scope['path']}", parent, SpanKind.SERVER, told)
        scope["state"][_STATE] = traced = TracedRequest(self._tracer, span, self._keeps_text)
        status = LEFT

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            status = 500
            raise
        finally:
            traced.end(status)


def _fail(span: Span, reason: str) -> None:
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", reason)
