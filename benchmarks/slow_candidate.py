"""An OpenAI-compatible server that plays a candidate: so many answers a second, right on what it is good at."""

import contextlib
import hashlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping

RATE = 20.0
ASKED = "\n\nEnd your reply"


@contextlib.contextmanager
def serving(gold: Mapping[str, tuple[str, float]], rate: float = RATE) -> Iterator[tuple[str, Callable[[], int]]]:
    """Serve on this machine; yield the address and a function that counts the requests.

    Args:
        gold: Gold answer and share of right answers by text of the question.
        rate: Answers per second.
    """
    lock, state = threading.Lock(), {"next": 0.0, "asked": 0}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = body["messages"][-1]["content"].partition(ASKED)[0]
            with lock:
                state["asked"] += 1
                at = max(state["next"], time.monotonic())
                state["next"] = at + 1 / rate
            time.sleep(max(0.0, at - time.monotonic()))
            answer = reply(text, *gold.get(text, ("", 0.0)))
            usage = {"prompt_tokens": len(text) // 4, "completion_tokens": 5}
            choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
            content = json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", lambda: int(state["asked"])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(text: str, answer: str, skill: float) -> str:
    """Return a right answer to a share of the questions, the same ones every time."""
    luck = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") / 2**32
    wrong = ("B" if answer == "A" else "A") if answer in "ABCDEFGHIJ" else "0"
    return f"Answer: {answer if luck < skill else wrong}"
