"""`modelsat gateway` as a process: it answers, tells no prompt and no key, ends in order, refuses what is unsafe."""

import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from endpoint_process import Endpoint
from local_servers import Upstream, served

from modelsat.cli.serving import gateway, in_namespace
from modelsat.errors import InputError
from serving.gateway.gateway_settings import DEADLINE_SECONDS
from serving.gateway.stickiness import SWITCH_GAIN

COMMAND = (sys.executable, "-m", "modelsat.cli", "gateway")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A file of upstreams with one that answers."""
    with served(Upstream().app()) as url:
        path = tmp_path / "upstreams.yaml"
        path.write_text(f"upstreams: [{{candidate: cheap, base_url: '{url}/v1', key_variable: CHEAP_API_KEY}}]")
        yield path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_process_answers_and_ends_in_order_and_its_log_holds_no_prompt_and_no_key(
    file: Path, endpoint: Endpoint, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    environment = os.environ | {"CHEAP_API_KEY": "open-sesame", "MODELSAT_GATEWAY_TOKENS": "token-of-mine"}
    arguments = ("--upstreams", str(file), "--endpoint", endpoint.url, "--port", str(port), "--deadline", "30")
    body = {"model": "auto", "messages": [{"role": "user", "content": "the capital of Atlantis"}]}
    login = {"authorization": "Bearer token-of-mine"}
    with log.open("wb") as out:
        process = subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{url}/healthz", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()  # noqa: PT018
                time.sleep(0.05)

        answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers=login, timeout=60)
        refused = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)

        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert (answer.status_code, refused.status_code) == (200, 401)
    assert answer.headers["x-modelsat-outcome"] == "routed"
    assert f"{answer.headers['x-modelsat-request-id']} routed cheap 200" in said
    assert f"{url}/v1 answers for 1 candidate; {endpoint.url} decides for auto" in said
    assert not any(word in said for word in ("Atlantis", "open-sesame", "token-of-mine", "Traceback"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--upstreams", "nowhere.yaml"), "upstreams 'nowhere.yaml' are not readable"),
        (("--upstreams", "{file}"), "variable CHEAP_API_KEY is not set"),
        (("--upstreams", "{file}", "--host", "0.0.0.0"), "can be reached from outside and no client has a token"),  # noqa: S104
        (("--upstreams", "{file}", "--endpoint", "ftp://x"), "is no http:// or https:// address"),
    ],
)
def test_what_cannot_be_served_safely_is_a_sentence(file: Path, arguments: tuple[str, ...], complaint: str) -> None:
    command = [*COMMAND, *(argument.format(file=file) for argument in arguments), "--port", str(free_port())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CHEAP", "MODELSAT"))}

    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    assert (run.returncode, run.stdout) == (2, "")
    assert complaint in run.stderr
    assert "Traceback" not in run.stderr


def test_namespace_in_the_endpoint_s_address_is_that_of_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://router.{namespace}.svc.cluster.local"

    monkeypatch.delenv("MODELSAT_NAMESPACE", raising=False)
    with pytest.raises(InputError, match="set MODELSAT_NAMESPACE"):
        in_namespace(address)
    monkeypatch.setenv("MODELSAT_NAMESPACE", "team-a")

    assert in_namespace(address) == "http://router.team-a.svc.cluster.local"
    assert in_namespace("http://router-predictor") == "http://router-predictor"


def test_defaults_of_the_command_are_those_of_the_gateway() -> None:
    defaults = inspect.signature(gateway).parameters

    assert defaults["switch_gain"].default == SWITCH_GAIN
    assert defaults["deadline"].default == DEADLINE_SECONDS


def test_gateway_starts_without_the_weight_of_the_endpoint() -> None:
    heavy = "{'torch', 'kserve', 'transformers', 'mlflow'}"
    code = f"import sys, serving.gateway_server; assert not {heavy} & sys.modules.keys(), {heavy} & sys.modules.keys()"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert run.returncode == 0, run.stderr
