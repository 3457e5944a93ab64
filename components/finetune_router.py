"""Component: fine-tune the router with DeepSpeed."""

from typing import Dict, List  # noqa: UP035

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAINING, install_kfp_package=False)
def finetune_router(
    instructions: dsl.Input[dsl.Dataset],
    recipe: str,
    ranks: int,
    nodes: int,
    node_gpus: int,
    node_selector: Dict,  # noqa: UP006
    tolerations: List,  # noqa: UP006
    backbone: str,
    work_root: str,
    mlflow_tracking_uri: str,
    experiment: str,
    run_key: str,
    router: dsl.Output[dsl.Model],
    predictions: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
) -> str:
    """Fine-tune the router, or go on where an earlier run was killed, and predict the held-out prompts.

    Args:
        instructions: Folder with capability instructions.
        recipe: Training recipe, by name or path.
        ranks: Training processes on each node.
        nodes: Nodes of a TrainJob; 0 trains in this step's pod.
        node_gpus: GPUs on each node of a TrainJob.
        node_selector: Labels of its nodes.
        tolerations: Taints that its pods tolerate.
        backbone: Folder of the language model; empty takes the packaged one.
        work_root: Folder for training states and checkpoints.
        mlflow_tracking_uri: MLflow tracking server, for live metrics.
        experiment: MLflow experiment.
        run_key: Id of the pipeline run.
        router: Router bundle of the challenger.
        predictions: Its success probabilities for held-out prompts, Parquet.
        report: Loss and learning-rate curves.
        metrics: Final loss, prompts per second.

    Returns:
        The training in one sentence.
    """
    from pathlib import Path

    from modelsat.steps import finetune

    run = finetune.MlflowRun(mlflow_tracking_uri, experiment, run_key)
    settings = finetune.FinetuneSettings(recipe=recipe, ranks=ranks, backbone=backbone)
    placement = finetune.Placement(nodes, ranks, node_gpus, node_selector, tolerations)
    paths = [Path(artifact.path) for artifact in (instructions, router, predictions, report)]
    trained = finetune.run_tracked(*paths, Path(work_root), settings, placement, run)
    for name, value in trained.metrics.items():
        metrics.log_metric(name, value)
    return trained.sentence
