"""MLflow's own server takes the registered router and answers for it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelsat.bundle.bundle import Bundle
from modelsat.io.mlflow_registry import MlflowRun

NAME = "router-for-mlflow-serving"


@pytest.fixture(scope="module")
def served(
    mlflow_server: str, make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of `mlflow models serve` with a registered router, ready to answer."""
    folder = tmp_path_factory.mktemp("served")
    made = make_bundle({"small": 0.70, "large": 0.75}, prices={"small": 0.1, "large": 10.0})
    made.write(folder / "bundle")
    MlflowRun(mlflow_server, NAME, "run-1").register(folder / "bundle", NAME, "card", {})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@challenger"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "MLFLOW_TRACKING_URI": mlflow_server, "PATH": binaries}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _await(f"http://127.0.0.1:{port}/ping", server, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _await(url: str, server: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"mlflow models serve is not ready: {log.read_text(errors='replace')[-3000:]}")


def ask(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(  # noqa: S310
        f"{url}/invocations", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)["predictions"]


@pytest.mark.slow
def test_prompts_are_routed(served: str) -> None:
    frame = {"columns": ["prompt"], "data": [["What is 17 * 23?"], ["Spell 'rhythm'"]]}

    assert [row["model"] for row in ask(served, {"dataframe_split": frame})] == ["large", "large"]
    assert [row["model"] for row in ask(served, {"inputs": {"prompt": ["a?", "b?", "c?"]}})] == ["large"] * 3


@pytest.mark.slow
def test_weight_on_cost_is_a_parameter_of_the_request(served: str) -> None:
    body = {"dataframe_records": [{"prompt": "What is 17 * 23?"}], "params": {"cost_weight": 0.5}}

    assert ask(served, body) == [{"model": "small", "success_probability": pytest.approx(0.70)}]


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"question": "What is 17 * 23?"}]},
        {"nonsense": 1},
    ],
)
def test_what_is_no_prompt_is_a_bad_request(served: str, body: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(served, body)

    with refused.value as answer:
        assert answer.code == 400
