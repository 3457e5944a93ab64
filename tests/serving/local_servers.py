"""Servers in threads of the test process, and an upstream that answers as a small LLM server does."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

EVENTS = (
    b'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Ja, "}}]}\n\n',
    b'data:  {"id":"1","choices":[{ "delta":{"content":"f\xc3\xbcr immer"},"index":0}]}\n\n',
    b"data: [DONE]\n\n",
)


@contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """Serve an application on a free port, with options of uvicorn; yields its address and ends it for certain."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1, **options
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server ended while it started"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive()


@contextmanager
def closed_port() -> Iterator[str]:
    """Yield an address that refuses connections: its port is taken and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def mute_port() -> Iterator[str]:
    """Yield an address that takes connections and never answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


TOO_LONG = "This model's maximum context length is 8192 tokens."
USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 400}}


@dataclass
class Upstream:
    """What an upstream was asked, and for which of its models it fails."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        return [body["model"] for body in self.bodies]

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/v1/chat/completions", self.answer, methods=["POST"], response_model=None)
        return app

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        fault = self.faults.get(body["model"], "")
        if fault.isdigit():
            return Response(b'{"error": {"message":"no"}}', int(fault), {"retry-after": "7"}, "application/json")
        if fault == "silent":
            await asyncio.sleep(5)
        if fault in ("new name", "new name, too long") and "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return JSONResponse({"error": {"message": said, "param": "max_tokens"}}, 400)
        if fault == "old name" and "max_completion_tokens" in body:
            said = {"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"]}
            return JSONResponse({"detail": [said]}, 422)
        if fault == "new name, too long":
            return JSONResponse({"error": {"message": TOO_LONG, "code": "context_length_exceeded"}}, 400)
        if fault == "usage":
            return JSONResponse({"choices": [{"message": {"role": "assistant", "content": "Yes"}}], "usage": USAGE})
        if body.get("stream") and body.get("stream_options"):
            return StreamingResponse(counted_events(), media_type="text/event-stream")
        if body.get("stream"):
            return StreamingResponse(events(fault), media_type="text/event-stream", headers={"x-ratelimit": "9"})
        # Spaces, key order and escapes that no second serialisation would keep.
        content = b'{"id": "c1",  "object":"chat.completion", "model":' + json.dumps(body["model"]).encode()
        content += b', "choices":[{"index":0,"message":{"role":"assistant","content":"Gr\\u00fc\xc3\x9fe"}}] }\n'
        return Response(content, media_type="application/json", headers={"x-ratelimit": "9", "set-cookie": "a=b"})


async def counted_events() -> AsyncIterator[bytes]:
    """Yield the events of a stream that was asked for its usage, as OpenAI's API does."""
    for event in EVENTS[:-1]:
        yield event.replace(b"}\n\n", b', "usage": null}\n\n')
    yield b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n"
    yield EVENTS[-1]


async def events(fault: str) -> AsyncIterator[bytes]:
    for i, event in enumerate(EVENTS):
        if fault == f"breaks before {i}":
            raise ConnectionError("the upstream breaks, as it was told to")
        yield event
        await asyncio.sleep(0.01)
