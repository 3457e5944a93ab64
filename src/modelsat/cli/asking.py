"""The verb that puts the aptitude test to a candidate."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(ask)


def ask(
    bundle: Annotated[
        str, typer.Option(help="Router bundle whose aptitude test is put: a folder, s3:// URI or models:/name@alias.")
    ],
    catalogue: Annotated[str | None, typer.Option(help="Catalogue that lists the candidate.")] = None,
    candidate: Annotated[str | None, typer.Option(help="Its name or an alias there.")] = None,
    into: Annotated[Path | None, typer.Option(help="Results folder to write, as `modelsat collect` reads it.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="OpenAI-compatible address (http://host/v1); default: the catalogue's.")
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="Only the first K questions of the frozen order.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Most requests in flight.")] = 8,
    rate: Annotated[float | None, typer.Option(help="Most requests per second.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Begin no question that could lead beyond it.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer in tokens.")] = 1024,
    timeout: Annotated[float, typer.Option(help="Seconds that one request may take.")] = 120.0,
    body: Annotated[
        str, typer.Option(help='Fields of the request that replace ours, as JSON; null leaves one out: {"seed": 1}.')
    ] = "{}",
    adaptive: Annotated[
        bool, typer.Option("--adaptive", help="Choose questions by what they tell; stop when choices are settled.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show questions and cost; call nobody.")] = False,
    export_task: Annotated[
        Path | None, typer.Option(help="Write the test as a task of lm-evaluation-harness instead, and ask nobody.")
    ] = None,
) -> None:
    """Put the aptitude test of a bundle to a candidate; run it again after a failure, it goes on where it was.

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
            lm_eval_task.export(router, export_task, questions, max_tokens)
            typer.echo(f"wrote the task to {export_task}; its README.md says how to run it")
            return
        if catalogue is None or candidate is None or into is None:
            raise InputError("whom to ask is missing; give --catalogue, --candidate and --into")
        row = catalogues.find(catalogues.read(catalogue), candidate)
        settings = asking.AskingSettings(
            endpoint=endpoint,
            questions=questions,
            concurrency=concurrency,
            rate=rate,
            budget_usd=budget_usd,
            adaptive=adaptive,
            timeout_seconds=timeout,
            max_tokens=max_tokens,
            body=_fields(body),
        )
        typer.echo(asked.announced(row["candidate"], asking.plan(router, row, into, settings)), err=True)
        if dry_run:
            return
        asking.ask(router, row, into, settings, asking.shown_on(TerminalProgress("asking questions")))
    report = json.loads((into / "asked.json").read_text(encoding="utf-8"))
    typer.echo(f"{asked.told(report)}\nResults  {into}")


def _fields(body: str) -> dict[str, Any]:
    from modelsat.errors import InputError

    try:
        fields = json.loads(body)
    except ValueError as error:
        raise InputError(f"--body {body!r} is no JSON ({error})") from error
    if not isinstance(fields, dict):
        raise InputError(f"--body {body!r} is no JSON object; write fields and values in braces")
    return fields
