"""The command line `modelsat`: every verb is one call, and imports its weight only when it runs."""

import errno
import os
import sys
import warnings
from typing import TYPE_CHECKING

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
    measuring,
    onboarding,
    proving,
    rollout,
    routing,
    serving,
    stages,
    watching,
)
from modelsat.cli.groups import GroupedVerbs

if TYPE_CHECKING:
    from modelsat.errors import ModelsatError

_EXIT_CODES = """Exit codes: 0 done; 1 other error; 2 bad input; 3 invalid data; 4 conflict; 5 a server failed; 6 out of
disk, memory or time; 7 the gate said no. An error is one line on stderr. Reading verbs take --json: JSON on stdout,
progress on stderr."""

app = typer.Typer(
    cls=GroupedVerbs,
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    machine,
    catalogue,
    asking,
    measuring,
    onboarding,
    watching,
    stages,
    proving,
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
    """Learns from benchmark results which LLM can handle which prompt, and keeps learning as new LLMs appear.

    Example: modelsat run

    Example: modelsat route "Prove that sqrt(2) is irrational"
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if debug:
        os.environ["MODELSAT_DEBUG"] = "1"


def main() -> None:
    """Run the command line; an error of ours, or of the disk, is one line and its exit code."""
    from modelsat.errors import ModelsatError

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except (ModelsatError, OSError) as error:
        fault = error if isinstance(error, ModelsatError) else _of_the_disk(error)
        if fault is None or os.environ.get("MODELSAT_DEBUG"):
            raise
        typer.echo(str(fault), err=True)
        _forget_unwritten()
        raise SystemExit(fault.exit_code) from None


def _of_the_disk(error: OSError) -> "ModelsatError | None":
    """Return our error for one of the disk that no step has named; None for any other."""
    from modelsat.errors import InputError, ResourceError

    where = f" at {str(error.filename)[:200]!r}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ResourceError(
            f"the disk is full{where} ({error.strerror}); free some space and run the same command again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG):
        return InputError(
            f"the file system refuses{where} ({error.strerror}); name another place, or correct its rights"
        )
    if where and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP):
        return InputError(f"the path{where} cannot be used ({error.strerror}); correct it")
    return None


def _forget_unwritten() -> None:
    """Keep what could not be written to stdout from failing again when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
