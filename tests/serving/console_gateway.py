"""A gateway with a console, two clients, and an upstream that says what its answers used."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from local_servers import Upstream, served

from serving import tokens
from serving.gateway import upstreams
from serving.gateway.app import create_app
from serving.gateway.feedback_settings import FeedbackSettings
from serving.gateway.gateway_settings import GatewaySettings

TOKEN = "a token of Ada's"
LOGIN = {"authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class ConsoleGateway:
    """A gateway that runs, and where its feedback is kept."""

    url: str
    log: Path
    client: httpx.Client

    def answer(self, score: float | None = None, **body: Any) -> httpx.Response:
        """Ask for an answer, and rate it."""
        asked = {"model": "auto", "messages": [{"role": "user", "content": "Add 17 and 25."}]} | body
        answer = self.client.post("/v1/chat/completions", json=asked, headers=LOGIN)
        if score is not None:
            outcome = {"feedback_id": answer.headers["x-modelsat-feedback-id"], "score": score}
            assert self.client.post("/v1/feedback", json=outcome, headers=LOGIN).status_code == 202
        return answer

    def log_in(self, token: str = TOKEN) -> httpx.Response:
        """Type a token into the form; the client keeps the cookie, where there is one."""
        return self.client.post("/console/login", data={"token": token})

    def route(self, prompt: str, **fields: Any) -> httpx.Response:
        """Type a prompt into the box."""
        return self.client.post("/console/route", data={"prompt": prompt, "dial": "auto"} | fields)


@contextmanager
def started(endpoint: str, log: Path, names: tuple[str, ...], has_login: bool = True) -> Iterator[ConsoleGateway]:
    """Start a gateway before an endpoint; it ends for certain."""
    upstream = Upstream(faults=dict.fromkeys(names, "usage"))
    settings = GatewaySettings(
        clients=frozenset({tokens.digest(TOKEN)}) if has_login else frozenset(),
        feedback=FeedbackSettings(log=str(log), key=b"a key that only the gateway of this test knows", keeps_text=True),
    )
    with served(upstream.app()) as url:
        catalogue = {name: upstreams.Upstream(f"{url}/v1", name) for name in names}
        with served(create_app(catalogue, endpoint, settings)) as base, httpx.Client(base_url=base) as client:
            yield ConsoleGateway(base, log, client)
