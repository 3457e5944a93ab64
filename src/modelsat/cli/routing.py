"""The verb `route`: where a prompt goes and why, and where each prompt of a batch goes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelsat.cli import request_options
from modelsat.cli.asked_bundle import asked_bundle
from modelsat.cli.machine import RunFolder
from modelsat.io.atomic import write_json
from modelsat.io.progress import StepProgress

if TYPE_CHECKING:
    from modelsat.bundle.ranking import Ranking
    from modelsat.policy.preferences import Preferences


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(route)


def route(
    prompt: Annotated[str | None, typer.Argument(help="The user's prompt.")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Route a file instead: JSON Lines, each a string or an object with prompt and choices."),
    ] = None,
    router_arena: Annotated[
        Path | None,
        typer.Option(help="Route RouterArena's data set (router_data.json) instead, and write its prediction file."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="With --router-arena: the prediction file NAME.json; beside it comes NAME.config.json."),
    ] = None,
    bundle: Annotated[
        str, typer.Option(help="Router: folder, s3:// URI or models:/name@alias; default: the local champion.")
    ] = "",
    folder: RunFolder = Path(".run"),
    candidates: Annotated[
        list[str] | None, typer.Option("--candidate", help="Restrict routing to this candidate; repeatable.")
    ] = None,
    cost_weight: Annotated[
        float | None,
        typer.Option(help="Success probability traded for the most expensive candidate's cost, in [0, 1]."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(help="auto (default): what the router promises; best, cheap: the ends of the dial; cheapest."),
    ] = None,
    budget_usd: Annotated[
        float | None,
        typer.Option(
            *request_options.BUDGET, help="Budget in USD for all prompts together; maximizes successes within it."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of candidates to show.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; for a file, one line per prompt.")] = False,
) -> None:
    """Show which model a prompt goes to and why, without calling it.

    Example: modelsat route "Prove that sqrt(2) is irrational"

    Example: modelsat route --prompts prompts.jsonl --budget-usd 0.50

    Example: modelsat route --router-arena dataset/router_data_10.json --into modelsat.json
    """
    import time

    from modelsat.bundle import loaded
    from modelsat.bundle import ranking as routing
    from modelsat.bundle import router_arena as arena
    from modelsat.cli import batch_routing
    from modelsat.policy import preferences
    from modelsat.routers.router import FOREIGN

    if [prompt, prompts, router_arena].count(None) != 2:
        raise typer.BadParameter("give a prompt, a file of prompts with --prompts, or a data set with --router-arena")
    if (router_arena is None) != (into is None):
        raise typer.BadParameter("--router-arena names a data set and --into the file to write; give both or neither")
    queries = [] if router_arena is None else arena.read(router_arena)
    texts = batch_routing.prompts(prompts) if prompts is not None else [one.prompt for one in queries] or [prompt or ""]
    asked = {"candidates": candidates, "cost_weight": cost_weight, "budget_usd": budget_usd, "policy": policy}
    wanted = preferences.read(asked)
    with asked_bundle(bundle, folder) as router:
        began = time.perf_counter()
        routing.check(router, texts, wanted)
        progress = StepProgress("reading prompts", lambda line: typer.echo(line, err=True))
        ranking = routing.rank(router, texts, loaded.read_in_blocks(router, texts, progress), wanted)
    foreign = f" · foreign {ranking.foreign[0]:.2f}" if prompt is not None and ranking.foreign[0] > 0 else ""
    took = f"{1000 * (time.perf_counter() - began):.0f} ms"
    rule = _rule(wanted, ranking.preferences, router.promise is not None)
    heading = f"router {router.digest[:12]} · {rule}{foreign} · {took}\n"
    if into is not None:
        write_json(into, arena.predictions(queries, ranking.model))
        write_json(into.with_suffix(".config.json"), arena.configuration(into.stem, router.names))
    if prompt is None:
        lines = batch_routing.records(ranking) if as_json else [heading, *batch_routing.table(ranking)]
        typer.echo("\n".join(lines))
        return
    rows = [row for row in routing.rows(ranking) if row["success_probability"] is not None]
    if as_json:
        told = {"model": ranking.model[0], "router_version": router.digest[:12], "foreign": float(ranking.foreign[0])}
        if router.promise is not None:
            told["promise"] = router.promise.as_json()
        typer.echo(json.dumps(told | {"candidates": rows[:top]}))
        return
    typer.echo(heading)
    _show(ranking, rows[:top])
    typer.echo(f"\n{routing.reason(rows, ranking.preferences)}")
    if router.promise is not None and wanted.policy == "auto" and wanted.cost_weight is None and budget_usd is None:
        typer.echo(router.promise.sentence())
    if ranking.foreign[0] >= FOREIGN:
        typer.echo(routing.unfamiliar(float(ranking.foreign[0])))


def _rule(wanted: "Preferences", used: "Preferences", promises: bool) -> str:
    """Say by which rule candidates were ranked: as asked for, and what that came to."""
    if wanted.budget_usd is not None:
        return f"budget {wanted.budget_usd:g} USD"
    if wanted.policy == "cheapest" or used.policy == "best single":
        return wanted.policy if wanted.policy == "cheapest" else f"{wanted.policy}: the best single candidate"
    named = "" if wanted.cost_weight is not None or not promises else f"{wanted.policy}: "
    return f"{named}cost weight {used.cost_weight:.2f}"


def _show(ranking: "Ranking", rows: list[dict[str, Any]]) -> None:
    width = max(len(str(row["candidate"])) for row in rows)
    typer.echo(f"  {'model':<{width}}  success  USD/1,000 prompts")
    for row in rows:
        mark = "›" if row["candidate"] == ranking.model[0] else " "
        cost = "–" if row["expected_cost_usd"] is None else f"{1000 * row['expected_cost_usd']:.3f}"
        typer.echo(f"{mark} {row['candidate']:<{width}}  {row['success_probability']:>7.3f}  {cost:>17}")
