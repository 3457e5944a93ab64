"""The door of endpoint and gateway: who may come in, how much at once, and under which id.

An ASGI middleware around an application: it knows the client by its token, keeps its pace, bounds bodies and requests
in flight, gives every request an id that stands in the answer's headers, and reads the body whole, so that a slow
client keeps nobody else waiting. Where a client leaves, what was begun for it ends.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import off_loop, proxies, tokens
from serving.compression import decompressed
from serving.limits import ClientRates, RequestLimits, Slots
from serving.refusal import Refused

REQUEST_ID = "x-modelsat-request-id"
LEFT = 499
"""What logs call the status of a request whose client has left; nobody is sent it."""
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Door:
    """Lets requests in.

    Args:
        app: The application.
        limits: Of the process.
        clients: SHA-256 of the tokens that are let in; empty lets everybody in.
        is_open: Says of a method and path whether anybody may come in at any time, such as a probe.
        answer: Makes the application's answer of a refusal.
        on_refused: Called with the reason of each refusal.
        logger: Gets a line per request that is no probe: id, method, path, status, milliseconds.
        client_of: Says of method, path and headers who asks, given the clients, or refuses; the token by default.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: RequestLimits,
        clients: frozenset[str],
        is_open: Callable[[str, str], bool],
        answer: Callable[[Refused], ASGIApp],
        on_refused: Callable[[str], None] = lambda _: None,
        logger: logging.Logger | None = None,
        client_of: Callable[[str, str, Headers, frozenset[str]], str] | None = None,
    ) -> None:
        self.app = app
        self.limits = limits
        self._clients = clients
        self._client_of = client_of or _client_of
        self._is_open = is_open
        self._answer = answer
        self._on_refused = on_refused
        self._logger = logger
        self._pace = ClientRates(limits.per_minute) if limits.per_minute else None
        self._slots = Slots(limits.most_in_flight)
        self._bytes_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(headers)
        send = _with_id(send, state["request_id"])
        if self._is_open(scope["method"], scope["path"]):
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        progress = _Progress()
        held: list[bytes] = []
        send = _noting(send, progress)
        source = self._source(scope, headers)
        proxies.current.set(source)
        try:
            with self._slot(source):
                state["client"] = self._let_in(scope, source, headers)
                await self._take_body(headers, receive, held)
                await self._decompress(headers, held)
                await self._answer_while_there(scope, receive, send, held, progress)
        except _Shut as shut:
            self._on_refused(shut.reason)
            await self._answer(shut.refused)(scope, receive, send)
        finally:
            self._bytes_in_flight -= sum(map(len, held))
            if self._logger is not None:
                line = (state["request_id"], scope["method"], scope["path"][:100], progress.status)
                self._logger.info("%s %s %r %d in %.0f ms", *line, 1000 * (time.monotonic() - began))

    def _source(self, scope: Scope, headers: Headers) -> str:
        peer = (scope.get("client") or ("", 0))[0]
        return proxies.source(proxies.client(peer, headers.getlist("x-forwarded-for"), self.limits.proxies))

    @contextmanager
    def _slot(self, source: str) -> Iterator[None]:
        try:
            self._slots.take(source)
        except Refused as error:
            raise _Shut("in flight", error.status, str(error), error.retry_after) from None
        try:
            yield
        finally:
            self._slots.free(source)

    def _let_in(self, scope: Scope, source: str, headers: Headers) -> str:
        try:
            client = self._client_of(scope["method"], scope["path"], headers, self._clients)
        except Refused as error:
            raise _Shut("token", error.status, str(error)) from None
        if self._pace is not None:
            wait = self._pace.wait(client or f"address {source}", time.monotonic())
            if wait is not None:
                pace = f"more than {self.limits.per_minute:g} requests a minute came from this client"
                raise _Shut("pace", 429, f"{pace}; try again in {wait} s", wait)
        return client

    async def _answer_while_there(
        self, scope: Scope, receive: Receive, send: Send, held: list[bytes], progress: "_Progress"
    ) -> None:
        """Run the application until it has answered, or until the client has left."""
        left = asyncio.ensure_future(_left(receive))
        answered = asyncio.ensure_future(self.app(scope, _again(b"".join(held), left), send))
        try:
            await asyncio.wait((answered, left), return_when=asyncio.FIRST_COMPLETED)
            # A server says that the client has left also behind the end of an answer.
            if progress.is_answered or answered.done():
                await answered
            else:
                progress.status = LEFT
                self._on_refused("left")
        finally:
            answered.cancel()
            left.cancel()
            await asyncio.gather(answered, left, return_exceptions=True)

    async def _take_body(self, headers: Mapping[str, str], receive: Receive, held: list[bytes]) -> None:
        """Take a body part by part into `held`, which counts from its first byte on."""
        most = self.limits.most_bytes
        too_long = _Shut("body", 413, f"the body has more than {most / 2**20:g} MiB; send less at once")
        said = headers.get("content-length", "")
        if said.isascii() and said.isdigit() and int(said[:20]) > most:
            raise too_long
        size = 0
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Shut("left", 400, "the client left before the end of the body")
                    part = message.get("body", b"")
                    held.append(part)
                    size += len(part)
                    self._bytes_in_flight += len(part)
                    if size > most:
                        raise too_long
                    if self._bytes_in_flight > self.limits.most_bytes_in_flight:
                        raise _Shut("bytes in flight", 503, "too many long bodies are in flight; try again", 1)
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            sentence = f"the body did not arrive within {self.limits.body_seconds:g} s; send it again"
            raise _Shut("slow body", 408, sentence) from None

    async def _decompress(self, headers: Mapping[str, str], held: list[bytes]) -> None:
        encoding = headers.get("content-encoding", "")
        if not encoding:
            return
        try:
            # Always in a thread: a few bytes can take long.
            body = await off_loop.called(True, decompressed, b"".join(held), encoding, self.limits.most_bytes)
        except Refused as error:
            raise _Shut("encoding", error.status, str(error)) from None
        self._bytes_in_flight += len(body) - sum(map(len, held))
        held[:] = [body]


@dataclass
class _Progress:
    """How far an answer is: its status, 0 before it has begun, and whether all of it is sent."""

    status: int = 0
    is_answered: bool = False


class _Shut(Exception):
    """A refusal at the door, and the word under which it is counted."""

    def __init__(self, reason: str, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.refused = Refused(status, sentence, retry_after)


def _client_of(_method: str, _path: str, headers: Headers, clients: frozenset[str]) -> str:
    return tokens.client_of(tokens.login_of(headers), clients)


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _with_id(send: Send, request_id: str) -> Send:
    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            own: Any = [(REQUEST_ID.encode(), request_id.encode())]
            message["headers"] = [*message.get("headers", ()), *own]
        await send(message)

    return send_with_id


def _noting(send: Send, progress: _Progress) -> Send:
    async def send_and_note(message: Message) -> None:
        if message["type"] == "http.response.start":
            progress.status = message["status"]
        elif not message.get("more_body", False):
            progress.is_answered = True
        await send(message)

    return send_and_note


async def _left(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _again(body: bytes, left: "asyncio.Future[None]") -> Receive:
    """Return a `receive` that gives the body once, and then waits until the client has left."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.shield(left)
        return {"type": "http.disconnect"}

    return receive_again
