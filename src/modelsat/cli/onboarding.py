"""Verbs for candidates that come and go."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from modelsat.cli import request_options
from modelsat.cli.machine import RunFolder
from modelsat.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(onboard)


def onboard(
    candidate: Annotated[str, typer.Argument(help="Name of the candidate, or an alias from the catalogue.")],
    scores: Annotated[
        list[str] | None,
        typer.Option(
            "--scores", help="Folder or s3:// prefix with its results; repeatable. Default: ask the model itself."
        ),
    ] = None,
    catalogue: Annotated[str, typer.Option(help="Catalogue (CSV, Parquet, YAML) with prices and endpoint.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Remove the candidate instead.")] = False,
    reprice: Annotated[bool, typer.Option("--reprice", help="Update its prices from the catalogue instead.")] = False,
    endpoint: Annotated[str, typer.Option(help="OpenAI-compatible address; default: from the catalogue.")] = "",
    questions: Annotated[int, typer.Option(min=0, help="Ask the first K questions only; 0 asks all.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Maximum number of requests in flight.")] = 8,
    rate: Annotated[float, typer.Option(min=0, help="Maximum requests per second; 0 sets no limit.")] = 0.0,
    budget_usd: Annotated[
        float,
        typer.Option(
            *request_options.BUDGET,
            min=0,
            help="Stop before a question could exceed this budget, in USD; 0 sets no limit.",
        ),
    ] = 0.0,
    adaptive: Annotated[
        bool,
        typer.Option("--adaptive", help="Ask the most informative questions first; stop once choices are settled."),
    ] = False,
    max_tokens: request_options.MaxTokens = 0,
    timeout: request_options.Timeout = 0.0,
    body: request_options.Body = "{}",
    reasoning_effort: request_options.ReasoningEffort = "",
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Accept answers that look copied or leaked, after you have checked them.")
    ] = False,
    max_loss: Annotated[float, typer.Option(min=0, max=1, help="Largest accepted loss of accuracy, in [0, 1].")] = 0.05,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be done and its estimated cost; call and change nothing."),
    ] = False,
    folder: RunFolder = Path(".run"),
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print JSON.")] = False,
) -> None:
    """Make a candidate routable without training.

    It joins the local champion. The exit code is 7 if the gate says no.

    Example: modelsat onboard my-model --catalogue catalogue.yaml

    Example: modelsat onboard my-model --catalogue catalogue.yaml --dry-run
    """
    if remove and reprice:
        raise InputError("a candidate is removed or repriced; give one of --remove and --reprice")
    from pipelines import one_candidate

    choices: dict[str, Any] = {
        "action": "remove" if remove else "reprice" if reprice else "add",
        "catalogue": _absolute(catalogue),
        "answer_scores": [_absolute(source) for source in scores or []],
        "ask_endpoint": endpoint,
        "ask_questions": questions,
        "ask_concurrency": concurrency,
        "ask_rate": rate,
        "ask_budget_usd": budget_usd,
        "ask_adaptive": adaptive,
        "ask_max_tokens": max_tokens,
        "ask_timeout_seconds": timeout,
        "ask_body": request_options.fields(body),
        "ask_reasoning_effort": reasoning_effort,
        "validate_trusted": trusted,
        "gate_max_loss": max_loss,
    }
    if as_json and not dry_run:
        raise InputError("--json prints the estimate of --dry-run; give both, or neither")
    if dry_run:
        estimated = one_candidate.estimate(folder, candidate, choices)
        typer.echo(json.dumps(estimated.facts()) if as_json else estimated.sentence())
        return
    one_candidate.run(folder, candidate, choices)


def _absolute(uri: str) -> str:
    return uri if not uri or uri.startswith("s3://") else str(Path(uri).resolve())
