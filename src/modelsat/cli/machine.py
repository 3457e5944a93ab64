"""Verbs for one machine: run the whole product, see what runs, stop it."""

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Option("--folder", help="Where everything is kept.", envvar="MODELSAT_FOLDER")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(run)
    app.command()(status)
    app.command()(stop)
    app.command()(sample)


def run(
    scores: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or s3:// prefixes with benchmark results; none: a synthetic sample."),
    ] = None,
    folder: RunFolder = Path(".run"),
    recipe: Annotated[str, typer.Option(help="Training recipe.")] = "cpu",
    ranks: Annotated[int, typer.Option(help="Training processes.")] = 1,
) -> None:
    """Run everything on this machine: results to a live endpoint that answers.

    Example: modelsat run ../shared/data/mmlu_helm
    """
    from pipelines import whole_loop

    whole_loop.run(folder, scores or [], recipe, ranks)


def status(folder: RunFolder = Path(".run")) -> None:
    """Show which services run and who is champion."""
    from modelsat.bundle import champions
    from pipelines import services

    for service in services.running(folder):
        typer.echo(f"{service.name:<10} {service.url}  pid {service.pid}")
    champion = champions.current(str(folder / "champions"))
    if champion is None:
        typer.echo("no champion yet; next: modelsat run")
    else:
        typer.echo(
            f"champion   epoch {champion.epoch}, {champion.model}, {champion.verdict}, since {champion.promoted_at}"
        )


def stop(folder: RunFolder = Path(".run")) -> None:
    """Stop the endpoint and MLflow of this machine."""
    from pipelines import services

    stopped = services.stop(folder)
    typer.echo(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")


def sample(
    target: Annotated[Path, typer.Argument(help="Folder to write.")],
    seed: Annotated[int, typer.Option(help="Of questions and simulated answers.")] = 0,
    prompts: Annotated[int, typer.Option(help="How many.")] = 2400,
) -> None:
    """Write the synthetic sample: questions from templates, simulated candidates."""
    from modelsat.data import sample as synthetic

    synthetic.write(target, seed, prompts)
    typer.echo(f"wrote {prompts} synthetic prompts of simulated candidates to {target}")
