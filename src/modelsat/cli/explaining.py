"""The verb `explain`: why a prompt goes where it goes."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from modelsat.cli.asked_bundle import asked_bundle
from modelsat.cli.machine import AsJson, RunFolder

_SHOWN_CHARACTERS = 100


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
    """Show the aptitude questions most similar to a prompt.

    For each it shows how the two best candidates answered it.

    Example: modelsat explain "Prove that sqrt(2) is irrational"
    """
    from modelsat.bundle import explanation, ranking
    from modelsat.policy.preferences import Preferences

    with asked_bundle(bundle, folder) as router:
        rows = ranking.rows(ranking.route(router, [prompt], Preferences(tuple(candidates) if candidates else None)))
        explained = explanation.explain(router, prompt, rows, questions)
    if as_json:
        typer.echo(json.dumps({"model": rows[0]["candidate"], "router_version": router.digest[:12]} | explained))
        return
    typer.echo(ranking.reason(rows))
    for line in _lines(explained):
        typer.echo(line)


def _lines(explained: dict[str, Any]) -> list[str]:
    from modelsat.bundle import explanation

    if not explained["questions"]:
        return ["This router does not compare prompts with aptitude questions."]
    lines = [explanation.sentence(explained)] if explanation.sentence(explained) else []
    for question in explained["questions"]:
        text = " ".join(question["text"].split())
        cut = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
        lines.append(f"\n  {question['likeness']:.2f}  {cut}")
        for name in explained["candidates"]:
            lines.append(f"        {name}: {_did(question, explained['tasks'], name)}")
    return lines


def _did(question: dict[str, Any], tasks: dict[str, Any], name: str) -> str:
    score = question["scores"][name]
    card = tasks[question["task"]].get(name, {"accuracy": None, "n": 0})
    here = "not asked" if score is None else f"scored {score:g}"
    if card["accuracy"] is None:
        return here
    return f"{here}; {100 * card['accuracy']:.0f} % of {card['n']} on {question['task']}"
