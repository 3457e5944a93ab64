"""The verb that puts the aptitude test to a candidate."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from modelsat.cli import request_options
from modelsat.cli.machine import AsJson


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(ask)


def ask(
    bundle: Annotated[
        str, typer.Option(help="Router whose aptitude test is used: a folder, s3:// URI or models:/name@alias.")
    ],
    catalogue: Annotated[str | None, typer.Option(help="Catalogue that lists the candidate.")] = None,
    candidate: Annotated[str | None, typer.Option(help="Name of the candidate in the catalogue, or an alias.")] = None,
    into: Annotated[Path | None, typer.Option(help="Results folder to write; `modelsat collect` reads it.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="OpenAI-compatible address (http://host/v1); default: from the catalogue.")
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="Ask only the first K questions of the frozen order.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Maximum number of requests in flight.")] = 8,
    rate: Annotated[float | None, typer.Option(help="Maximum requests per second.")] = None,
    budget_usd: Annotated[
        float | None,
        typer.Option(*request_options.BUDGET, help="Stop before a question could exceed this budget, in USD."),
    ] = None,
    max_tokens: request_options.MaxTokens = 0,
    timeout: request_options.Timeout = 0.0,
    body: request_options.Body = "{}",
    reasoning_effort: request_options.ReasoningEffort = "",
    adaptive: Annotated[
        bool,
        typer.Option("--adaptive", help="Ask the most informative questions first; stop once choices are settled."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print questions and estimated cost without calling the model.")
    ] = False,
    export_task: Annotated[
        Path | None, typer.Option(help="Only export the test as a task of lm-evaluation-harness, into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a router's aptitude test to a candidate model.

    After a failure, run the same command again: it continues where it stopped.

    Example: modelsat ask --bundle .run/bundles/... --catalogue catalogue.yaml --candidate qwen-72b --into qwen-72b
    """
    from modelsat.bundle import opening
    from modelsat.data import catalogue as catalogues
    from modelsat.errors import InputError
    from modelsat.io.progress import TerminalProgress
    from modelsat.onboarding import asking
    from modelsat.onboarding.asking import lm_eval_task
    from modelsat.reports import asked

    with opening.opened(bundle, with_router=adaptive and not dry_run) as router:
        if export_task is not None:
            lm_eval_task.export(router, export_task, questions, max_tokens or asking.MAX_TOKENS)
            wrote = f"wrote the task to {export_task}; its README.md says how to run it"
            typer.echo(json.dumps({"task": str(export_task)}) if as_json else wrote)
            return
        if catalogue is None or candidate is None or into is None:
            raise InputError("the candidate to ask is missing; give --catalogue, --candidate and --into")
        row = catalogues.row(catalogue, candidate)
        settings = asking.AskingSettings(
            endpoint=endpoint,
            questions=questions,
            concurrency=concurrency,
            rate=rate,
            budget_usd=budget_usd,
            adaptive=adaptive,
            timeout_seconds=timeout or None,
            max_tokens=max_tokens or None,
            body=request_options.fields(body),
            reasoning_effort=reasoning_effort,
        )
        planned = asking.plan(router, row, into, settings)
        typer.echo(asked.announced(row["candidate"], planned), err=True)
        if dry_run:
            if as_json:
                typer.echo(json.dumps({"candidate": row["candidate"]} | asdict(planned)))
            return
        asking.ask(router, row, into, settings, asking.shown_on(TerminalProgress("asking questions")))
    report = json.loads((into / "asked.json").read_text(encoding="utf-8"))
    typer.echo(json.dumps(report) if as_json else f"{asked.told(report)}\nResults  {into}")
