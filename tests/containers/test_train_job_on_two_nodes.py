"""The real training code on two nodes that are containers: our TrainingRuntime, started by the Kubeflow SDK.

Its container backend reads the runtime of `infra/base` and starts torchrun in one container of the training image per
node; the job's folder is the volume that all nodes share.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from daemon import HOST, docker, needed

from modelsat.aptitude import instructions
from modelsat.cluster import launch_torchrun
from modelsat.cluster.train_job import RUNTIME
from modelsat.data import collection, sample

RUNTIMES = Path(__file__).parents[2] / "infra" / "base" / "training.yaml"
RECIPE = """
entry_layer: 1
max_tokens: 32
lora_rank: 2
connector_steps: 20
connector_batch: 51
epochs: 1
batch: 15
dropout: 0.0
threads: 1
checkpoint_seconds: 0
"""
pytestmark = needed


def finetune(words: list[str]) -> None:
    """Train; the text of this function is all that reaches the nodes."""
    import sys

    from training import finetune

    sys.argv[1:] = words
    finetune.main()


@dataclass(frozen=True)
class Nodes:
    """Starts TrainJobs whose nodes are containers.

    Attributes:
        client: The SDK's.
        folders: One folder per job; on the nodes it is `/workspace`.
        image: The training image.
        inputs: Folder with what every job reads.
    """

    client: Any
    folders: Path
    image: str
    inputs: Path

    def start(self, name: str, nodes: int) -> Path:
        """Start a job, or start it again; return the folder of its training."""
        from kubeflow.trainer import CustomTrainer
        from kubeflow.trainer.options import Name

        shutil.copytree(self.inputs, self.folders / name, dirs_exist_ok=True)
        subprocess.run(["chmod", "-R", "a+rwX", self.folders / name], check=True)
        places = {option: f"/workspace/{option}" for option in ("instructions", "backbone", "work")}
        words = [word for option, place in places.items() for word in (f"--{option}", place)]
        job = CustomTrainer(
            func=finetune,
            func_args={"words": [*words, "--recipe", "/workspace/recipe.yaml"]},
            image=self.image,
            num_nodes=nodes,
        )
        self.client.train(runtime=self.client.get_runtime(RUNTIME), trainer=job, options=[Name(name)])
        return self.folders / name / "work"

    def wait(self, name: str) -> None:
        """Wait for the end of a job and remove its containers; its folder stays.

        Raises:
            RuntimeError: The job failed, with what its nodes said.
        """
        try:
            self.client.wait_for_job_status(name, timeout=300, polling_interval=1)
        except RuntimeError as error:
            raise RuntimeError("\n".join([str(error), *self.client.get_job_logs(name)])) from error
        finally:
            self.client.delete_job(name)


@pytest.fixture(scope="module")
def nodes(
    build: Callable[[str], str], tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nodes]:
    trainer = pytest.importorskip("kubeflow.trainer", reason="the Kubeflow SDK (package kubeflow) is not installed")
    from kubeflow.trainer.backends.container.types import ContainerBackendConfig, TrainingRuntimeSource

    folder = tmp_path_factory.mktemp("nodes")
    inputs = folder / "inputs"
    sample.write(folder / "sample", prompts=240)
    instructions.build(collection.collect([str(folder / "sample")])).write(inputs / "instructions")
    shutil.copytree(tiny_backbone, inputs / "backbone")
    (inputs / "recipe.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        # The SDK keeps its folders below the home of whoever starts a job.
        patch.setenv("HOME", str(folder))
        client = trainer.TrainerClient(
            backend_config=ContainerBackendConfig(
                container_host=HOST,
                container_runtime="docker",
                pull_policy="Never",
                auto_remove=False,
                runtime_source=TrainingRuntimeSource(sources=[f"file://{RUNTIMES}"]),
            )
        )
        yield Nodes(client, folder / ".kubeflow" / "trainer" / "containers", build("training"), inputs)


@pytest.fixture(scope="module")
def alone(nodes: Nodes) -> tuple[float, float]:
    """Last step and its loss of a training on one node."""
    work = nodes.start("alone", 1)
    nodes.wait("alone")
    return last_step(work)


def last_step(work: Path) -> tuple[float, float]:
    row = launch_torchrun.history(work)[-1]
    return row["step"], row["loss"]


def test_two_nodes_learn_what_one_node_learns(nodes: Nodes, alone: tuple[float, float]) -> None:
    work = nodes.start("pair", 2)
    nodes.wait("pair")

    facts = launch_torchrun.finished(work)
    assert facts is not None
    assert facts["announced"]["ranks"] == 2
    assert sorted(path.name for path in work.glob("taught-*.jsonl")) == ["taught-0.jsonl", "taught-1.jsonl"]
    assert last_step(work) == pytest.approx(alone, abs=1e-5)


def test_a_job_that_lost_a_node_goes_on_from_its_last_checkpoint(nodes: Nodes, alone: tuple[float, float]) -> None:
    work = nodes.start("preempted", 2)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list((work / "checkpoints").glob("step-*.json"))) < 2:
        time.sleep(0.02)
    docker("kill", "preempted-node-1")
    with pytest.raises(RuntimeError, match="preempted is Failed"):
        nodes.wait("preempted")
    assert launch_torchrun.finished(work) is None

    nodes.start("preempted", 2)
    nodes.wait("preempted")

    first, *_, last = (json.loads(line) for line in (work / "taught-0.jsonl").read_text().splitlines())
    assert launch_torchrun.finished(work) is not None
    assert (first["after"], last["step"]) == (0, alone[0])
    assert last["after"] >= 2
    assert last_step(work) == pytest.approx(alone, abs=1e-5)
