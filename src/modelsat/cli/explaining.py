"""The verb `explain`: why a prompt goes to the model it goes to."""

import json
from pathlib import Path
from typing import Annotated

import typer

from modelsat.cli.asked_bundle import asked_bundle
from modelsat.cli.machine import AsJson, RunFolder


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(explain)


def explain(
    prompt: Annotated[str, typer.Argument(help="The user's prompt.")],
    bundle: Annotated[
        str, typer.Option(help="Router: folder, s3:// URI or models:/name@alias; default: the local champion.")
    ] = "",
    folder: RunFolder = Path(".run"),
    candidates: Annotated[
        list[str] | None, typer.Option("--candidate", help="Restrict routing to this candidate; repeatable.")
    ] = None,
    questions: Annotated[int, typer.Option(min=1, help="Number of aptitude questions to show.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Explain why a prompt goes to the model it goes to.

    Shows what each part of the router says of the two best candidates, and how they answered the aptitude questions
    most similar to the prompt, weighted as the router weighs them, and says if these contradict the choice.

    Example: modelsat explain "Prove that sqrt(2) is irrational"
    """
    from modelsat.bundle import explanation, ranking
    from modelsat.policy.preferences import Preferences

    with asked_bundle(bundle, folder) as router:
        ranked = ranking.route(router, [prompt], Preferences(tuple(candidates) if candidates else None))
        rows = ranking.rows(ranked)
        explained = explanation.explain(router, prompt, rows, questions, float(ranked.foreign[0]))
    if as_json:
        typer.echo(json.dumps({"model": rows[0]["candidate"], "router_version": router.digest[:12]} | explained))
        return
    typer.echo(ranking.reason(rows, ranked.preferences))
    for line in explanation.lines(explained):
        typer.echo(line)
