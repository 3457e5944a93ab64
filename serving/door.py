"""The door of endpoint and gateway: who may come in, how much at once, and under which id.

An ASGI middleware around an application: it knows the client by its token, keeps its pace, bounds bodies and requests
in flight, gives every request an id that stands in the answer's headers, and reads the body whole, so that a slow
client keeps nobody else waiting.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import tokens
from serving.compression import decompressed
from serving.limits import ClientRates, RequestLimits
from serving.refusal import Refused

REQUEST_ID = "x-modelsat-request-id"
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
    ) -> None:
        self.app = app
        self.limits = limits
        self._clients = clients
        self._is_open = is_open
        self._answer = answer
        self._on_refused = on_refused
        self._logger = logger
        self._pace = ClientRates(limits.per_minute) if limits.per_minute else None
        self._in_flight = 0
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
        told: list[int] = []
        held: list[bytes] = []
        send = _noting(send, told)
        self._in_flight += 1
        try:
            state["client"] = self._let_in(scope, headers)
            await self._take_body(headers, receive, held)
            await self._decompress(headers, held)
            await self.app(scope, _again(b"".join(held), receive), send)
        except _Shut as shut:
            self._on_refused(shut.reason)
            await self._answer(shut.refused)(scope, receive, send)
        finally:
            self._in_flight -= 1
            self._bytes_in_flight -= sum(map(len, held))
            if self._logger is not None:
                line = (state["request_id"], scope["method"], scope["path"][:100], (told or [0])[0])
                self._logger.info("%s %s %r %d in %.0f ms", *line, 1000 * (time.monotonic() - began))

    def _let_in(self, scope: Scope, headers: Mapping[str, str]) -> str:
        most = self.limits.most_in_flight
        if self._in_flight > most:
            raise _Shut("in flight", 503, f"{most} requests are in flight, which is all that is taken; try again", 1)
        try:
            client = tokens.client_of(headers.get("authorization", ""), self._clients)
        except Refused as error:
            raise _Shut("token", error.status, str(error)) from None
        if self._pace is not None:
            peer = scope.get("client") or ("", 0)
            wait = self._pace.wait(client or f"address {peer[0]}", time.monotonic())
            if wait is not None:
                pace = f"more than {self.limits.per_minute:g} requests a minute came from this client"
                raise _Shut("pace", 429, f"{pace}; try again in {wait} s", wait)
        return client

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
            body = await asyncio.to_thread(decompressed, b"".join(held), encoding, self.limits.most_bytes)
        except Refused as error:
            raise _Shut("encoding", error.status, str(error)) from None
        self._bytes_in_flight += len(body) - sum(map(len, held))
        held[:] = [body]


class _Shut(Exception):
    """A refusal at the door, and the word under which it is counted."""

    def __init__(self, reason: str, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.refused = Refused(status, sentence, retry_after)


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


def _noting(send: Send, statuses: list[int]) -> Send:
    async def send_and_note(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        await send(message)

    return send_and_note


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once and then whatever else comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
