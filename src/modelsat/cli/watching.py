"""Verbs that wait for releases."""

from pathlib import Path
from typing import Annotated

import typer

from modelsat.cli.machine import RunFolder


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(watch)
    app.command()(webhooks)


def watch(
    catalogue: Annotated[str, typer.Option(help="Catalogue: CSV, Parquet or YAML; a file or folder, local or in S3.")],
    results: Annotated[
        str,
        typer.Option(help="Folder or s3:// prefix with results by candidate; models without results are asked."),
    ] = "",
    ledger: Annotated[
        str, typer.Option(help="Folder or s3:// prefix of the release ledger; default: below --folder.")
    ] = "",
    every: Annotated[float, typer.Option(min=1, help="Seconds between two checks.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Check once and exit.")] = False,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Retrain when enough models are new.")] = True,
    newcomers: Annotated[int, typer.Option(min=1, help="Retrain after this many new models.")] = 5,
    recipe: Annotated[
        str, typer.Option(help="Training recipe: cpu, paper or another file in training/recipes.")
    ] = "cpu",
    questions: Annotated[int, typer.Option(min=0, help="Ask only the first K questions; 0 asks all.")] = 0,
    rate: Annotated[
        float, typer.Option(min=0, help="Maximum requests per second to a candidate; 0 sets no limit.")
    ] = 0.0,
    folder: RunFolder = Path(".run"),
) -> None:
    """Onboard new releases of a catalogue, and retrain when enough has changed.

    Example: modelsat watch --catalogue catalogue.yaml --every 60
    """
    from modelsat.onboarding.releases.retraining import RetrainingRules
    from pipelines.watch_here import Watch

    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    Watch(
        folder=folder,
        catalogue=_absolute(catalogue),
        ledger=ledger or str(folder / "ledger"),
        results=_absolute(results),
        choices={"ask_questions": questions, "ask_rate": rate},
        rules=RetrainingRules(newcomers=newcomers) if train else None,
        recipe=recipe,
    ).run(every, once)


def webhooks(
    ledger: Annotated[
        str, typer.Option(help="Folder or s3:// prefix of the release ledger; default: below --folder.")
    ] = "",
    results: Annotated[
        str, typer.Option(help="s3:// prefix with results by candidate that S3 sends events about.")
    ] = "s3://modelsat/results",
    ignored: Annotated[
        list[str] | None,
        typer.Option("--ignore", help="Registered model to ignore, since it is not a candidate; repeatable."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8070,
    folder: RunFolder = Path(".run"),
) -> None:
    """Receive release announcements from MLflow (/mlflow) and S3 (/s3).

    They are written to the release ledger, which `modelsat watch` reads.

    Secrets come from MODELSAT_MLFLOW_WEBHOOK_SECRET and MODELSAT_S3_EVENT_TOKENS; a route without a secret is closed.

    Example: modelsat webhooks --ledger s3://modelsat/ledger --host 0.0.0.0
    """
    import os

    from serving import tokens
    from serving.webhooks import MLFLOW_SECRET, S3_TOKENS, WebhookSettings, run

    settings = WebhookSettings(
        ledger=ledger or str(folder.resolve() / "ledger"),
        mlflow_secret=os.environ.get(MLFLOW_SECRET, "").strip(),
        s3_tokens=tokens.known(os.environ.get(S3_TOKENS, ""), None),
        results=results,
        ignored=frozenset(ignored or ["modelsat-router"]),
    )
    run(host, port, settings)


def _absolute(uri: str) -> str:
    return uri if not uri or uri.startswith("s3://") else str(Path(uri).resolve())
