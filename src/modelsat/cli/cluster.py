"""Verbs for a cluster."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(name="compile")(compile_pipeline)


def compile_pipeline(
    into: Annotated[Path, typer.Option(help="File to write.")] = Path("pipelines/compiled/retrain.yaml"),
) -> None:
    """Write the retrain pipeline as YAML for Kubeflow.

    Example: modelsat compile --into retrain.yaml
    """
    from pipelines import local

    local.compile_to(into)
    typer.echo(f"wrote {into}")
