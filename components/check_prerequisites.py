"""Component: ask every party outside for a sign of life."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def check_prerequisites(
    collect_shards: int,
    validate_max_rejected_share: float,
    validate_max_drift: float,
    instruct_tasks: int,
    instruct_questions: int,
    train_recipe: str,
    train_backbone: str,
    train_ranks: int,
    train_gpu_limit: str,
    train_nodes: int,
    train_node_gpus: int,
    gate_confidence: float,
    gate_margin: float,
    gate_saving: float,
    sources: list,
    mlflow_tracking_uri: str,
    champion_store: str,
    bundle_store: str,
    work_root: str,
    report: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
) -> NamedTuple("Answer", [("ready", bool), ("sentence", str)]):
    """Check the settings, ask results, MLflow, stores and disk for a sign of life, and name all faults at once.

    Args:
        collect_shards: Setting of the run, checked against its bounds like the next thirteen.
        validate_max_rejected_share: Likewise.
        validate_max_drift: Likewise.
        instruct_tasks: Likewise.
        instruct_questions: Likewise.
        train_recipe: Likewise, and whether it can train with the next five.
        train_backbone: Likewise.
        train_ranks: Likewise.
        train_gpu_limit: Likewise.
        train_nodes: Likewise.
        train_node_gpus: Likewise.
        gate_confidence: Likewise.
        gate_margin: Likewise.
        gate_saving: Likewise.
        sources: Folders or s3:// prefixes with benchmark results.
        mlflow_tracking_uri: MLflow tracking server.
        champion_store: Folder or s3:// prefix of champion records.
        bundle_store: Folder or s3:// prefix of router bundles.
        work_root: Folder for training states and checkpoints.
        report: What was asked and what it said.
        metrics: Prerequisites that hold and that do not.

    Returns:
        Whether everything is there, and the faults in one sentence.
    """
    from pathlib import Path

    from modelsat.steps import prerequisites

    # One parameter each: older KFP backends leave pipeline parameters inside a dictionary unresolved.
    bounded = {
        "collect_shards": collect_shards,
        "validate_max_rejected_share": validate_max_rejected_share,
        "validate_max_drift": validate_max_drift,
        "instruct_tasks": instruct_tasks,
        "instruct_questions": instruct_questions,
        "train_recipe": train_recipe,
        "train_backbone": train_backbone,
        "train_ranks": train_ranks,
        "train_gpu_limit": train_gpu_limit,
        "train_nodes": train_nodes,
        "train_node_gpus": train_node_gpus,
        "gate_confidence": gate_confidence,
        "gate_margin": gate_margin,
        "gate_saving": gate_saving,
    }
    services = mlflow_tracking_uri, champion_store, bundle_store
    ready, sentence, counts = prerequisites.run(bounded, sources, *services, work_root, Path(report.path))
    for name, value in counts.items():
        metrics.log_metric(name, value)
    return (ready, sentence)
