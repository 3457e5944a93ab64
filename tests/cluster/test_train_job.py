"""A TrainJob says what a run asks for, Trainer's typed models accept it, and its end is told apart from its failure."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from cluster_edge import Objects

from modelsat.cluster import launch_torchrun
from modelsat.cluster.launch_train_job import TrainJobs, launcher
from modelsat.cluster.train_job import Placement, TrainJobState, job, name_of, state
from modelsat.errors import InputError, ModelsatError
from modelsat.io.storage import file_digest

GPUS = Placement(
    nodes=4,
    ranks=8,
    gpus=8,
    node_selector={"nvidia.com/gpu.product": "NVIDIA-H100"},
    tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
)


def test_nodes_ranks_and_gpus_are_those_of_the_run() -> None:
    trainer = job("finetune-a", ["--work", "w"], GPUS)["spec"]["trainer"]

    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (4, 8)
    assert trainer["resourcesPerNode"] == {"limits": {"nvidia.com/gpu": 8}, "requests": {"nvidia.com/gpu": 8}}
    assert trainer["args"] == ["--work", "w"]


def test_selectors_and_tolerations_reach_the_pods_of_the_nodes() -> None:
    (patch,) = job("finetune-a", [], GPUS)["spec"]["runtimePatches"]
    (node,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]

    assert node["name"] == "node"
    assert node["template"]["spec"]["template"]["spec"] == {
        "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-H100"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }


def test_a_training_on_processors_asks_for_no_gpu_and_patches_nothing() -> None:
    spec = job("finetune-a", [], Placement(2, 1))["spec"]

    assert "resourcesPerNode" not in spec["trainer"]
    assert "runtimePatches" not in spec


def test_a_job_goes_with_the_pod_that_submitted_it() -> None:
    (owner,) = job("finetune-a", [], Placement(), {"name": "pod", "uid": "u-1"})["metadata"]["ownerReferences"]

    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "pod", "u-1")


@pytest.mark.parametrize("placement", [GPUS, Placement(2, 1)])
def test_typed_models_of_trainer_know_every_field(placement: Placement) -> None:
    from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob

    made = job("finetune-a", ["--work", "w"], placement, {"name": "pod", "uid": "u-1"})
    read = TrainerV1alpha1TrainJob.from_dict(made)

    assert read is not None
    again = read.to_dict()
    assert json.loads(json.dumps(again["spec"]["trainer"])) == made["spec"]["trainer"]


def test_names_are_dns_labels_and_the_same_for_every_retry() -> None:
    assert name_of("AB_c-9" * 20) == name_of("AB_c-9" * 20)
    assert len(name_of("a" * 100)) <= 35
    assert name_of("AB_c") == "finetune-abc"


@pytest.mark.parametrize(
    ("conditions", "is_now"),
    [
        ([], TrainJobState.RUNNING),
        ([{"type": "Suspended", "status": "True"}], TrainJobState.RUNNING),
        ([{"type": "Complete", "status": "False"}], TrainJobState.RUNNING),
        ([{"type": "Complete", "status": "True"}], TrainJobState.COMPLETE),
        ([{"type": "Failed", "status": "True", "message": "m"}], TrainJobState.FAILED),
    ],
)
def test_the_state_of_a_job_is_told_by_its_conditions(conditions: list[dict[str, str]], is_now: TrainJobState) -> None:
    assert state({"status": {"conditions": conditions}})[0] is is_now


class Trainer:
    """Does what the pods of a job do to the shared volume, one act at each look of the step."""

    def __init__(self, jobs: Objects, work: Path, acts: list[str]) -> None:
        self.jobs, self.work, self.acts = jobs, work, acts

    def look(self, _: float) -> None:
        act = self.acts.pop(0)
        (name,) = self.jobs.stored
        if act.startswith("step"):
            with (self.work / "history.jsonl").open("a") as file:
                file.write(json.dumps({"step": int(act[4:]), "loss": 0.5}) + "\n")
        elif act == "complete":
            (self.work / "network.safetensors").write_bytes(b"weights")
            facts = {"network_digest": file_digest(self.work / "network.safetensors")}
            (self.work / "trained.json").write_text(json.dumps(facts))
            self.condition(name, "Complete")
        elif act == "refuse":
            (self.work / "failed.json").write_text(json.dumps({"sentence": "no such layer", "exit_code": 2}))
            self.condition(name, "Failed")
        elif act == "fail":
            self.condition(name, "Failed")
        elif act == "cancel":
            raise SystemExit(143)

    def condition(self, name: str, kind: str) -> None:
        status = {"conditions": [{"type": kind, "status": "True", "message": "said Trainer"}]}
        self.jobs.store(self.jobs.stored[name] | {"status": status})


def launch(tmp_path: Path, jobs: Objects, acts: list[str], steps: list[Any] | None = None) -> dict[str, Any]:
    source, work = tmp_path / "instructions", tmp_path / "volume" / "0a1b"
    source.mkdir(exist_ok=True)
    (source / "facts.json").write_text("{}")
    trainer = Trainer(jobs, work, acts)
    jobs_of_run = TrainJobs(jobs, Placement(2, 1), sleep=trainer.look)
    seen: list[Any] = [] if steps is None else steps
    return jobs_of_run.launch(source, tmp_path / "backbone", work, "tiny", 1, seen.append)


def test_steps_of_the_job_reach_the_log_and_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs, steps = Objects(), []

    facts = launch(tmp_path, jobs, ["step1", "step2", "complete"], steps)

    assert "network_digest" in facts
    assert [row["step"] for row in steps] == [1, 2]
    assert "step 2  loss 0.5" in capsys.readouterr().out
    assert jobs.stored == {}


def test_the_job_reads_instructions_from_the_volume(tmp_path: Path) -> None:
    jobs, bodies = Objects(), []
    jobs.after_call = lambda verb: bodies.extend(jobs.stored.values()) if verb == "create" else None

    launch(tmp_path, jobs, ["complete"])

    arguments = bodies[0]["spec"]["trainer"]["args"]
    copied = Path(arguments[arguments.index("--instructions") + 1])
    assert copied.is_relative_to(tmp_path / "volume")
    assert (copied / "facts.json").is_file()


def test_a_finished_training_starts_no_job(tmp_path: Path) -> None:
    jobs = Objects()
    launch(tmp_path, jobs, ["complete"])
    jobs.before_call = lambda verb: pytest.fail(f"asked the cluster to {verb}")

    launch(tmp_path, jobs, [])


def test_a_refusal_of_the_training_code_keeps_its_class_and_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such layer"):
        launch(tmp_path, Objects(), ["refuse"])


def test_a_failed_job_says_what_trainer_said_and_the_next_try_makes_a_new_one(tmp_path: Path) -> None:
    jobs = Objects()
    with pytest.raises(ModelsatError, match="said Trainer"):
        launch(tmp_path, jobs, ["step1", "fail"])

    assert "network_digest" in launch(tmp_path, jobs, ["step2", "complete"])


def test_a_cancelled_step_takes_its_job_along(tmp_path: Path) -> None:
    jobs = Objects()
    with pytest.raises(SystemExit):
        launch(tmp_path, jobs, ["step1", "cancel"])

    assert jobs.stored == {}


def test_a_job_that_completes_on_another_volume_is_an_error_that_says_so(tmp_path: Path) -> None:
    jobs = Objects()

    class Elsewhere(Trainer):
        def look(self, _: float) -> None:
            self.condition(next(iter(self.jobs.stored)), "Complete")

    work = tmp_path / "volume" / "0a1b"
    (tmp_path / "instructions").mkdir()
    launching = TrainJobs(jobs, Placement(2, 1), sleep=Elsewhere(jobs, work, []).look)

    with pytest.raises(ModelsatError, match="ReadWriteMany"):
        launching.launch(tmp_path / "instructions", tmp_path / "b", work, "tiny", 1)


def test_without_nodes_the_training_stays_in_its_pod() -> None:
    assert launcher(Placement(nodes=0, ranks=2)) is launch_torchrun.launch


def test_a_step_beside_the_main_thread_launches_too(tmp_path: Path) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(launch(tmp_path, Objects(), ["complete"])))
    thread.start()
    thread.join()

    assert "network_digest" in found[0]
