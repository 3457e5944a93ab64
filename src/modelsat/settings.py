"""Every knob of the retrain pipeline with its unit, default and sentence: the one home of each.

The pipeline's signature repeats names, defaults and sentences, since KFP makes its form from them; a test compares.
"""

from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic import Field

from modelsat.errors import InputError


class RetrainSettings(pydantic.BaseModel):
    """What a user may change per run, in the order of the pipeline."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    collect_sources: list[str] = Field(
        ["s3://modelsat/scores"], description="Folders or s3:// prefixes with benchmark results, as a JSON list."
    )
    collect_kept: str = Field(
        "",
        description="Folder that keeps what sources gave, so that unchanged ones are not read again; empty reads all.",
    )
    collect_shards: int = Field(1, ge=1, description="Tasks that read the sources side by side, each some of them.")
    validate_max_rejected_share: float = Field(
        0.0, ge=0, le=1, description="Largest tolerated share of rejected rows, in [0, 1]."
    )
    validate_max_drift: float = Field(
        0.10,
        ge=0,
        le=1,
        description="Largest tolerated change of a candidate's mean since the champion's data, in [0, 1].",
    )
    instruct_tasks: int = Field(50, ge=1, description="Tasks of the aptitude test aimed at.")
    instruct_questions: int = Field(1000, ge=1, description="Questions of the aptitude test aimed at, over all tasks.")
    train_recipe: str = Field("auto", description="Training recipe: the name of a file in training/recipes.")
    train_ranks: int = Field(1, ge=1, description="Training processes on the node; one per GPU where there are any.")
    train_backbone: str = Field("", description="Folder of the language model; empty takes the packaged MiniLM.")
    train_work_root: str = Field(
        "/mnt/modelsat/work", description="Folder for training states and checkpoints; a killed training goes on there."
    )
    train_gpu_limit: str = Field("0", description="GPUs of the fine-tuning pod; 0 trains on the CPU.")
    train_nodes: int = Field(0, ge=0, description="Nodes of a Kubeflow TrainJob; 0 trains in the step's own pod.")
    train_node_gpus: int = Field(0, ge=0, description="GPUs on each node of a TrainJob; ranks are per node then.")
    train_node_selector: dict[str, str] = Field(
        {}, description="Node labels of the fine-tuning pods, as a JSON object."
    )
    train_tolerations: list[dict[str, str]] = Field(
        [], description="Tolerations of the fine-tuning pods, as a JSON list."
    )
    gate_confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided confidence of the gate, in (0.5, 1).")
    gate_margin: float = Field(0.01, ge=0, le=1, description="Accuracy that a cheaper challenger may lose, in [0, 1].")
    gate_saving: float = Field(
        0.20, ge=0, le=1, description="How much cheaper it has to be then, as a share in [0, 1]."
    )
    register_model_name: str = Field("modelsat-router", description="Name of the registered model in MLflow.")
    register_experiment: str = Field("modelsat", description="MLflow experiment of the runs.")
    register_bundle_store: str = Field("s3://modelsat/bundles", description="Folder or s3:// prefix of router bundles.")
    promote_champion_store: str = Field(
        "s3://modelsat/champions", description="Folder or s3:// prefix of champion records, which endpoints follow."
    )
    promote_inference_service: str = Field(
        "",
        description="InferenceService whose traffic is shifted in stages; empty: endpoints follow the record alone.",
    )
    promote_check_seconds: float = Field(
        20.0, gt=0, description="Time from one check of a stage of traffic to the next, in seconds."
    )
    mlflow_tracking_uri: str = Field("http://mlflow:5000", description="MLflow tracking server.")


def check(chosen: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings that may be used as they are.

    Args:
        chosen: Values by name; those left out have their defaults.

    Raises:
        InputError: A value is out of its bounds or of another kind, or there is no such setting.
    """
    try:
        RetrainSettings(**chosen)
    except pydantic.ValidationError as error:
        raise InputError("; ".join(map(_sentence, error.errors()))) from error
    return chosen


def _sentence(fault: Any) -> str:
    name = str(fault["loc"][0])
    field = RetrainSettings.model_fields.get(name)
    if field is None:
        return f"there is no setting {name!r}"
    return f"{name} is {fault['input']!r}, but: {fault['msg'].lower()} ({field.description})"
