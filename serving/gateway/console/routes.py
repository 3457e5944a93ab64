"""The console's routes. Pages, templates and parsers are imported when somebody first asks for one of them."""

import importlib
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from serving import off_loop
from serving.gateway.console import login
from serving.gateway.decision import Decider
from serving.gateway.gateway_settings import GatewaySettings
from serving.gateway.headers import request_id
from serving.gateway.telemetry import Telemetry
from serving.gateway.upstream_health import UpstreamHealth
from serving.refusal import Refused


class Console:
    """The console of one gateway, whose parts it reads and does not change.

    Args:
        client: For the endpoint.
        endpoint: Address of the endpoint.
        names: Of all candidates with an upstream.
        decider: Decides on what is typed into the box.
        telemetry: With the gateway's counts.
        health: Of the upstreams.
        settings: Whose clients may look.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoint: str,
        names: tuple[str, ...],
        decider: Decider,
        telemetry: Telemetry,
        health: UpstreamHealth,
        settings: GatewaySettings,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._names = names
        self._decider = decider
        self._telemetry = telemetry
        self._health = health
        self._clients = settings.clients
        self._deadline_seconds = settings.deadline_seconds

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        for method, path, serve in (
            ("GET", login.ROOT, self.overview),
            ("GET", login.ASK, self.box),
            ("POST", login.ASK, self.route),
            ("POST", login.LOG_IN, self.log_in),
            ("POST", login.LOG_OUT, self.log_out),
        ):
            app.add_api_route(path, serve, methods=[method], response_model=None)

    async def overview(self) -> Response:
        """Show how things stand."""
        pages = await _pages()
        from serving.gateway.console import counted, served_router

        served = await served_router.ask(self._client, self._endpoint, self._deadline_seconds)
        counts = counted.read(self._telemetry.since, self._telemetry.registry.collect())
        out = {name: str(facts["reason"]) for name, facts in self._health.standing().items()}
        html = await off_loop.called(
            True, pages.overview, served, counts, out, self._names, datetime.now(UTC), self._has_login
        )
        return pages.answer(html)

    async def box(self) -> Response:
        """Show the box."""
        pages = await _pages()
        from serving.gateway.console.question import Question

        return pages.answer(await off_loop.called(True, pages.box, Question(), self._names, self._has_login))

    async def route(self, request: Request) -> Response:
        """Show where a prompt would go, and why: it is neither counted, logged nor kept."""
        pages = await _pages()
        from serving.gateway.console import question

        asked, decision, fault, status = question.Question(), None, "", httpx.codes.OK
        began = time.perf_counter()
        try:
            asked = question.read(await request.body())
            chat = question.as_request(asked)
            client, name = f"console {request.state.client}", request_id(request)
            decision = await self._decider.decide(chat, client, name, explain=True, is_trial=True)
        except Refused as error:
            fault, status = str(error), httpx.codes(error.status)
        milliseconds = 1000 * (time.perf_counter() - began)
        html = await off_loop.called(
            True, pages.box, asked, self._names, self._has_login, decision, fault, milliseconds
        )
        return pages.answer(html, status)

    async def log_in(self, request: Request) -> Response:
        """Take a token, and answer with the cookie that opens the console."""
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        inside = RedirectResponse(login.ROOT, httpx.codes.SEE_OTHER)
        is_secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
        if not self._has_login or login.let_in(inside, form.get("token", [""])[0], self._clients, is_secure):
            return inside
        pages = await _pages()
        sentence = "This token is unknown. Ask whoever runs the gateway for one."
        return pages.answer(await off_loop.called(True, pages.login, sentence), httpx.codes.UNAUTHORIZED)

    async def log_out(self) -> Response:
        """Take the cookie away."""
        outside = RedirectResponse(login.ROOT, httpx.codes.SEE_OTHER)
        login.let_out(outside)
        return outside

    @property
    def _has_login(self) -> bool:
        return bool(self._clients)


async def _pages() -> Any:
    """Return the module of pages: what it imports is heavy, and no request of a model waits for that."""
    return await off_loop.called(True, importlib.import_module, "serving.gateway.console.pages")
