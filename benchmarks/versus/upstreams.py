"""The models of both systems on this machine: each answers with the known outcome of the prompt, or fails as told.

An answer is the text `score S`, where S is what the model really scored on the prompt in the data. What it costs is
counted here, at the prices of the day, so that both systems are billed by the same book.
"""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

TOKENS_OUT = 200
"""Answer length of every model: the data do not have it."""
DOWN, SILENT, WITHDRAWN = "down", "silent", "withdrawn"
_SILENT_SECONDS = 6.0
_ERRORS = {
    DOWN: (503, {"error": {"message": "the server is overloaded", "type": "server_error"}}),
    WITHDRAWN: (404, {"error": {"message": "the model does not exist", "code": "model_not_found"}}),
}


@dataclass
class Upstreams:
    """Models with what they score, cost and do now.

    Attributes:
        outcomes: By prompt the score of each model in [0, 1].
        prices: USD per million tokens by model, for prompts and answers alike; may be changed at any time.
        faults: `DOWN`, `SILENT` or `WITHDRAWN` by model.
        paid: Dollars by system.
        calls: Requests by (system, model), failed ones included.
    """

    outcomes: Mapping[str, Mapping[str, float]]
    prices: dict[str, float]
    faults: dict[str, str] = field(default_factory=dict)
    paid: dict[str, float] = field(default_factory=dict)
    calls: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Serve on a free port; yields the address, below which `/SYSTEM/MODEL/v1` is a model."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def cost(self, model: str, text: str) -> float:
        """Return what a model's answer to a prompt costs now, in USD; a token is four characters."""
        return (len(text) / 4 + TOKENS_OUT) * self.prices[model] / 1e6

    def answer(self, system: str, model: str, text: str) -> tuple[int, dict]:
        """Return status and body, and put the answer on the bill."""
        fault = self.faults.get(model, "")
        with self._lock:
            self.calls[system, model] = self.calls.get((system, model), 0) + 1
        if fault == SILENT:
            time.sleep(_SILENT_SECONDS)
            return _ERRORS[DOWN]
        if fault:
            return _ERRORS[fault]
        with self._lock:
            self.paid[system] = self.paid.get(system, 0.0) + self.cost(model, text)
        message = {"role": "assistant", "content": f"score {self.outcomes[text][model]:g}"}
        usage = {"prompt_tokens": len(text) // 4, "completion_tokens": TOKENS_OUT}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage["total_tokens"] = sum(usage.values())
        return 200, {
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [choice],
            "usage": usage,
        }


def score(content: str) -> float:
    """Return what an answer scored."""
    return float(content.removeprefix("score "))


def _handler(upstreams: Upstreams) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, system, model, *_ = self.path.split("/")
            status, answer = upstreams.answer(system, model, body["messages"][-1]["content"])
            content = json.dumps(answer).encode()
            # A client that ran out of patience is gone.
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
