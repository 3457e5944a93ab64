"""The pipeline with its steps as containers: `kfp.local.DockerRunner` runs the graph on the daemon of this tier."""

import contextlib
import copy
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from daemon import HOST
from kfp import local as kfp_local
from kfp.local import docker_task_handler

from components import images
from pipelines import local
from pipelines.retrain import retrain


@dataclass(frozen=True)
class Site:
    """A network with S3 and MLflow, and a folder as its work volume.

    Attributes:
        network: Name of the network.
        s3: Settings with which its containers, and this process, reach S3.
        mlflow: Address of MLflow for this process; containers reach it where the pipeline looks for it by default.
        volume: The work volume, the same path here and in containers.
        build: Gives the name of an image.
    """

    network: str
    s3: dict[str, str]
    mlflow: str
    volume: Path
    build: Callable[[str], str]

    def run(self, folder: Path, **parameters: Any) -> tuple[Path, str]:
        """Run the pipeline; return the outputs of its tasks and what the terminal showed."""
        runner = kfp_local.DockerRunner(
            network=self.network,
            environment=self.s3,
            mounts=[docker.types.Mount(str(self.volume), str(self.volume), type="bind")],
        )
        arguments = {
            "collect_sources": ["s3://modelsat/scores"],
            "instruct_tasks": 16,
            "instruct_questions": 160,
            "train_recipe": str(self.volume / "recipe.yaml"),
            "train_work_root": str(self.volume / "work"),
            "gate_margin": 1.0,
            "gate_saving": 0.0,
        }
        folder.mkdir()
        shown = io.StringIO()
        # The steps' user may write into what is made here.
        before = os.umask(0)
        try:
            with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
                patch.setenv("DOCKER_HOST", HOST)
                patch.setattr(docker_task_handler, "run_docker_container", run_to_its_end)
                tasks = local.run(folder, arguments | parameters, self.pipeline(), runner)
        finally:
            os.umask(before)
        return tasks, shown.getvalue()

    def pipeline(self) -> Any:
        """Return the pipeline in the images of this test."""
        built = {images.PIPELINE: self.build("pipeline"), images.TRAINING: self.build("training")}
        pipeline = copy.deepcopy(retrain)
        for executor in pipeline.pipeline_spec.deployment_spec["executors"].values():
            executor["container"]["image"] = built[executor["container"]["image"]]
        return pipeline


def run_to_its_end(client: Any, image: str, command: list[str], volumes: dict[str, Any], **options: Any) -> int:
    """Run a step's container and return its exit code.

    The runner's own function lets docker remove the container, and where that was quicker than its question for the
    exit code, it takes the step for a success: one failed step in forty.
    """
    print(f"in {image}")  # noqa: T201
    running = client.containers.run(image=image, command=command, detach=True, volumes=volumes, **options)
    try:
        for line in running.logs(stream=True):
            print(line.decode(), end="")  # noqa: T201
        return int(running.wait()["StatusCode"])
    finally:
        running.remove(force=True)
