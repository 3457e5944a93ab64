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
    catalogue: Annotated[str, typer.Option(help="Catalogue (CSV, Parquet, YAML; a file or folder, here or in S3).")],
    results: Annotated[
        str, typer.Option(help="Folder or s3:// prefix with results by candidate; others are asked at their endpoint.")
    ] = "",
    ledger: Annotated[str, typer.Option(help="Folder or s3:// prefix of the release ledger; default: here.")] = "",
    every: Annotated[float, typer.Option(min=1, help="Seconds from one look to the next.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Train where the policy calls for it.")] = True,
    newcomers: Annotated[int, typer.Option(min=1, help="So many releases call for a training.")] = 5,
    recipe: Annotated[str, typer.Option(help="Training recipe.")] = "cpu",
    questions: Annotated[int, typer.Option(min=0, help="Ask candidates the first K questions only; 0 asks all.")] = 0,
    rate: Annotated[float, typer.Option(min=0, help="Most requests per second to a candidate; 0 sets no limit.")] = 0.0,
    folder: RunFolder = Path(".run"),
) -> None:
    """Onboard every release of a catalogue once, and train again when enough has changed.

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
    ledger: Annotated[str, typer.Option(help="Folder or s3:// prefix of the release ledger; default: here.")] = "",
    results: Annotated[
        str, typer.Option(help="s3:// prefix of results by candidate, of which S3 tells.")
    ] = "s3://modelsat/results",
    ignored: Annotated[
        list[str] | None, typer.Option("--ignore", help="Registered model that is no candidate; repeat it.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8070,
    folder: RunFolder = Path(".run"),
) -> None:
    """Take announcements of MLflow's registry (/mlflow) and of S3 (/s3) into the release ledger.

    Secrets come from MODELSAT_MLFLOW_WEBHOOK_SECRET and MODELSAT_S3_EVENT_TOKENS; a route without one is closed.

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
