"""The gateway's application: OpenAI's routes in front of the decision and of the call that follows from it.

It keeps no text: prompts and keys stand in no log, no metric and no message.
"""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from serving.gateway import decision_headers, errors, headers, tokens
from serving.gateway.capacity import Capacity, read_body
from serving.gateway.chat_request import AUTO, ChatRequest, parse
from serving.gateway.decision import Decider, Decision
from serving.gateway.errors import Refused
from serving.gateway.forwarding import forward
from serving.gateway.passthrough import Passthrough
from serving.gateway.stickiness import SWITCH_GAIN
from serving.gateway.telemetry import Telemetry
from serving.gateway.upstreams import Upstream

DEADLINE_SECONDS = 1.0
logger = logging.getLogger("modelsat.gateway")


def create_app(
    upstreams: Mapping[str, Upstream],
    endpoint: str,
    clients: frozenset[str] = frozenset(),
    deadline_seconds: float = DEADLINE_SECONDS,
    switch_gain: float = SWITCH_GAIN,
) -> FastAPI:
    """Return the application.

    Args:
        upstreams: By candidate.
        endpoint: Address of the KServe endpoint, such as http://127.0.0.1:8080.
        clients: SHA-256 of the tokens that are let in; empty lets everybody in.
        deadline_seconds: How long the endpoint may take for a decision, above 0.
        switch_gain: Utility by which another candidate has to be better for a conversation to leave its own, in [0, 1].
    """
    gateway = Gateway(upstreams, endpoint, clients, deadline_seconds, switch_gain)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.client.aclose()

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Capacity)
    for kind, handler in (
        (Refused, errors.refused),
        (RecursionError, errors.too_deep),
        (HTTPException, errors.no_such_route),
        (Exception, errors.unexpected),
    ):
        app.add_exception_handler(kind, handler)
    for method, path, serve in (
        ("POST", "/v1/chat/completions", gateway.chat_completions),
        ("POST", "/v1/route", gateway.route),
        ("GET", "/v1/models", gateway.models),
        ("GET", "/metrics", gateway.metrics),
        ("GET", "/healthz", healthz),
    ):
        app.add_api_route(path, serve, methods=[method], response_model=None)
    return app


class Gateway:
    """The routes, with what they share; arguments as of `create_app`."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        endpoint: str,
        clients: frozenset[str],
        deadline_seconds: float,
        switch_gain: float,
    ) -> None:
        self.client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None, max_keepalive_connections=64))
        self.upstreams = upstreams
        self.clients = clients
        self.decider = Decider(self.client, endpoint, upstreams, deadline_seconds, switch_gain)
        self.telemetry = Telemetry()

    async def chat_completions(self, request: Request) -> Response:
        """Answer a chat completion by the candidate that the router names, or by the one that the client names."""
        client, chat, decision, milliseconds = await self._decided(request)
        sent = headers.to_upstream(request.headers, headers.request_id(request))
        forwarded = await forward(self.client, decision, chat, self.upstreams, sent)
        if forwarded.response.is_success:
            self.decider.memory.keep(client, chat.messages, forwarded.candidate)
        told = decision_headers.of_decision(decision, forwarded.candidate, forwarded.failures, milliseconds)
        for candidate, fault in forwarded.failures:
            self.telemetry.fallbacks.labels(candidate, fault).inc()
        self._count(request, told, forwarded.response.status_code)
        return Passthrough(forwarded, {**told, headers.REQUEST_ID: headers.request_id(request)})

    async def route(self, request: Request) -> Response:
        """Answer the decision alone. It is remembered as taken, so that callers who act on it get stickiness too."""
        client, chat, decision, milliseconds = await self._decided(request, AUTO)
        chosen = decision.order[0]
        self.decider.memory.keep(client, chat.messages, chosen)
        told = decision_headers.of_decision(decision, chosen, (), milliseconds)
        self._count(request, told, httpx.codes.OK)
        answer = {
            "object": "modelsat.decision",
            "model": chosen,
            "outcome": decision.outcome,
            "reason": decision.reason or None,
            "router_version": decision.router_version or None,
            "order": decision.order,
            "candidates": decision.ranked,
        }
        return JSONResponse(answer, headers={**told, headers.REQUEST_ID: headers.request_id(request)})

    async def models(self, request: Request) -> Response:
        """List `auto` and all candidates with an upstream."""
        tokens.client_of(request.headers.get("authorization", ""), self.clients)
        rows = [
            {"id": name, "object": "model", "created": 0, "owned_by": "modelsat"} for name in (AUTO, *self.upstreams)
        ]
        return JSONResponse({"object": "list", "data": rows}, headers={headers.REQUEST_ID: headers.request_id(request)})

    async def metrics(self) -> Response:
        """Return the counters for Prometheus."""
        return Response(generate_latest(self.telemetry.registry), media_type=CONTENT_TYPE_LATEST)

    async def _decided(
        self, request: Request, model: str | None = None
    ) -> tuple[str, ChatRequest, Decision, float | None]:
        """Return client, request, decision, and how long it took where the client asks for that."""
        client = tokens.client_of(request.headers.get("authorization", ""), self.clients)
        chat = parse(await read_body(request), model)
        began = time.perf_counter()
        decision = await self.decider.decide(chat, client)
        seconds = time.perf_counter() - began
        self.telemetry.routing_seconds.observe(seconds)
        asks = request.headers.get("x-modelsat-debug", "").lower() == "true"
        return client, chat, decision, 1000 * seconds if asks else None

    def _count(self, request: Request, told: Mapping[str, str], status: int) -> None:
        model, outcome = told[decision_headers.MODEL], told[decision_headers.OUTCOME]
        self.telemetry.requests.labels(model, outcome).inc()
        reason = told.get(decision_headers.REASON, "")
        logger.info("%s %s %s %d %s", headers.request_id(request), outcome, model, status, reason)


async def healthz() -> Response:
    """Say that the process lives; it answers without the endpoint, too."""
    return JSONResponse({"status": "ok"})
