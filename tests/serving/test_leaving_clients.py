"""A client that leaves before the first byte: the upstream's call ends, the slot is free, and the cost is counted."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

import httpx
import pytest
from endpoint_process import Endpoint
from local_servers import served

from serving.connections import ConnectionLimits, bounded
from serving.gateway import upstreams
from serving.gateway.app import create_app

PATIENCE_SECONDS = 20
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}).encode()
SIGN_OF_LIFE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n8\r\n: wait\n\n\r\n"
)


@dataclass
class Waiting:
    """An upstream that takes calls, says what it is told to, and then waits for the caller to end them."""

    says: bytes
    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def take(self, connection: socket.socket) -> None:
        with closing(connection):
            connection.recv(65536)
            connection.sendall(self.says)
            self.called.release()
            with suppress(ConnectionError):
                while connection.recv(65536):
                    pass
            self.ended.release()


@pytest.fixture(params=[b"", SIGN_OF_LIFE], ids=["silent", "alive"])
def waiting(request: pytest.FixtureRequest) -> Iterator[tuple[Waiting, str]]:
    """An upstream that never answers, and its address."""
    upstream = Waiting(request.param)
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connection.settimeout(PATIENCE_SECONDS)
                threading.Thread(target=upstream.take, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield upstream, f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_upstream_is_left_the_slot_is_free_and_the_cost_counted(
    waiting: tuple[Waiting, str], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.gateway.app.MOST_IN_FLIGHT", 1)
    upstream, address = waiting
    one = upstreams.Upstream(f"{address}/v1", "org/strong", timeout_seconds=600)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    app = create_app({"strong": one}, endpoint.url)
    with served(app, http=bounded(ConnectionLimits())) as gateway:
        port = httpx.URL(gateway).port or 0
        # Twice: were the only slot not free, the second would reach no upstream.
        for _ in range(2):
            with closing(socket.create_connection(("127.0.0.1", port))) as client:
                client.sendall(head + BODY)
                assert upstream.called.acquire(timeout=PATIENCE_SECONDS)
            assert upstream.ended.acquire(timeout=PATIENCE_SECONDS)
        lines = httpx.get(f"{gateway}/metrics").text.splitlines()

    assert 'modelsat_refused_total{reason="left"} 2.0' in lines
    (cost,) = [line for line in lines if line.startswith('modelsat_expected_cost_usd_total{model="strong"}')]
    (single,) = [line for line in lines if line.startswith("modelsat_expected_cost_of_best_single_usd_total ")]
    assert float(cost.split()[1]) == float(single.split()[1]) > 0
