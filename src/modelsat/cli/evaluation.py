"""The verb that measures: any routers on any benchmark results."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

_STDOUT = Path("-")


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(evaluate)


def evaluate(
    routers: Annotated[
        list[str],
        typer.Option(
            "--router",
            help="Router to compare: folder, s3:// URI or models:/name@alias of a bundle, or a rival; repeatable.",
        ),
    ],
    scores: Annotated[
        list[str], typer.Option("--scores", help="Folder or s3:// prefix with benchmark results; repeatable.")
    ],
    outcomes: Annotated[
        list[str] | None, typer.Option("--outcomes", help="Results of candidates that are new to a bundle; repeatable.")
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option("--candidates", help="Catalogue (CSV, Parquet, YAML) with prices, dates and aliases."),
    ] = None,
    questions: Annotated[
        int | None,
        typer.Option(min=0, help="Use only the first K aptitude questions of candidates that are new to a bundle."),
    ] = None,
    missing_at_random: Annotated[
        bool,
        typer.Option(
            "--missing-at-random",
            help="Measure patchy results, assuming that gaps are random: a prompt's candidates are those that were run "
            "on it. Default: candidates that were run on 95 % of the prompts, on complete rows.",
        ),
    ] = False,
    all_held_out: Annotated[
        bool,
        typer.Option(
            "--all-held-out",
            help="Judge on all prompts, not on a fifth: for results that no router was trained on. Prompts that one "
            "learned from are left out.",
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", help="Write every choice as JSON to this file; - prints it to stdout instead of the table."
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", help="Write the page to this file; default: beside the JSON.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder that keeps prompt vectors and annotations.")] = Path(
        ".bench/vectors"
    ),
    annotator: Annotated[
        str | None,
        typer.Option(
            help="OpenAI-compatible address (http://host/v1) of the LLM that tags prompts for inference-dynamics."
        ),
    ] = None,
    annotator_model: Annotated[str | None, typer.Option(help="Name of that LLM.")] = None,
) -> None:
    """Compare routers on held-out prompts.

    Reference lines: random, best single, best per category and oracle.

    Rivals: knn, ridge, mlp, task-classifier, stack, lexical, two-stack, avengers, avengers-pro, embedllm, saverouter,
    uniroute, uniroute-map, omnirouter, inference-dynamics; also the parts of our router that need no training: fusion,
    and mixture, which adds the simple members. The annotator's key is read from MODELSAT_ANNOTATOR_KEY.

    Example: modelsat evaluate --router stack --scores results/ --json out.json

    Example: modelsat evaluate --router models:/modelsat-router@champion --scores new-benchmark/ --all-held-out
    """
    from modelsat import __version__
    from modelsat.errors import InputError
    from modelsat.evaluation import comparison, printed
    from modelsat.io import atomic
    from modelsat.io.chat_endpoint import ChatEndpoint
    from modelsat.reports import compared

    if bool(annotator) != bool(annotator_model):
        raise InputError("an annotator has an address and a model; give both --annotator and --annotator-model")
    to_stdout = json_file == _STDOUT
    if json_file is not None and not to_stdout:
        page = page or json_file.with_suffix(".html")
    for file in filter(None, (None if to_stdout else json_file, page, cache / "vectors")):
        atomic.require_writable(file)
    key = os.environ.get("MODELSAT_ANNOTATOR_KEY", "").strip()
    found = comparison.compare(
        scores,
        routers,
        cache,
        outcomes or [],
        candidates,
        questions,
        lambda line: typer.echo(line, err=True),
        ChatEndpoint(annotator, annotator_model, key) if annotator and annotator_model else None,
        missing_at_random,
        all_held_out,
    )
    if to_stdout:
        typer.echo(json.dumps(comparison.as_json(found)))
    else:
        typer.echo(f"{printed.table(comparison.as_json(found))}\n\n{printed.sentence(found.evaluation)}")
    if json_file is not None and not to_stdout:
        comparison.write(found, json_file)
    if page is not None:
        compared.write(found, page, f"modelsat {__version__}, bootstrap seed 0")
        typer.echo(f"\nPage  {page}", err=to_stdout)
