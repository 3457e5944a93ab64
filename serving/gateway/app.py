"""The gateway's application: routes of OpenAI and Anthropic before the decision and the call that follows from it.

It keeps no text unless feedback is asked for with it: prompts and keys stand in no log, no metric and no message.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from modelsat.text.harness import Harness
from serving import off_loop
from serving.door import LEFT, Door
from serving.gateway import bodies, conversation_ids, decision_headers, errors, headers, savings, traces
from serving.gateway.asked_usage import without_usage
from serving.gateway.chat_request import AUTO, ENDS, ChatRequest, parse
from serving.gateway.console import login as console_login
from serving.gateway.console.routes import Console
from serving.gateway.decision import HELD_BACK, Decider, RoutingDecision
from serving.gateway.feedback import HEADER as FEEDBACK_ID
from serving.gateway.feedback import Feedback, GivenAnswer
from serving.gateway.forwarding import Forwarded, forward
from serving.gateway.gateway_settings import DEFAULTS, GatewaySettings
from serving.gateway.passthrough import Passthrough
from serving.gateway.picture_texts import PictureTexts
from serving.gateway.protocols import responses
from serving.gateway.protocols.chat import CHAT
from serving.gateway.protocols.known import BY_NAME
from serving.gateway.protocols.messages import COUNT_PATH, MESSAGES
from serving.gateway.protocols.protocol import Protocol
from serving.gateway.protocols.responses import RESPONSES
from serving.gateway.sessions import Sessions
from serving.gateway.shared_sessions import SharedSessions
from serving.gateway.telemetry import Telemetry
from serving.gateway.traces import TracedRoutes
from serving.gateway.transport import Transport, no_cookies
from serving.gateway.upstream_health import UpstreamHealth
from serving.gateway.upstreams import Upstream
from serving.gateway.usage import Usage, UsageReader, read_along
from serving.limits import RequestLimits
from serving.off_loop import LONG_BODY
from serving.refusal import Refused

MOST_BYTES, MOST_IN_FLIGHT, MOST_BYTES_IN_FLIGHT = 20 * 2**20, 256, 512 * 2**20
"""Images travel inside of bodies."""
_OPEN = ("/healthz", "/readyz", "/metrics")
logger = logging.getLogger("modelsat.gateway")


def create_app(upstreams: Mapping[str, Upstream], endpoint: str, settings: GatewaySettings = DEFAULTS) -> FastAPI:
    """Return the application.

    Args:
        upstreams: By candidate.
        endpoint: Address of the KServe endpoint, such as http://127.0.0.1:8080.
        settings: How to decide and whom to let in.
    """
    gateway, export = Gateway(upstreams, endpoint, settings), None
    if settings.traces is not None:
        from serving.gateway.trace_export import TraceExport

        export = TraceExport()

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with gateway.feedback.written() if gateway.feedback else nullcontext():
            yield
        await gateway.client.aclose()
        await gateway.decider.sessions.close()
        await gateway.decider.pictures.close()
        if export is not None:
            await export.close()

    # A redirect would lead to the host that the request names.
    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    if export is not None and settings.traces is not None:
        app.add_middleware(TracedRoutes, tracer=export.tracer(), keeps_text=settings.traces.keeps_text)
    app.add_middleware(
        Door,
        limits=RequestLimits(
            MOST_BYTES,
            MOST_IN_FLIGHT,
            MOST_BYTES_IN_FLIGHT,
            per_minute=settings.per_minute,
            proxies=settings.proxies,
        ),
        clients=settings.clients,
        is_open=lambda _, path: path in _OPEN,
        answer=console_login.at_door,
        on_refused=gateway.telemetry.refused,
        client_of=console_login.client_of,
    )
    errors.add_to(app)
    for method, path, serve in (
        ("POST", "/v1/chat/completions", gateway.chat_completions),
        ("POST", "/v1/responses", gateway.responses),
        ("POST", "/v1/messages", gateway.messages),
        ("POST", "/v1/messages/count_tokens", gateway.count_tokens),
        ("POST", "/v1/route", gateway.route),
        ("POST", "/v1/feedback", gateway.take_feedback),
        ("GET", "/v1/models", gateway.models),
        ("GET", "/metrics", gateway.metrics),
        ("GET", "/healthz", healthz),
        ("GET", "/readyz", gateway.readyz),
    ):
        app.add_api_route(path, serve, methods=[method], response_model=None)
    parts = (gateway.decider, gateway.telemetry, gateway.health, settings)
    Console(gateway.client, endpoint, tuple(upstreams), *parts).add_to(app)
    return app


class Gateway:
    """The routes, with what they share; arguments as of `create_app`."""

    def __init__(self, upstreams: Mapping[str, Upstream], endpoint: str, settings: GatewaySettings) -> None:
        # A redirect is a fault of the upstream: keys and prompts go to the host that the file names.
        self.client = httpx.AsyncClient(transport=Transport(), cookies=no_cookies(), follow_redirects=False)
        self.upstreams = upstreams
        self.conversation_ids = settings.conversation_ids
        self.telemetry = Telemetry()
        shared = SharedSessions(settings.sessions, self.telemetry.sessions_out.set) if settings.sessions else None
        self.decider = Decider(
            self.client,
            endpoint,
            upstreams,
            settings.deadline_seconds,
            settings.switch_gain,
            settings.max_premium_share,
            settings.explore,
            settings.source,
            Sessions(shared),
            Harness(settings.shapes),
            PictureTexts(settings.picture_seconds),
        )
        self.health = UpstreamHealth(self.telemetry)
        self.feedback = Feedback(settings.feedback, self.telemetry) if settings.feedback else None

    async def chat_completions(self, request: Request) -> Response:
        """Answer a chat completion by the candidate that the router names, or by the one that the client names."""
        return await self._answer(request, CHAT)

    async def responses(self, request: Request) -> Response:
        """Answer one of OpenAI's responses in the same way."""
        return await self._answer(request, RESPONSES)

    async def messages(self, request: Request) -> Response:
        """Answer one of Anthropic's messages in the same way."""
        return await self._answer(request, MESSAGES)

    async def count_tokens(self, request: Request) -> Response:
        """Count a message's tokens at the candidate that has its conversation, else at the best single one."""
        return await self._answer(request, MESSAGES, COUNT_PATH)

    async def _answer(self, request: Request, protocol: Protocol, path: str = "") -> Response:
        chat, decision, milliseconds = await self._decided(request, protocol, path=path)
        sent = headers.to_upstream(request.headers, headers.request_id(request), protocol.headers)
        began = time.perf_counter()
        called: list[str] = []
        try:
            forwarded = await forward(
                self.client, decision, chat, self.upstreams, sent, self.health, called.append, traces.of(request.scope)
            )
        except asyncio.CancelledError:
            # The client has left; what was begun for it is paid for all the same.
            if called:
                self.telemetry.decided(decision, called[-1])
                logger.info("%s %s %s %d", headers.request_id(request), decision.outcome, called[-1], LEFT)
            raise
        told = decision_headers.of_decision(decision, forwarded.candidate, forwarded.failures, milliseconds)
        if forwarded.response.is_success and not path:
            self.telemetry.upstream_seconds.labels(forwarded.candidate).observe(time.perf_counter() - began)
            told |= self._kept(request, chat, decision, told)
            self._remember(request, chat, forwarded, told.get(FEEDBACK_ID, ""))
            forwarded = self._metered(request, forwarded, chat, decision, told.get(FEEDBACK_ID, ""), began)
        for candidate, fault in forwarded.failures:
            self.telemetry.fallbacks.labels(candidate, fault).inc()
        self.telemetry.decided(decision, forwarded.candidate)
        self._count(request, told, forwarded.response.status_code)
        return Passthrough(forwarded, told)

    def _remember(self, request: Request, chat: ChatRequest, forwarded: Forwarded, feedback_id: str) -> None:
        response = responses.id_in(forwarded.start) if chat.protocol is RESPONSES else ""
        ids = (headers.request_id(request), feedback_id, response)
        self.decider.sessions.keep(request.state.client, chat, forwarded.candidate, ids)

    def _metered(
        self,
        request: Request,
        forwarded: Forwarded,
        chat: ChatRequest,
        decision: RoutingDecision,
        feedback_id: str,
        began: float,
    ) -> Forwarded:
        """Return the answer with its usage counted as it passes."""
        candidate, headers_of, trace = forwarded.candidate, forwarded.response.headers, traces.of(request.scope)
        reader = UsageReader(
            headers_of.get("content-encoding", "").lower(),
            headers_of.get("content-type", "").lower().startswith("text/event-stream"),
            chat.protocol.usage,
        )

        def ended(usage: Usage | None) -> None:
            facts = self.decider.facts
            paid = None if usage is None else savings.paid(candidate, usage, facts)
            single = None if usage is None else savings.at_best_single(candidate, decision, usage, facts)
            self.telemetry.used(candidate, usage, paid, single)
            trace.used(usage, paid)
            if self.feedback and feedback_id and usage is not None:
                self.feedback.used(feedback_id, usage, paid, time.perf_counter() - began)

        chunks = read_along(forwarded.chunks, reader, ended)
        return replace(forwarded, chunks=without_usage(chunks) if forwarded.asked_usage else chunks)

    async def route(self, request: Request) -> Response:
        """Answer the decision alone. It is remembered as taken, so that callers who act on it get stickiness too."""
        spoken = BY_NAME.get(request.query_params.get("protocol", CHAT.name))
        if spoken is None:
            raise Refused(400, f"no such protocol; 'protocol' is one of {', '.join(BY_NAME)}")
        chat, decision, milliseconds = await self._decided(request, spoken, AUTO, is_called=False)
        chosen = decision.order[0]
        told = decision_headers.of_decision(decision, chosen, (), milliseconds)
        told |= self._kept(request, chat, decision, told)
        ids = (headers.request_id(request), told.get(FEEDBACK_ID, ""))
        self.decider.sessions.keep(request.state.client, chat, chosen, ids)
        self.telemetry.decided(decision, chosen)
        self._count(request, told, httpx.codes.OK)
        return JSONResponse(bodies.of_decision(decision), headers=told)

    async def take_feedback(self, request: Request) -> Response:
        """Take what a client says of an answer."""
        if self.feedback is None:
            raise Refused(404, "this gateway keeps no feedback; start it with --feedback-log")
        return self.feedback.take(await request.body(), request.state.client)

    async def models(self, request: Request) -> Response:
        """List `auto`, its ends of the dial, and all candidates with an upstream, as the client's protocol lists."""
        names = (AUTO, *ENDS, *self.upstreams)
        return JSONResponse(bodies.of_models(names, "anthropic-version" in request.headers))

    async def metrics(self) -> Response:
        """Return the counters for Prometheus."""
        self.telemetry.dearest_share.set(self.decider.escalation.largest_share())
        return Response(generate_latest(self.telemetry.registry), media_type=CONTENT_TYPE_LATEST)

    async def readyz(self) -> Response:
        """Say whether `auto` can be answered, and which upstreams are out."""
        fault = await self.decider.fault()
        if fault:
            return errors.answer(Refused(503, fault, 1))
        out = self.health.standing()
        return JSONResponse({"status": "ready"} | ({"upstreams_out": out} if out else {}))

    def _kept(
        self, request: Request, chat: ChatRequest, decision: RoutingDecision, told: Mapping[str, str]
    ) -> dict[str, str]:
        if self.feedback is None:
            return {}
        candidate, outcome = told[decision_headers.MODEL], told[decision_headers.OUTCOME]
        answer = GivenAnswer(request.state.client, headers.request_id(request), candidate, outcome)
        return self.feedback.answered(answer, chat, decision)

    async def _decided(
        self, request: Request, protocol: Protocol, model: str | None = None, path: str = "", is_called: bool = True
    ) -> tuple[ChatRequest, RoutingDecision, float | None]:
        """Return request, decision, and how long it took where the client asks for that."""
        body = await request.body()
        chat = await off_loop.called(len(body) > LONG_BODY, parse, body, model, protocol)
        # The one query that clients send: Anthropic's, for what is in beta.
        query = "beta=true" if protocol is MESSAGES and request.query_params.get("beta") == "true" else ""
        conversation = conversation_ids.of_request(request.headers, chat.forwarded, self.conversation_ids)
        chat = replace(chat, path=path, query=query, is_called=is_called, conversation=conversation)
        explain = request.query_params.get("explain", "false").lower() in ("", "1", "true")
        began = time.perf_counter()
        deciding = self.decider.decide(chat, request.state.client, headers.request_id(request), explain)
        decision = await traces.of(request.scope).deciding(chat, deciding)
        seconds = time.perf_counter() - began
        self.telemetry.routing_seconds.observe(seconds)
        if decision.outcome == HELD_BACK:
            self.telemetry.escalations.inc()
        asks = request.headers.get("x-modelsat-debug", "").lower() == "true"
        return chat, decision, 1000 * seconds if asks else None

    def _count(self, request: Request, told: Mapping[str, str], status: int) -> None:
        model, outcome = told[decision_headers.MODEL], told[decision_headers.OUTCOME]
        self.telemetry.requests.labels(model, outcome).inc()
        reason = told.get(decision_headers.REASON, "")
        logger.info("%s %s %s %d %s", headers.request_id(request), outcome, model, status, reason)


async def healthz() -> Response:
    """Say that the process lives; it answers without the endpoint, too."""
    return JSONResponse({"status": "ok"})
