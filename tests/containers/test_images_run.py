"""The container images really build and run, and are no larger than promised."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon import RESTRICTED, address, answers, container, docker, needed

from pipelines import whole_loop

pytestmark = needed


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
        (
            "training",
            ["python", "-c", "from modelsat.text.backbone import *; print(default_backbone().is_dir())"],
            "True",
        ),
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
    options = [*RESTRICTED, "--publish", "127.0.0.1::8080", "--volume", f"{tmp_path}/bundle:/mnt/models:ro"]
    with container(*options, build("serving")) as endpoint:
        url = address(endpoint, 8080)
        answers(f"{url}/v2/health/ready")
        answer = whole_loop.infer(url, "What is the capital of France?")
        docker("stop", endpoint)

        assert {output["name"]: output["data"] for output in answer["outputs"]}["model"] == ["large"]
        assert answer["parameters"]["router_version"] == digest[:12]
        assert docker("inspect", "--format", "{{.State.ExitCode}}", endpoint) == "0"
