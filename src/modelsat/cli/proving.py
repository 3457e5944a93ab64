"""The verb that judges routers on a team's own requests."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelsat.cli.machine import AsJson

if TYPE_CHECKING:
    import numpy as np

    from modelsat.offpolicy.readers import Gathered

_SHOWN = 5


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(prove)


def prove(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Logs of answered requests: a gateway's --feedback-log, OTLP JSON lines, CSV, JSON Lines or Parquet "
            "(file, folder, s3://), or mlflow:http://host:5000#experiment."
        ),
    ],
    catalogue: Annotated[str, typer.Option(help="Catalogue of the models: aliases, prices, endpoints.")] = "",
    into: Annotated[Path, typer.Option(help="Folder to write: page, JSON, and the router where one pays.")] = Path(
        "proved"
    ),
    assessment: Annotated[str, typer.Option(help="Which assessment of the traces is the outcome, if several.")] = "",
    ratings: Annotated[str, typer.Option(help="Worst and best rating, such as 1:5; default: detected.")] = "",
    randomised: Annotated[
        bool,
        typer.Option("--randomised", help="Models were drawn at random, whatever the prompt (an A/B test)."),
    ] = False,
    learn: Annotated[
        float, typer.Option(min=0.1, max=0.9, help="Share of the requests, the earlier ones, to learn from.")
    ] = 0.5,
    margin: Annotated[
        float, typer.Option(min=0, max=100, help="Points of value that may be lost for lower cost.")
    ] = 0.3,
    most: Annotated[int, typer.Option(min=200, help="Most requests to read; the latest are taken.")] = 20_000,
    cache: Annotated[Path, typer.Option(help="Folder that keeps prompt vectors.")] = Path(".bench/vectors"),
    as_json: AsJson = False,
) -> None:
    """Show from your own log what routing would have saved, or that the log cannot tell.

    Learns from the earlier requests and judges on the later ones: what was, the best single model, a kNN router with a
    price rule, and ours. Only random choices, and prompts that several models answered, count as evidence.

    Example: modelsat prove requests.csv --catalogue catalogue.yaml

    Example: modelsat prove mlflow:http://127.0.0.1:5000#support --assessment correct
    """
    from modelsat.data import catalogue as catalogues
    from modelsat.errors import InputError
    from modelsat.io import atomic
    from modelsat.io.progress import TerminalProgress
    from modelsat.offpolicy import deployed, printed, proof, readers, requests
    from modelsat.offpolicy.proof import ProofSettings
    from modelsat.reports import proved
    from modelsat.text import embeddings

    scale = _scale(ratings)
    page, facts, bundle = into / "prove.html", into / "prove.json", into / "bundle"
    for file in (page, facts, cache / "vectors"):
        atomic.require_writable(file)
    listed = catalogues.read(catalogue) if catalogue else None
    found = readers.read(sources, assessment, scale, lambda line: typer.echo(line, err=True))
    _say_what_is_left_out(found)
    log = requests.of_rows(found.rows)
    if listed is not None:
        log = requests.with_catalogue(log, listed)
    lines: dict[str, TerminalProgress] = {}

    def progress(doing: str, done: int, in_all: int) -> None:
        lines.setdefault(doing, TerminalProgress(doing))(done, in_all)

    def encode(texts: list[str]) -> "np.ndarray":
        return embeddings.vectors(
            texts, cache, progress=lambda done, in_all: progress("encoding prompts", done, in_all)
        )

    try:
        proven = proof.prove(log, encode, ProofSettings(learn, randomised, margin / 100, most), progress)
    except InputError as error:
        raise InputError(f"{', '.join(sources)}: {error}") from None
    steps = printed.commands(proven, str(bundle), catalogue or "catalogue.yaml")
    if proven.recommended is not None:
        deployed.bundle(proven, listed).write(bundle)
    proved.write(proven, page, found, steps, sources)
    told = printed.as_json(proven) | {"commands": list(steps), "left_out": len(found.rejects)}
    atomic.write_json(facts, told)
    if as_json:
        typer.echo(json.dumps(told))
        return
    for remark in (*found.notes, *proven.remarks):
        typer.echo(f"note: {remark}", err=True)
    typer.echo(f"{printed.table(proven)}\n\n{printed.sentence(proven)}\n\nPage  {page}")
    if steps:
        typer.echo("\nTo put it to work:\n" + "\n".join(f"  {step}" for step in steps))
    else:
        typer.echo(f"\n{printed.ways_to_tell(proven)}")


def _scale(ratings: str) -> tuple[float, float] | None:
    from modelsat.errors import InputError

    if not ratings:
        return None
    low, _, high = ratings.partition(":")
    try:
        scale = float(low), float(high)
    except ValueError:
        scale = (0.0, 0.0)
    if not scale[0] < scale[1] < float("inf"):
        raise InputError(f"--ratings {ratings!r} is no scale; write the worst and the best rating, such as 1:5")
    return scale


def _say_what_is_left_out(found: "Gathered") -> None:
    for address, row, reason in found.rejects[:_SHOWN]:
        typer.echo(f"left out: {address} {f'row {row}' if isinstance(row, int) else row}: {reason}", err=True)
    if len(found.rejects) > _SHOWN:
        typer.echo(f"left out: {len(found.rejects) - _SHOWN:,} rows more; the page lists them", err=True)
