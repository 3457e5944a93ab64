"""The container images really build and run.

That takes minutes and a docker daemon: the tests run where MODELSAT_DOCKER_HOST names its socket. What
`infra/images/build.sh` takes, such as BASE_IMAGE and WHEELHOUSE, comes from the environment.
"""

import contextlib
import json
import os
import shlex
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BUILD = Path(__file__).parents[2] / "infra" / "images" / "build.sh"
SOCKET = os.environ.get("MODELSAT_DOCKER_HOST", "")
HOST = f"unix://{SOCKET}" if SOCKET.startswith("/") else SOCKET

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not SOCKET, reason="MODELSAT_DOCKER_HOST names no docker socket"),
]


def docker(*words: str) -> str:
    """Run the docker command on the daemon of these tests and return what it printed."""
    command = [*shlex.split(os.environ.get("DOCKER", "docker")), *words]
    done = subprocess.run(command, env={**os.environ, "DOCKER_HOST": HOST}, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def build() -> Iterator[Callable[[str], str]]:
    """Return a function that builds an image once and gives its name; all are removed in the end."""
    tag = f"test-{uuid.uuid4().hex[:8]}"
    built: list[str] = []

    def make(image: str) -> str:
        name = f"modelsat/{image}-python:{tag}"
        if name not in built:
            environment = {**os.environ, "DOCKER_HOST": HOST, "TAG": tag, "REPOSITORY": "modelsat"}
            done = subprocess.run([str(BUILD), image], env=environment, capture_output=True, text=True)
            assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
            built.append(name)
        return name

    yield make
    for name in built:
        docker("rmi", name)


@pytest.mark.parametrize(
    ("image", "command", "says"),
    [
        (
            "pipeline",
            ["python", "-c", "import os, modelsat, kfp, mlflow, great_expectations, sklearn; print(os.getuid())"],
            "10001",
        ),
        ("pipeline", ["python", "-c", "import importlib.util as u; print(u.find_spec('torch'))"], "None"),
        ("pipeline", ["python", "-c", "import pipelines.retrain; print('graph')"], "graph"),
        ("training", ["python", "-m", "training.finetune", "--help"], "--backbone"),
        ("training", ["python", "-c", "from modelsat.encoder import *; print(default_backbone().is_dir())"], "True"),
        ("serving", ["--help"], "modelsat serve"),
    ],
)
def test_the_image_runs_its_command(build: Callable[[str], str], image: str, command: list[str], says: str) -> None:
    assert says in docker("run", "--rm", "--network", "none", build(image), *command)


@pytest.mark.parametrize(("image", "most"), [("pipeline", 1.2e9), ("serving", 1.6e9)])
def test_the_image_is_no_larger_than_promised(build: Callable[[str], str], image: str, most: float) -> None:
    assert float(docker("image", "inspect", "--format", "{{.Size}}", build(image))) < most


def test_the_endpoint_serves_a_mounted_bundle_on_a_read_only_disk(
    build: Callable[[str], str], make_bundle: Callable[..., Any], tmp_path: Path
) -> None:
    digest = make_bundle({"small": 0.25, "large": 0.75}).write(tmp_path / "bundle").digest
    tmp_path.chmod(0o755)
    (tmp_path / "bundle").chmod(0o755)
    options = ["--detach", "--read-only", "--tmpfs", "/tmp", "--publish", "127.0.0.1::8080"]  # noqa: S108
    container = docker("run", *options, "--volume", f"{tmp_path}/bundle:/mnt/models:ro", build("serving"))
    try:
        url = f"http://{docker('port', container, '8080').splitlines()[0]}"
        wait(f"{url}/v2/health/ready")
        answer = infer(url, "What is the capital of France?")
        docker("stop", container)

        assert {output["name"]: output["data"] for output in answer["outputs"]}["model"] == ["large"]
        assert answer["parameters"]["router_version"] == digest[:12]
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
    finally:
        docker("rm", "--force", container)


def wait(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310
            return
        time.sleep(0.1)
    pytest.fail(f"{url} did not answer in {seconds:.0f} s")


def infer(url: str, prompt: str) -> dict[str, Any]:
    body = {"inputs": [{"name": "prompt", "shape": [1], "datatype": "BYTES", "data": [prompt]}]}
    request = urllib.request.Request(  # noqa: S310
        f"{url}/v2/models/router/infer", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
        answer: dict[str, Any] = json.load(reply)
    return answer
