"""Verbs that bring a cluster's endpoint and MLflow's alias to the champion records, or to an earlier champion."""

from typing import Annotated

import typer

Champions = Annotated[
    str, typer.Option(help="Folder or s3:// prefix of champion records.", envvar="MODELSAT_CHAMPIONS")
]
Tracking = Annotated[str, typer.Option(help="MLflow tracking server.", envvar="MLFLOW_TRACKING_URI")]
Service = Annotated[
    str,
    typer.Option(
        "--inference-service",
        help="Its traffic is shifted; empty where endpoints follow the records by themselves.",
        envvar="MODELSAT_INFERENCE_SERVICE",
    ),
]
Namespace = Annotated[str, typer.Option(help="Of the service; empty: that of this pod.", envvar="MODELSAT_NAMESPACE")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(reconcile)
    app.command()(rollback)


def reconcile(
    champions: Champions, mlflow_tracking_uri: Tracking, inference_service: Service = "", namespace: Namespace = ""
) -> None:
    """Finish a promotion that was interrupted, and bring endpoint and alias to the champion record.

    Example: modelsat reconcile --champions s3://modelsat/champions --inference-service router
    """
    from modelsat.cluster.rollout import deployed

    champion = deployed.bring(deployed.RolloutTarget(champions, mlflow_tracking_uri, inference_service, namespace))
    typer.echo("no champion yet" if champion is None else f"epoch {champion.epoch}: {champion.model}")


def rollback(
    champions: Champions,
    mlflow_tracking_uri: Tracking,
    inference_service: Service = "",
    namespace: Namespace = "",
    to: Annotated[int | None, typer.Option(min=1, help="Epoch to return to; default: the one before.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take back a promotion under way; where there is none, return to the champion of an earlier epoch.

    Example: modelsat rollback --champions s3://modelsat/champions --to 3
    """
    from modelsat.cluster.rollout import deployed

    target = "the champion before" if to is None else f"the champion of epoch {to}"
    if not yes:
        typer.confirm(f"Return to {target}?", abort=True)
    champion = deployed.roll_back(
        deployed.RolloutTarget(champions, mlflow_tracking_uri, inference_service, namespace), to
    )
    typer.echo("no champion yet" if champion is None else f"epoch {champion.epoch}: {champion.model}")
