"""Verbs that wait for releases."""

from pathlib import Path
from typing import Annotated

import typer

from modelsat.cli import request_options
from modelsat.cli.machine import AsJson, RunFolder

Ledger = Annotated[str, typer.Option(help="Folder or s3:// prefix of the release ledger; default: below --folder.")]
Retry = Annotated[
    list[str] | None,
    typer.Option("--retry", help="Reopen this model's releases that were refused or wait; repeatable."),
]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(watch)
    app.command()(releases)
    app.command()(webhooks)


def watch(
    catalogue: Annotated[str, typer.Option(help="Catalogue: CSV, Parquet or YAML; a file or folder, local or in S3.")],
    results: Annotated[
        str,
        typer.Option(help="Folder or s3:// prefix with results by candidate; models without results are asked."),
    ] = "",
    ledger: Ledger = "",
    every: Annotated[float, typer.Option(min=1, help="Seconds between two checks.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Check once and exit.")] = False,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Retrain when enough models are new.")] = True,
    newcomers: Annotated[int, typer.Option(min=1, help="Retrain after this many new models.")] = 5,
    recipe: Annotated[
        str, typer.Option(help="Training recipe: auto, light, cpu, paper or another file in training/recipes.")
    ] = "auto",
    questions: Annotated[int, typer.Option(min=0, help="Ask only the first K questions; 0 asks all.")] = 0,
    rate: Annotated[
        float, typer.Option(min=0, help="Maximum requests per second to a candidate; 0 sets no limit.")
    ] = 0.0,
    budget_usd: Annotated[
        float,
        typer.Option(
            *request_options.BUDGET,
            min=0,
            help="Budget in USD for the questions of one check, all models together; 0 sets no limit.",
        ),
    ] = 0.0,
    max_tokens: request_options.MaxTokens = 0,
    timeout: request_options.Timeout = 0.0,
    body: request_options.Body = "{}",
    reasoning_effort: request_options.ReasoningEffort = "",
    retry: Retry = None,
    folder: RunFolder = Path(".run"),
) -> None:
    """Onboard new releases of a catalogue, and retrain when enough has changed.

    Example: modelsat watch --catalogue catalogue.yaml --every 60
    """
    from modelsat.onboarding.releases.retraining import RetrainingRules
    from pipelines.watch_here import Watch

    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    ledger = ledger or str(folder / "ledger")
    _reopen(ledger, retry)
    Watch(
        folder=folder,
        catalogue=_absolute(catalogue),
        ledger=ledger,
        results=_absolute(results),
        choices={
            "ask_questions": questions,
            "ask_rate": rate,
            "ask_max_tokens": max_tokens,
            "ask_timeout_seconds": timeout,
            "ask_body": request_options.fields(body),
            "ask_reasoning_effort": reasoning_effort,
        },
        budget_usd=budget_usd,
        rules=RetrainingRules(newcomers=newcomers) if train else None,
        recipe=recipe,
    ).run(every, once)


def releases(
    catalogue: Annotated[
        str, typer.Option(help="Catalogue; adds models that no check has seen yet and what its rows wait for.")
    ] = "",
    results: Annotated[str, typer.Option(help="Folder or s3:// prefix with results by candidate.")] = "",
    ledger: Ledger = "",
    retry: Retry = None,
    folder: RunFolder = Path(".run"),
    as_json: AsJson = False,
) -> None:
    """List which releases are due, waiting, onboarded or refused, and why.

    Example: modelsat releases --catalogue catalogue.yaml

    Example: modelsat releases --retry my-model
    """
    import json
    from dataclasses import asdict

    from modelsat.io.printed_table import MISSING, PrintedTable, shortened
    from modelsat.steps import watch as looks

    folder = folder.resolve()
    ledger = ledger or str(folder / "ledger")
    _reopen(ledger, retry)
    listed, faults = looks.listing(ledger, _absolute(catalogue), _absolute(results), str(folder / "champions"))
    if as_json:
        typer.echo(json.dumps({"releases": [asdict(one) for one in listed], "unusable_rows": faults}))
        return
    if not listed:
        typer.echo("no release was announced yet; next: modelsat watch --catalogue CATALOGUE")
    else:
        heads = ("model", "revision", "action", "status", "when", "why")
        cells = [
            (one.candidate, one.revision or MISSING, one.action, one.status, one.at[:16] or MISSING, one.reason)
            for one in listed
        ]
        rows = [[*row[:5], shortened(row[5], 90)] for row in cells]
        typer.echo(PrintedTable(heads, rows, texts=len(heads)).text())
    for fault in faults:
        typer.echo(fault, err=True)


def webhooks(
    ledger: Ledger = "",
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


def _reopen(ledger: str, names: list[str] | None) -> None:
    from modelsat.onboarding.releases import refusals

    for name in names or []:
        reopened = refusals.reopen_named(ledger, name)
        what = ", ".join(f"{one.action} {one.candidate} {one.revision}".rstrip() for one in reopened)
        typer.echo(f"reopened: {what}" if what else f"{name!r} is done or open already; nothing was reopened", err=True)


def _absolute(uri: str) -> str:
    return uri if not uri or uri.startswith("s3://") else str(Path(uri).resolve())
