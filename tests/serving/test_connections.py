"""Connections of real clients: offers of other protocols, slow heads, idle and stalled clients, too many of them."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from endpoint_process import INFER, Endpoint, v2_body
from local_servers import Upstream, served

from serving import proxies
from serving.connections import ConnectionLimits, bounded
from serving.gateway import upstreams
from serving.gateway.app import create_app

OFFERS = {
    "none": b"",
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    "websocket": b"connection: keep-alive, upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "unknown": b"Connection: upgrade\r\nUpgrade: TLS/1.0, foo/2\r\n",
    "two lines": b"Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: foo\r\n",
}
JAVA = """
import java.net.URI;
import java.net.http.*;
public class Ask {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        for (int i = 0; i < 2; i++) {
            var body = HttpRequest.BodyPublishers.ofString(arguments[1]);
            var request = HttpRequest.newBuilder(URI.create(arguments[0])).POST(body).build();
            var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.version() + " " + answer.body());
        }
    }
}
"""
QUESTION = json.dumps(v2_body(["What is 2 + 2?"])).encode()
CHAT = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}).encode()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body that came, and say in a header which others came with it."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    names = b" ".join(sorted(name for name, _ in scope["headers"]))
    told = [(b"content-length", b"%d" % len(body)), (b"names", names)]
    await send({"type": "http.response.start", "status": 200, "headers": told})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., tuple[str, int]]]:
    """Return a function that serves an application behind bounded connections and returns host and port."""
    with ExitStack() as stack:

        def begin(app: Any = echo, keep_alive: int = 60, **limits: Any) -> tuple[str, int]:
            http = bounded(ConnectionLimits(**limits))
            url = httpx.URL(stack.enter_context(served(app, http=http, timeout_keep_alive=keep_alive)))
            assert url.port is not None
            return url.host, url.port

        yield begin


def connected(address: tuple[str, int]) -> socket.socket:
    client = socket.create_connection(address, timeout=20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def everything(client: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def request(offer: bytes, body: bytes = b"twelve bytes", chunked: bool = False, more: bytes = b"") -> bytes:
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    return b"POST /x HTTP/1.1\r\nHost: x\r\n" + offer + more + length + b"\r\n\r\n" + sent


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("offer", OFFERS)
def test_body_behind_an_offer_arrives_wherever_the_network_cuts_it(
    serve: Callable[..., tuple[str, int]], offer: str, chunked: bool
) -> None:
    address = serve()
    whole = request(OFFERS[offer], chunked=chunked)
    with closing(connected(address)) as client:
        for cut in range(0, len(whole), 7):
            client.sendall(whole[:cut])
            time.sleep(0.001)
            client.sendall(whole[cut:])
            answer = b""
            while not answer.endswith(b"twelve bytes"):
                part = client.recv(65536)
                assert part, answer
                answer += part
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"upgrade" not in answer
            assert b"http2-settings" not in answer


@pytest.mark.parametrize("offer", OFFERS)
def test_requests_behind_one_with_an_offer_are_answered_in_order(
    serve: Callable[..., tuple[str, int]], offer: str
) -> None:
    last = request(OFFERS[offer], b"third", more=b"Connection: close\r\n")
    with closing(connected(serve())) as client:
        client.sendall(request(OFFERS[offer], b"first") + request(b"", b"second") + last)
        answers = everything(client)

    assert answers.count(b"HTTP/1.1 200 ") == 3
    assert [answers.index(word) for word in (b"first", b"second", b"third")] == sorted(
        answers.index(word) for word in (b"first", b"second", b"third")
    )


@pytest.mark.parametrize(
    "head",
    [b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\r\n\r\n"],
)
def test_what_is_no_request_is_a_400_and_the_connection_is_closed(
    serve: Callable[..., tuple[str, int]], head: bytes
) -> None:
    with closing(connected(serve())) as client:
        client.sendall(head)
        assert everything(client).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("before", [b"", request(b"")])
def test_head_that_does_not_arrive_is_a_408(serve: Callable[..., tuple[str, int]], before: bytes) -> None:
    with closing(connected(serve(head_seconds=0.3))) as client:
        if before:
            client.sendall(before)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"POST /x HTTP/1.1\r\nHost: ")
        stopped = threading.Event()

        def drip() -> None:
            while not stopped.wait(0.05):
                try:
                    client.sendall(b"x")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert client.recv(65536).startswith(b"HTTP/1.1 408 ")
        finally:
            stopped.set()
            dripping.join()


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_connection_without_a_request_is_closed(serve: Callable[..., tuple[str, int]], sent: bytes) -> None:
    with closing(connected(serve(head_seconds=0.2))) as client:
        client.sendall(sent)
        assert everything(client) == b""


def test_idle_connection_is_closed_also_where_line_ends_drip_in(serve: Callable[..., tuple[str, int]]) -> None:
    with closing(connected(serve(keep_alive=1, head_seconds=0.3))) as client:
        client.sendall(request(b""))
        client.sendall(b"\r\n")
        assert everything(client).startswith(b"HTTP/1.1 200 ")


def test_head_of_more_than_the_limit_is_a_431(serve: Callable[..., tuple[str, int]]) -> None:
    with closing(connected(serve(most_head_bytes=5000))) as client:
        client.sendall(b"GET /x HTTP/1.1\r\nx: ")
        time.sleep(0.05)
        client.sendall(b"x" * 6000)
        assert client.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_client_that_does_not_read_its_answer_is_cut_off(serve: Callable[..., tuple[str, int]]) -> None:
    ended = threading.Event()

    async def pours(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(500):
            await send({"type": "http.response.body", "body": b"x" * 2**20, "more_body": True})
        ended.set()

    with closing(connected(serve(pours, stall_seconds=0.3))) as client:
        client.sendall(request(b""))
        assert ended.wait(30)


def test_one_address_has_a_bounded_number_of_connections_and_proxies_have_more(
    serve: Callable[..., tuple[str, int]],
) -> None:
    counted, proxy = serve(most_of_one=2), serve(most_of_one=2, proxies=proxies.read("127.0.0.0/8"))
    for address, statuses in ((counted, [200, 200, 503]), (proxy, [200, 200, 200])):
        with ExitStack() as stack:
            clients = [stack.enter_context(closing(connected(address))) for _ in range(3)]
            answers = []
            for client in clients:
                client.sendall(request(b""))
                answers.append(int(client.recv(65536).split(b" ")[1]))
            assert answers == statuses
    # Who has closed may come again.
    deadline = time.monotonic() + 20
    while True:
        with closing(connected(counted)) as client:
            client.sendall(request(b""))
            if client.recv(65536).startswith(b"HTTP/1.1 200 "):
                break
        assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def addresses(endpoint: Endpoint) -> Iterator[dict[str, tuple[str, bytes, bytes]]]:
    """Of endpoint and gateway: address, a body, and what its answer holds."""
    with served(Upstream().app()) as url:
        one = upstreams.Upstream(f"{url}/v1", "org/strong", timeout_seconds=20)
        app = create_app({"strong": one}, endpoint.url)
        with served(app, http=bounded(ConnectionLimits())) as gateway:
            yield {
                "endpoint": (endpoint.url + INFER, QUESTION, b'"data":["strong"]'),
                "gateway": (f"{gateway}/v1/chat/completions", CHAT, b"chat.completion"),
            }


@pytest.mark.parametrize("server", ["endpoint", "gateway"])
@pytest.mark.parametrize("offer", OFFERS)
def test_endpoint_and_gateway_answer_clients_that_offer_another_protocol(
    addresses: dict[str, tuple[str, bytes, bytes]], server: str, offer: str
) -> None:
    url, body, answer = addresses[server]
    parsed = httpx.URL(url)
    head = b"POST %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\nContent-Length: %d\r\n\r\n"
    with closing(connected((parsed.host, parsed.port or 0))) as client:
        client.sendall(head % (parsed.raw_path, OFFERS[offer], len(body)))
        time.sleep(0.02)
        client.sendall(body)
        told = everything(client)

    assert told.startswith(b"HTTP/1.1 200 ")
    assert answer in told


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("server", ["endpoint", "gateway"])
def test_curl_with_http2_is_answered(addresses: dict[str, tuple[str, bytes, bytes]], server: str) -> None:
    url, body, answer = addresses[server]
    command = ["curl", "-s", "--max-time", "30", "--http2", "-d", body.decode(), "-w", "%{http_code}", url]

    told = subprocess.run(command, capture_output=True, check=False)

    assert answer in told.stdout
    assert told.stdout.endswith(b"200")


@pytest.mark.skipif(shutil.which("java") is None, reason="java is not installed")
def test_javas_http_client_is_answered(addresses: dict[str, tuple[str, bytes, bytes]], tmp_path: Path) -> None:
    url, body, answer = addresses["endpoint"]
    source = tmp_path / "Ask.java"
    source.write_text(JAVA, encoding="utf-8")

    told = subprocess.run(["java", source, url, body.decode()], capture_output=True, check=False, timeout=120)

    assert told.stdout.count(b"200 HTTP_1_1") == 2, told.stderr
    assert told.stdout.count(answer) == 2


@pytest.mark.parametrize("path", ["/v2/models/router/", "/v1/models/router/", "/v2/models/router/infer/", "/metrics/"])
def test_endpoint_redirects_nowhere(endpoint: Endpoint, path: str) -> None:
    assert endpoint.ask("GET", path, headers={"host": "elsewhere.example"}).status == 404


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/chat/completions/", "/readyz/"])
def test_gateway_redirects_nowhere(addresses: dict[str, tuple[str, bytes, bytes]], path: str) -> None:
    url = httpx.URL(addresses["gateway"][0]).copy_with(path=path)

    assert httpx.get(url, headers={"host": "elsewhere.example"}).status_code == 404
