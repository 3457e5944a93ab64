"""A small OpenAI-compatible server in threads of the test process: slow, failing, breaking off or talking rubbish."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DROP = "the connection breaks"
RUBBISH = "status 200 and a page"
TRICKLE = "a byte now and then, for ever"


@dataclass
class LlmServer:
    """What it answers and what it saw.

    Attributes:
        answer: From the user's text to the reply.
        fault: From the number of the request, from 0, and the user's text to a status with headers, or `DROP`,
            `RUBBISH`, `TRICKLE`; None where it answers.
        seconds: How long an answer takes.
        refuses: From the decoded request to an error object, sent with status 400; None where it answers.
        thinks: Tokens of thoughts before each answer; a request that allows no more gets an empty answer, cut off.
        usage: Whether tokens are counted in the answers.
        asked: The user's texts, in the order in which they came.
        bodies: The decoded requests.
        keys: The Authorization headers.
        headers: All headers of each request, their names in small letters.
        started: When the requests came, in seconds.
        most_in_flight: Most requests that were open at once.
    """

    answer: Callable[[str], str]
    fault: Callable[[int, str], tuple[int, dict[str, str]] | str | None] = lambda *_: None
    seconds: float = 0.0
    refuses: Callable[[dict[str, Any]], object] = lambda _: None
    thinks: int = 0
    usage: bool = True
    url: str = ""
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    most_in_flight: int = 0
    _in_flight: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator["LlmServer"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        # A client that was killed is what some tests are about.
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def seen(self, body: dict[str, Any], key: str | None) -> tuple[int, str]:
        text = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        with self._lock:
            number = len(self.asked)
            self.asked.append(text)
            self.bodies.append(body)
            self.keys.append(key)
            self.started.append(time.monotonic())
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        return number, text

    def done(self) -> None:
        with self._lock:
            self._in_flight -= 1


def _handler(llm: LlmServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            llm.headers.append({name.lower(): value for name, value in self.headers.items()})
            number, text = llm.seen(body, self.headers.get("Authorization"))
            try:
                self._reply(body, text, llm.fault(number, text))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                llm.done()

        def _reply(self, body: dict[str, Any], text: str, fault: tuple[int, dict[str, str]] | str | None) -> None:
            time.sleep(llm.seconds)
            if fault == DROP:
                self.close_connection = True
                return
            if fault == TRICKLE:
                self._head(200, {"Content-Length": "1000000"})
                while True:
                    self.wfile.write(b" ")
                    time.sleep(0.02)
            if fault == RUBBISH:
                self._whole(200, {}, b"<html>Welcome to the proxy</html>")
            elif (refusal := llm.refuses(body)) is not None:
                self._whole(400, {}, json.dumps({"error": refusal}).encode())
            elif isinstance(fault, tuple):
                self._whole(fault[0], fault[1], b'{"error": {"message": "no"}}')
            else:
                self._whole(200, {}, json.dumps(self._completion(body, text)).encode())

        def _completion(self, body: dict[str, Any], text: str) -> dict[str, Any]:
            most = body.get("max_completion_tokens", body.get("max_tokens", 10**6))
            is_cut = 0 < most <= llm.thinks
            reply = "" if is_cut else llm.answer(text)
            said = {"message": {"role": "assistant", "content": reply}} if "messages" in body else {"text": reply}
            usage = {"prompt_tokens": len(text) // 4, "completion_tokens": min(most, llm.thinks) + len(reply) // 4}
            return {
                "object": "chat.completion",
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "length" if is_cut else "stop", **said}],
                **({"usage": usage} if llm.usage else {}),
            }

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def _whole(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self._head(status, headers | {"Content-Length": str(len(content)), "Content-Type": "application/json"})
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
