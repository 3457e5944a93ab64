"""Verbs for single stages: files in, files out, the same functions as in the pipeline."""

import json
from pathlib import Path
from typing import Annotated

import typer

from modelsat.cli.machine import AsJson
from modelsat.errors import InputError, ValidationFailed


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(collect)
    app.command()(validate)
    app.command()(instruct)


def collect(
    scores: Annotated[list[str], typer.Argument(help="Folders or s3:// prefixes with benchmark results.")],
    into: Annotated[Path, typer.Option(help="Folder to write the collected tables to.")],
    kept: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps what each source gave; those that are unchanged are not read again."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read and merge benchmark results, and report what was rejected.

    The exit code is 2 if no score could be read; only the page is written then. With --kept it also prints what changed
    since the last collection there.

    Example: modelsat collect results/ s3://bucket/scores --into collected
    """
    from modelsat.data import changes, collection, sources
    from modelsat.reports import collected

    found, page = collection.collect(scores, kept), into.with_name(f"{into.name}.html")
    if not found.rows:
        collected.write(found, page)
        silent = sources.without_scores(found.sources, [], found.rejects, found.notes)
        raise InputError(f"no score could be read, {str(page)!r} shows all that was found; {'; '.join(silent)}")
    found.write(into)
    changed = changes.since(kept / changes.LAST, found) if kept is not None else ""
    collected.write(found, page, changed)
    typer.echo(json.dumps(found.counts()) if as_json else collected.sentence(found))
    if changed:
        typer.echo(f"note: {changed}", err=True)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)


def validate(
    collected: Annotated[Path, typer.Argument(help="Folder that `modelsat collect` wrote.")],
    page: Annotated[Path | None, typer.Option(help="File to write the report page to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check collected scores against the data contract.

    The exit code is 3 if they break it.

    Example: modelsat validate collected --page validated.html
    """
    from modelsat.data import validation
    from modelsat.data.collection import Collection
    from modelsat.reports import validated

    collection = Collection.read(collected)
    outcome = validation.check(collection)
    if page is not None:
        validated.write(outcome, collection, page)
    if as_json:
        typer.echo(json.dumps({"passed": outcome.passed, "checks": validation.as_table(outcome).to_pylist()}))
    if not outcome.passed:
        raise ValidationFailed(outcome.sentence())
    if not as_json:
        typer.echo(outcome.sentence())


def instruct(
    collected: Annotated[Path, typer.Argument(help="Folder that `modelsat collect` wrote.")],
    into: Annotated[Path, typer.Option(help="Folder to write the capability instructions to.")],
    as_json: AsJson = False,
) -> None:
    """Choose the aptitude test and build cards and capability instructions.

    Prints three of the instructions.

    Example: modelsat instruct collected --into instructions
    """
    from modelsat.aptitude import instructions
    from modelsat.data.collection import Collection

    built = instructions.build(Collection.read(collected))
    built.write(into)
    counts = {
        "questions": built.aptitude_test.num_rows,
        "cards": built.cards.num_rows,
        "prompts": built.prompts.num_rows,
    }
    told = counts | {"aptitude_test": built.test.version, "candidates": list(built.names)}
    typer.echo(json.dumps(told) if as_json else instructions.preview(built))
