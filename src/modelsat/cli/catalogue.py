"""Verbs of the catalogue, which lists the candidates that could be routed to."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelsat.cli.groups import WholeSentences
from modelsat.cli.machine import AsJson

if TYPE_CHECKING:
    import pyarrow as pa

_CONSEQUENCES = {
    "endpoint": "cannot be asked",
    "price_in": "have no known cost",
    "context_length": "may be sent prompts that are too long",
}

CatalogueUri = Annotated[str, typer.Argument(help="Catalogue: a .yaml, .parquet or .csv file, or a folder of them.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    verbs = typer.Typer(
        cls=WholeSentences,
        help="Import, check and show the catalogue of candidate models.\n\n"
        "Example: modelsat catalogue check catalogue.yaml",
        no_args_is_help=True,
    )
    verbs.command(name="import")(import_catalogue)
    verbs.command(name="check")(check_catalogue)
    verbs.command(name="show")(show_catalogue)
    app.add_typer(verbs, name="catalogue")


def import_catalogue(
    source: Annotated[
        str,
        typer.Argument(
            help="File or s3:// object with the response to GET /v1/models of OpenRouter, vLLM, Groq or another "
            "OpenAI-compatible server, LiteLLM's price map, or the config.yaml of LiteLLM's proxy or of vLLM's "
            "semantic router; or mlflow:URI."
        ),
    ],
    into: Annotated[Path, typer.Option(help="Catalogue file to write, .yaml or .parquet.")],
    endpoint: Annotated[
        str | None,
        typer.Option(help="Address that serves the listed models; default for OpenRouter's list: OpenRouter."),
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="Name of the environment variable that holds the API key; it ends in _API_KEY.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite an existing file.")] = False,
) -> None:
    """Turn a model list, another gateway's configuration or the registered models of MLflow into a catalogue.

    Example: modelsat catalogue import models.json --into catalogue.yaml

    Example: modelsat catalogue import litellm/config.yaml --into catalogue.yaml
    """
    from modelsat.data import catalogue
    from modelsat.data.importers import mlflow_models, model_lists
    from modelsat.errors import ConflictError, InputError
    from modelsat.io import mlflow_registry, storage
    from modelsat.io.key_variables import fault_in_key_variable

    fault = fault_in_key_variable(api_key_env) if api_key_env is not None else None
    if fault is not None:
        raise InputError(f"--api-key-env: {fault}")
    if into.exists() and not replace:
        raise ConflictError(f"{str(into)!r} exists already; add --replace or name another file")
    if source.startswith("mlflow:"):
        found = mlflow_models.read(mlflow_registry.client(source.removeprefix("mlflow:")))
    else:
        found = model_lists.read(model_lists.decoded(storage.read(source), source), endpoint, api_key_env)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if not found.candidates.num_rows:
        raise InputError(f"{source!r} contains no model that could be imported; nothing was written")
    catalogue.write(found.candidates, into)
    typer.echo(f"wrote {found.candidates.num_rows} candidates to {into}")


def check_catalogue(uri: CatalogueUri, as_json: AsJson = False) -> None:
    """Report unusable rows, fields that are not read and missing facts of a catalogue.

    The exit code is 2 if a row or a file cannot be used.

    Example: modelsat catalogue check catalogue.yaml
    """
    from modelsat.data import catalogue
    from modelsat.errors import InputError

    table, broken = catalogue.usable(uri)
    unreachable = catalogue.unreachable(table)
    faults = [*broken, *unreachable]
    for fault in faults:
        typer.echo(fault, err=True)
    remarks = catalogue.near_misses(uri)
    for remark in remarks:
        typer.echo(f"note: {remark}", err=True)
    usable = table.num_rows - len(unreachable)
    lacking = {field: _without(table, field) for field in _CONSEQUENCES}
    if as_json:
        typer.echo(json.dumps({"usable": usable, "unusable": faults, "not_read": remarks, "without": lacking}))
    else:
        typer.echo("1 candidate can be used" if usable == 1 else f"{usable} candidates can be used")
    for field, names in lacking.items():
        if names and not as_json:
            shown = ", ".join([*names[:5], *([f"{len(names) - 5} more"] if len(names) > 5 else [])])
            typer.echo(f"without {field}, {_CONSEQUENCES[field]}: {shown}")
    if faults:
        told = "1 row or file" if len(faults) == 1 else f"{len(faults)} rows or files"
        raise InputError(f"{told} of catalogue {uri!r} cannot be used; correct what is named above")


def _without(table: "pa.Table", field: str) -> list[str]:
    rows = zip(table["candidate"].to_pylist(), table[field].to_pylist(), strict=True)
    return [name for name, value in rows if value is None]


def show_catalogue(uri: CatalogueUri, as_json: AsJson = False) -> None:
    """Show the candidates of a catalogue, and name the rows that cannot be used.

    Example: modelsat catalogue show s3://bucket/catalogue
    """
    from modelsat.data import catalogue

    table, faults = catalogue.usable(uri)
    for fault in faults:
        typer.echo(fault, err=True)
    rows = table.to_pylist()
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    heads = ("candidate", "revision", "released_at", "price_in", "price_out", "context_length", "endpoint")
    cells = [heads, *(tuple("" if row[head] is None else str(row[head]) for head in heads) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
