"""A real `modelsat serve` process, what a client asks of it, and the promotions that it follows."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat.bundle import champions
from modelsat.bundle.champions import Champion

INFER = "/v2/models/router/infer"
PREDICT = "/v1/models/router:predict"
READY = "/v2/models/router/ready"
LIVE = "/v2/health/live"
JSON = {"content-type": "application/json"}
_PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def output(self, name: str) -> Any:
        """Return the data of a v2 output."""
        (found,) = [output for output in self.json["outputs"] if output["name"] == name]
        return found["data"]

    @property
    def version(self) -> str:
        return self.json["parameters"]["router_version"]


class Endpoint:
    """A server process on a free port; `stop` ends it whatever it does."""

    def __init__(self, log: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self._log = log
        command = [sys.executable, "-m", "modelsat.cli", "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *arguments],
                env=None if environment is None else os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything that the server has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def connect(self, timeout: float = _PATIENCE_SECONDS) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = self.connect()
        try:
            return ask(connection, method, path, body, headers)
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        return self.ask("POST", path, json.dumps(body).encode(), JSON)

    def infer(self, prompts: Sequence[str], parameters: Mapping[str, Any] | None = None, **more: Any) -> Answer:
        return self.post(INFER, v2_body(prompts, parameters) | more)

    def predict(self, instances: Sequence[Any], parameters: Mapping[str, Any] | None = None) -> Answer:
        body = {"instances": list(instances)} | ({} if parameters is None else {"parameters": dict(parameters)})
        return self.post(PREDICT, body)

    def serves(self, digest: str) -> bool:
        """Say whether answers come from the bundle of this digest."""
        answer = self.infer(["Which version?"])
        return answer.status == 200 and answer.version == digest[:12]

    def wait_until_live(self) -> None:
        def live() -> bool:
            assert self.process.poll() is None, f"the server ended while it started:\n{self.log}"
            try:
                return self.get(LIVE).status == 200
            except OSError:
                return False

        self.wait_until(live, "live")

    def wait_until_serving(self, digest: str) -> None:
        self.wait_until(lambda: self.serves(digest), f"serving {digest}")

    def wait_until_said(self, words: str, since: int = 0) -> None:
        """Wait until words are in the log after its first `since` characters."""
        self.wait_until(lambda: words in self.log[since:], f"saying {words!r}")

    def wait_until(self, holds: Callable[[], bool], wish: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"the server is not {wish} after {_PATIENCE_SECONDS:.0f} s:\n{self.log[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:", 1)[1].split(None, 1)[0]) * 1024


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request over a connection that stays open."""
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    names = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, names, response.read())


def v2_body(prompts: Sequence[str], parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    tensor = {"name": "prompt", "shape": [len(prompts)], "datatype": "BYTES", "data": list(prompts)}
    return {"inputs": [tensor]} | ({} if parameters is None else {"parameters": dict(parameters)})


def promote(store: str, uri: str | Path, digest: str) -> Champion:
    """Make a bundle the next champion."""
    latest = champions.current(store)
    epoch = latest.epoch if latest is not None else 0
    return champions.promote(store, str(uri), digest, f"router/{epoch + 1}", f"run-{epoch + 1}", "promoted", epoch)
