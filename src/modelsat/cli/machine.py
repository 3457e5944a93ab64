"""Verbs for one machine: run the whole product, see what runs, stop it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[
    Path,
    typer.Option(
        "--folder",
        help="Folder of `modelsat run`: services, bundles, champion records, pages.",
        envvar="MODELSAT_FOLDER",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(run)
    app.command()(status)
    app.command()(champions)
    app.command()(stop)
    app.command()(sample)


def run(
    scores: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or s3:// prefixes with benchmark results; default: a synthetic sample."),
    ] = None,
    folder: RunFolder = Path(".run"),
    recipe: Annotated[
        str, typer.Option(help="Training recipe: auto, light, cpu, paper or another file in training/recipes.")
    ] = "auto",
    ranks: Annotated[int, typer.Option(help="Number of training processes.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcome as JSON on stdout; progress goes to stderr.")
    ] = False,
) -> None:
    """Run the whole loop here: benchmark results in, a live endpoint out.

    Example: modelsat run results/ s3://bucket/scores
    """
    import contextlib
    import sys

    from pipelines import whole_loop

    if not as_json:
        whole_loop.run(folder, scores or [], recipe, ranks)
        return
    with contextlib.redirect_stdout(sys.stderr):
        outcome = whole_loop.run(folder, scores or [], recipe, ranks)
    typer.echo(json.dumps(outcome))


def status(folder: RunFolder = Path(".run"), as_json: AsJson = False) -> None:
    """Show the running services and the champion.

    Example: modelsat status --json
    """
    from modelsat.bundle import champions as records
    from pipelines import services

    running, champion = services.running(folder), records.current(str(folder / "champions"))
    if as_json:
        told = [{"name": service.name, "url": service.url, "pid": service.pid} for service in running]
        typer.echo(json.dumps({"services": told, "champion": None if champion is None else asdict(champion)}))
        return
    for service in running:
        typer.echo(f"{service.name:<10} {service.url}  pid {service.pid}")
    if champion is None:
        typer.echo("no champion yet; next: modelsat run")
    else:
        typer.echo(
            f"champion   epoch {champion.epoch}, {champion.model}, {champion.verdict}, since {champion.promoted_at}"
        )


def champions(
    store: Annotated[
        str,
        typer.Option(
            "--champions",
            help="Folder or s3:// prefix of champion records; default: below --folder.",
            envvar="MODELSAT_CHAMPIONS",
        ),
    ] = "",
    folder: RunFolder = Path(".run"),
    as_json: AsJson = False,
) -> None:
    """List all champions: epoch, model, verdict and time, the present one last.

    Example: modelsat champions --json
    """
    from modelsat.bundle import champions as records
    from modelsat.io.printed_table import PrintedTable

    store = store or str(folder.resolve() / "champions")
    listed, missing = records.all_of(store), records.missing(store)
    if as_json:
        typer.echo(json.dumps({"champions": [asdict(one) for one in listed], "missing_epochs": missing}))
        return
    if not listed:
        typer.echo(f"{store!r} has no champion yet; next: modelsat run")
        return
    heads = ("epoch", "model", "verdict", "promoted", "digest")
    rows = [
        (str(one.epoch), one.model, one.verdict, one.promoted_at[:16].replace("T", " "), one.bundle_digest[:12])
        for one in listed
    ]
    typer.echo(PrintedTable(heads, rows, texts=len(heads), marked=len(rows) - 1).text())
    if missing:
        typer.echo(f"no record of epoch {', '.join(map(str, missing))}", err=True)


def stop(folder: RunFolder = Path(".run")) -> None:
    """Stop the endpoint and MLflow on this machine."""
    from pipelines import services

    stopped = services.stop(folder)
    typer.echo(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")


def sample(
    target: Annotated[Path, typer.Argument(help="Folder to write.")],
    seed: Annotated[int, typer.Option(help="Random seed of questions and simulated answers.")] = 0,
    prompts: Annotated[int, typer.Option(help="Number of prompts.")] = 2400,
) -> None:
    """Write a synthetic sample: questions from templates, simulated candidates."""
    from modelsat.data import sample as synthetic

    synthetic.write(target, seed, prompts)
    typer.echo(f"wrote {prompts} synthetic prompts of simulated candidates to {target}")
