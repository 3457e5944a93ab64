"""Verbs that bring a cluster's endpoint and MLflow's alias to the champion records, or to an earlier champion."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelsat.cli.machine import AsJson, RunFolder
from modelsat.errors import InputError

if TYPE_CHECKING:
    from modelsat.bundle.champions import Champion

Champions = Annotated[
    str,
    typer.Option(
        help="Folder or s3:// prefix of champion records; default: below --folder.", envvar="MODELSAT_CHAMPIONS"
    ),
]
Tracking = Annotated[
    str,
    typer.Option(
        help="MLflow tracking server; default: that of --folder, which is started if it does not run.",
        envvar="MLFLOW_TRACKING_URI",
    ),
]
Service = Annotated[
    str,
    typer.Option(
        "--inference-service",
        help="InferenceService whose traffic is shifted; empty if endpoints follow the records on their own.",
        envvar="MODELSAT_INFERENCE_SERVICE",
    ),
]
Namespace = Annotated[
    str, typer.Option(help="Namespace of the service; default: that of this pod.", envvar="MODELSAT_NAMESPACE")
]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(reconcile)
    app.command()(rollback)


def reconcile(
    champions: Champions = "",
    mlflow_tracking_uri: Tracking = "",
    inference_service: Service = "",
    namespace: Namespace = "",
    folder: RunFolder = Path(".run"),
    as_json: AsJson = False,
) -> None:
    """Finish an interrupted promotion.

    Endpoint and MLflow alias are brought in line with the champion record.

    Example: modelsat reconcile --champions s3://modelsat/champions --inference-service router
    """
    from modelsat.cluster.rollout import deployed

    store, tracking_uri = _addresses(champions, mlflow_tracking_uri, folder)
    champion = deployed.bring(deployed.RolloutTarget(store, tracking_uri, inference_service, namespace))
    _show(champion, as_json)


def rollback(
    champions: Champions = "",
    mlflow_tracking_uri: Tracking = "",
    inference_service: Service = "",
    namespace: Namespace = "",
    folder: RunFolder = Path(".run"),
    to: Annotated[int | None, typer.Option(min=1, help="Epoch to return to; default: the previous one.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Undo a promotion in progress, or return to an earlier champion.

    Example: modelsat rollback --to 3

    Example: modelsat rollback --champions s3://modelsat/champions --mlflow-tracking-uri http://mlflow:5000
    """
    from modelsat.cluster.rollout import deployed

    if not yes:
        # Nothing is started before the answer.
        typer.confirm(_question(champions or str(folder.resolve() / "champions"), inference_service, to), abort=True)
    store, tracking_uri = _addresses(champions, mlflow_tracking_uri, folder)
    champion = deployed.roll_back(deployed.RolloutTarget(store, tracking_uri, inference_service, namespace), to)
    _show(champion, as_json)


def _question(store: str, service: str, to: int | None) -> str:
    """Return what a person agrees to: from which champion to which.

    Raises:
        InputError: There is nobody to return to.
    """
    from modelsat.bundle import champions as records
    from modelsat.cluster.rollout import deployed

    present = records.required(store)
    if service and to is None:
        return f"Take back a promotion under way, or else return to the champion before epoch {present.epoch}?"
    target = deployed.earlier(store, to)
    return f"Return from epoch {present.epoch} ({present.model}) to epoch {target.epoch} ({target.model})?"


def _addresses(store: str, tracking_uri: str, folder: Path) -> tuple[str, str]:
    """Return champion records and MLflow server: those that were named, else those of the folder."""
    from modelsat.bundle import champions as records
    from pipelines import services

    folder = folder.resolve()
    store = store or str(folder / "champions")
    if not tracking_uri:
        records.required(store)
        if store != str(folder / "champions"):
            raise InputError("these champion records are not those of --folder; name their MLflow server, too")
        tracking_uri = services.mlflow(folder).url
    return store, tracking_uri


def _show(champion: "Champion | None", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"champion": None if champion is None else asdict(champion)}))
    else:
        typer.echo("no champion yet" if champion is None else f"epoch {champion.epoch}: {champion.model}")
