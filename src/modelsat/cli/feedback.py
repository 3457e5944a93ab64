"""Verb of the feedback log: what it says, and how much of that is believed."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from modelsat.cli.groups import WholeSentences
from modelsat.cli.machine import AsJson

if TYPE_CHECKING:
    from modelsat.feedback.protection import CandidateFeedback


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    verbs = typer.Typer(
        cls=WholeSentences,
        help="Inspect what clients reported about the gateway's answers.\n\n"
        "Example: modelsat feedback check .run/feedback",
        no_args_is_help=True,
    )
    verbs.command(name="check")(check_feedback)
    app.add_typer(verbs, name="feedback")


def check_feedback(
    log: Annotated[str, typer.Argument(help="Folder or s3:// prefix of `modelsat gateway --feedback-log`.")],
    as_json: AsJson = False,
) -> None:
    """Show for each candidate what was reported, what is learned from it and what is left out.

    Nothing is written. `modelsat collect` reads the same folder by the same rules. The exit code is 3 if a candidate
    is quarantined.

    Example: modelsat feedback check s3://bucket/feedback
    """
    import tempfile
    from pathlib import Path

    from modelsat.data.readers import feedback
    from modelsat.errors import ValidationFailed
    from modelsat.feedback.joining import join
    from modelsat.feedback.protection import protect
    from modelsat.io import storage

    with tempfile.TemporaryDirectory(prefix="modelsat-feedback-") as scratch:
        joined = join(storage.snapshot(log, Path(scratch)))
    judged = protect(joined.votes, accepted=joined.review.accepted_candidates)
    notes = feedback.notes(joined, judged)
    if as_json:
        rows = [asdict(one) | {"learned_mean": one.learned_mean if one.learned else None} for one in judged.standings]
        typer.echo(json.dumps({"notes": notes, "candidates": rows}))
    else:
        typer.echo(notes[0])
        heads = ("candidate", "outcomes", "clients", "mean", "learned prompts", "learned mean", "beyond expected")
        cells = [heads, *map(_cells, judged.standings)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for line in cells:
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for file, number, fault in joined.faults:
        typer.echo(f"{file.uri}{'' if number is None else f' row {number}'}: {fault}", err=True)
    if any(one.quarantined for one in judged.standings):
        raise ValidationFailed("; ".join(notes[1:]))


def _cells(one: "CandidateFeedback") -> tuple[str, ...]:
    found = one.departure
    beyond = "–" if found is None else f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    learned = f"{one.learned_mean:.3f}" if one.learned else "–"
    told = beyond + (" quarantined" if one.quarantined else "")
    return one.candidate, str(one.votes), str(one.clients), f"{one.mean:.3f}", str(one.learned), learned, told
