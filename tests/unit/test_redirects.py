"""A redirect is a fault of the host that sends it: neither key nor prompt goes to another one."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelsat.cluster.rollout import probing
from modelsat.errors import ServiceError
from modelsat.io import notification
from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.onboarding.asking.client import Endpoint
from modelsat.onboarding.asking.pace import RequestPace
from modelsat.onboarding.asking.settings import AskingSettings

STATUSES = (301, 302, 303, 307, 308)


@contextmanager
def serving(status: int, target: str) -> Iterator[tuple[str, list[str]]]:
    """Answer everything with a status and a Location; yield the address and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(params=STATUSES)
def hosts(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[str], list[str]]]:
    """The address of a host that redirects, what was asked there, and what was asked where it points."""
    with serving(200, "") as (there, asked_there), serving(request.param, f"{there}/v1/steal") as (here, asked_here):
        yield here, asked_here, asked_there


def test_question_with_a_key_follows_no_redirect(hosts: tuple[str, list[str], list[str]]) -> None:
    here, asked_here, asked_there = hosts

    with pytest.raises(ServiceError, match="answers status 30"):
        ChatEndpoint(f"{here}/v1", "ada", "sesame", waits_seconds=()).ask("be brief", "What is 1 + 1?")

    assert (len(asked_here), asked_there) == (1, [])


def test_aptitude_question_follows_no_redirect(hosts: tuple[str, list[str], list[str]]) -> None:
    here, asked_here, asked_there = hosts

    async def ask() -> None:
        async with Endpoint(
            ChatEndpoint(f"{here}/v1", "ada", "sesame"), AskingSettings(tries=1), RequestPace(0)
        ) as endpoint:
            await endpoint.ask("What is 1 + 1?")

    with pytest.raises(ServiceError, match="answers status 30"):
        asyncio.run(ask())
    assert (len(asked_here), asked_there) == (1, [])


def test_probe_of_an_endpoint_follows_no_redirect(
    hosts: tuple[str, list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, asked_here, asked_there = hosts
    monkeypatch.setenv(probing.TOKEN, "sesame")

    assert probing.ask(here, "What is 1 + 1?").version == ""
    assert (len(asked_here), asked_there) == (1, [])


def test_notification_follows_no_redirect(hosts: tuple[str, list[str], list[str]]) -> None:
    here, asked_here, asked_there = hosts

    assert notification.send("a run failed", here) is False
    assert (len(asked_here), asked_there) == (1, [])
