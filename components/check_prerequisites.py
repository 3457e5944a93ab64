"""Component: ask every party outside for a sign of life."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def check_prerequisites(
    settings: dict,
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
        settings: Settings of the run that have bounds, by name.
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

    from modelsat import prerequisites

    found = prerequisites.check(settings, sources, mlflow_tracking_uri, champion_store, bundle_store, work_root)
    Path(report.path).write_text(prerequisites.page(found), encoding="utf-8")
    metrics.log_metric("checks_passed", sum(item.holds for item in found))
    metrics.log_metric("checks_failed", sum(not item.holds for item in found))
    return (all(item.holds for item in found), prerequisites.sentence(found))
