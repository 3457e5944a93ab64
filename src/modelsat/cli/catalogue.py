"""Verbs of the catalogue, which lists the candidates that could be routed to."""

import json
from pathlib import Path
from typing import Annotated

import typer

CatalogueUri = Annotated[str, typer.Argument(help="Catalogue: a .yaml, .parquet or .csv file, or a folder of them.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    verbs = typer.Typer(
        help="List the candidates that could be routed to.\n\nExample: modelsat catalogue check catalogue.yaml",
        no_args_is_help=True,
    )
    verbs.command(name="import")(import_catalogue)
    verbs.command(name="check")(check_catalogue)
    verbs.command(name="show")(show_catalogue)
    app.add_typer(verbs, name="catalogue")


def import_catalogue(
    source: Annotated[
        str,
        typer.Argument(help="File or s3:// object with what GET /api/v1/models of OpenRouter answers, or mlflow:URI."),
    ],
    into: Annotated[Path, typer.Option(help="Catalogue to write, .yaml or .parquet.")],
    endpoint: Annotated[str | None, typer.Option(help="Where the listed models answer; default: OpenRouter.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the key there.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file where it exists.")] = False,
) -> None:
    """Turn a model list of OpenRouter, or the registered models of MLflow, into a catalogue.

    Example: modelsat catalogue import models.json --into catalogue.yaml
    """
    from modelsat.data import catalogue
    from modelsat.data.importers import mlflow_models, openrouter
    from modelsat.errors import ConflictError, InputError
    from modelsat.io import mlflow_registry, storage

    if into.exists() and not replace:
        raise ConflictError(f"{str(into)!r} exists already; add --replace or name another file")
    if source.startswith("mlflow:"):
        found = mlflow_models.read(mlflow_registry.client(source.removeprefix("mlflow:")))
    else:
        try:
            listed = json.loads(storage.read(source))
        except ValueError as error:
            raise InputError(f"{source!r} is no JSON ({error}); save the model list again") from error
        variable = api_key_env if endpoint else api_key_env or openrouter.API_KEY_ENV
        found = openrouter.read(listed, endpoint or openrouter.ENDPOINT, variable)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if not found.candidates.num_rows:
        raise InputError(f"{source!r} has no model that could be taken over; nothing was written")
    catalogue.write(found.candidates, into)
    typer.echo(f"wrote {found.candidates.num_rows} candidates to {into}")


def check_catalogue(uri: CatalogueUri) -> None:
    """Read a catalogue and say what it lacks and which rows cannot be used; exit code 2 where there are such rows.

    Example: modelsat catalogue check catalogue.yaml
    """
    from modelsat.data import catalogue
    from modelsat.errors import InputError

    table, faults = catalogue.usable(uri)
    for fault in faults:
        typer.echo(fault, err=True)
    typer.echo(f"{table.num_rows} candidates can be used")
    for field, consequence in {
        "endpoint": "cannot be asked",
        "price_in": "have no known cost",
        "context_length": "may be sent prompts that are too long",
    }.items():
        rows = zip(table["candidate"].to_pylist(), table[field].to_pylist(), strict=True)
        names = [name for name, value in rows if value is None]
        if names:
            shown = ", ".join([*names[:5], *([f"{len(names) - 5} more"] if len(names) > 5 else [])])
            typer.echo(f"without {field}, {consequence}: {shown}")
    if faults:
        raise InputError(f"{len(faults)} rows or files of catalogue {uri!r} cannot be used; correct them")


def show_catalogue(
    uri: CatalogueUri, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show the candidates of a catalogue.

    Example: modelsat catalogue show s3://bucket/catalogue
    """
    from modelsat.data import catalogue

    rows = catalogue.read(uri).to_pylist()
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    heads = ("candidate", "revision", "released_at", "price_in", "price_out", "context_length", "endpoint")
    cells = [heads, *(tuple("" if row[head] is None else str(row[head]) for head in heads) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
