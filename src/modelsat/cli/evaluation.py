"""The verb that measures: any routers on any benchmark results."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(evaluate)


def evaluate(
    routers: Annotated[
        list[str],
        typer.Option("--router", help="Folder, s3:// URI or models:/name@alias of a bundle, or a rival; repeat it."),
    ],
    scores: Annotated[list[str], typer.Option("--scores", help="Folder or s3:// prefix with results; repeat it.")],
    outcomes: Annotated[
        list[str] | None, typer.Option("--outcomes", help="Answers of candidates that a bundle does not know.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where to write every choice as JSON.")] = None,
    page: Annotated[
        Path | None, typer.Option("--page", help="Where to write the page; default: beside the JSON.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Keeps prompt vectors.")] = Path(".bench/vectors"),
) -> None:
    """Compare routers on held-out prompts, beside random, best single, best per category and oracle.

    Rivals: knn, ridge, mlp, task-classifier, stack, avengers, avengers-pro, embedllm, saverouter, uniroute,
    uniroute-map, omnirouter, inference-dynamics.

    Example: modelsat evaluate --router .run/bundles/... --router stack --scores ../shared/data/mmlupro --json out.json
    """
    from modelsat import __version__, comparison
    from modelsat.reports import compared, terminal

    found = comparison.compare(
        scores, routers, cache, outcomes or [], lambda router: typer.echo(f"scoring with {router}", err=True)
    )
    typer.echo(terminal.comparison(comparison.as_json(found)))
    if json_file is not None:
        comparison.write(found, json_file)
        page = page or json_file.with_suffix(".html")
    if page is not None:
        compared.write(found, page, f"modelsat {__version__}, bootstrap seed 0")
        typer.echo(f"\nPage  {page}")
