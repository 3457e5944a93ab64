"""The command line `modelsat`: every verb is one call, and imports its weight only when it runs."""

import os
import sys
import warnings

import typer

from modelsat import __version__
from modelsat.cli import (
    asking,
    catalogue,
    cluster,
    evaluation,
    explaining,
    feedback,
    machine,
    onboarding,
    rollout,
    routing,
    serving,
    stages,
    watching,
)

app = typer.Typer(
    help="Learns from benchmark results which LLM can handle which prompt, and keeps learning as new LLMs appear.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    machine,
    catalogue,
    asking,
    onboarding,
    watching,
    stages,
    evaluation,
    routing,
    serving,
    feedback,
    explaining,
    cluster,
    rollout,
):
    module.add_to(app)


@app.callback(invoke_without_command=True)
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    """Learns from benchmark results which LLM can handle which prompt, and keeps learning as new LLMs appear."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if debug:
        os.environ["MODELSAT_DEBUG"] = "1"


def main() -> None:
    """Run the command line; an error of ours is one line and its exit code."""
    from modelsat.errors import ModelsatError

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        app()
    except ModelsatError as error:
        if os.environ.get("MODELSAT_DEBUG"):
            raise
        typer.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None
