"""Fine-tuning as a TrainJob of Kubeflow Trainer: the object as a pure function of what a run asks for.

Nodes, processes per node and GPUs stand in the job; image, volume and how the ranks meet stand in the TrainingRuntime
`modelsat-deepspeed` of `infra/base`, which Trainer turns into a JobSet.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
RUNTIME = "modelsat-deepspeed"
_MANAGER = "modelsat.dev/fine-tuning"
_GPU = "nvidia.com/gpu"


class TrainJobState(StrEnum):
    """Progress of a TrainJob."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True)
class Placement:
    """The nodes and processes of a training.

    Attributes:
        nodes: How many; 0 for the pod of the step itself, which is no TrainJob.
        ranks: Training processes on each, at least 1; one per GPU where there are any.
        gpus: GPUs on each.
        node_selector: Labels that the nodes have.
        tolerations: Taints that the pods tolerate, as Kubernetes writes them.
    """

    nodes: int = 1
    ranks: int = 1
    gpus: int = 0
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()


def job(
    name: str, arguments: Sequence[str], placement: Placement, owner: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a TrainJob.

    Args:
        name: Its name; see `name_of`.
        arguments: Of `python -m training.finetune`.
        placement: Nodes and processes.
        owner: Name and uid of the pod of the step that submits it: the job goes with the pod.
    """
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/part-of": "modelsat"}}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Pod", "name": owner["name"], "uid": owner["uid"], "controller": False}
        ]
    trainer: dict[str, Any] = {
        "numNodes": placement.nodes,
        "numProcPerNode": placement.ranks,
        "args": list(arguments),
    }
    if placement.gpus:
        trainer["resourcesPerNode"] = {"limits": {_GPU: placement.gpus}, "requests": {_GPU: placement.gpus}}
        trainer["env"] = [{"name": "DS_ACCELERATOR", "value": "cuda"}]
    spec: dict[str, Any] = {
        "runtimeRef": {"apiGroup": GROUP, "kind": "TrainingRuntime", "name": RUNTIME},
        "trainer": trainer,
    }
    pods = _pods(placement)
    if pods:
        node = {"name": "node", "template": {"spec": {"template": {"spec": pods}}}}
        patch = {"trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [node]}}}}
        spec["runtimePatches"] = [{"manager": _MANAGER, **patch}]
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "TrainJob", "metadata": metadata, "spec": spec}


def name_of(work: str) -> str:
    """Return the name of the job that trains in a folder: the same for every retry, valid as a DNS label."""
    return f"finetune-{re.sub(r'[^a-z0-9]', '', work.lower())[:20]}"


def state(job: Mapping[str, Any]) -> tuple[TrainJobState, str]:
    """Return the state of a job from its conditions, with Trainer's message."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            ended = TrainJobState.COMPLETE if condition["type"] == "Complete" else TrainJobState.FAILED
            return ended, str(condition.get("message", ""))
    return TrainJobState.RUNNING, ""


def _pods(placement: Placement) -> dict[str, Any]:
    pods: dict[str, Any] = {}
    if placement.node_selector:
        pods["nodeSelector"] = dict(placement.node_selector)
    if placement.tolerations:
        pods["tolerations"] = [dict(one) for one in placement.tolerations]
    return pods
