"""Verbs around a router: serve it, ask it, put it in front of LLMs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from modelsat.cli.asked_bundle import asked_bundle
from modelsat.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(route)
    app.command()(serve)
    app.command()(gateway)


def route(
    prompt: Annotated[str, typer.Argument(help="What the user asks.")],
    bundle: Annotated[
        str, typer.Option(help="Folder, s3:// URI or models:/name@alias; default: the champion here.")
    ] = "",
    folder: Annotated[Path, typer.Option(help="Folder of `modelsat run`.", envvar="MODELSAT_FOLDER")] = Path(".run"),
    candidates: Annotated[list[str] | None, typer.Option("--candidate", help="Only these; repeat the option.")] = None,
    cost_weight: Annotated[
        float, typer.Option(help="Probability given up for the dearest candidate's cost, in [0, 1].")
    ] = 0.0,
    top: Annotated[int, typer.Option(min=1, help="How many candidates to show.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which candidate a prompt goes to and why; no tokens are spent.

    Example: modelsat route "Prove that sqrt(2) is irrational"
    """
    import time

    from modelsat import preferences, routing

    wanted = preferences.read({"candidates": candidates, "cost_weight": cost_weight})
    with asked_bundle(bundle, folder) as router:
        began = time.perf_counter()
        ranking = routing.route(router, [prompt], wanted)
    elapsed = 1000 * (time.perf_counter() - began)
    rows = [row for row in routing.rows(ranking) if row["success_probability"] is not None]
    if as_json:
        typer.echo(
            json.dumps({"model": ranking.model[0], "router_version": router.digest[:12], "candidates": rows[:top]})
        )
        return
    typer.echo(f"router {router.digest[:12]} · cost weight {cost_weight:.2f} · {elapsed:.0f} ms\n")
    width = max(len(str(row["candidate"])) for row in rows[:top])
    typer.echo(f"  {'model':<{width}}  success  USD/1,000 prompts")
    for row in rows[:top]:
        mark = "›" if row["candidate"] == ranking.model[0] else " "
        cost = "–" if row["expected_cost_usd"] is None else f"{1000 * row['expected_cost_usd']:.3f}"
        typer.echo(f"{mark} {row['candidate']:<{width}}  {row['success_probability']:>7.3f}  {cost:>17}")
    typer.echo(f"\n{routing.reason(rows, wanted)}")


def serve(
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8080,
    champions: Annotated[str | None, typer.Option(help="Folder or s3:// prefix of champion records to follow.")] = None,
    bundle: Annotated[
        str | None, typer.Option(help="Folder, s3:// URI or models:/name@alias to serve for good.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Processor threads of the router.")] = 1,
    grpc_port: Annotated[int, typer.Option(help="Port of gRPC; 0 serves none.")] = 0,
    clients: Annotated[Path | None, typer.Option(help="File of SHA-256 digests of the tokens that are let in.")] = None,
    deadline: Annotated[
        float, typer.Option(min=0.01, help="Seconds within which a prompt is answered or refused.")
    ] = 1.0,
    per_minute: Annotated[float, typer.Option(min=0, help="Requests of one client a minute; 0: no limit.")] = 0.0,
) -> None:
    """Serve routing decisions over KServe's protocols v1 and v2.

    Example: modelsat serve --bundle models:/modelsat-router@champion
    """
    if (champions is None) == (bundle is None):
        raise InputError("name either --champions to follow the champion or --bundle to serve one router")
    from serving.server import Settings, run

    run(Settings(host, port, grpc_port, threads, deadline, per_minute, clients), champions, bundle)


def gateway(
    upstreams: Annotated[Path, typer.Option(help="YAML file: where each candidate is called.")],
    endpoint: Annotated[
        str, typer.Option(help="Address of the endpoint of `modelsat serve`.")
    ] = "http://127.0.0.1:8080",
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8000,
    clients: Annotated[Path | None, typer.Option(help="File of SHA-256 digests of the tokens that are let in.")] = None,
    deadline: Annotated[float, typer.Option(min=0.01, help="Seconds that the endpoint may take to decide.")] = 1.0,
    switch_gain: Annotated[
        float,
        typer.Option(min=0, max=1, help="How much better another candidate has to be to take over a conversation."),
    ] = 0.05,
    per_minute: Annotated[float, typer.Option(min=0, help="Requests of one client a minute; 0: no limit.")] = 0.0,
    most_dearest_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the dearest candidate from which on a client is kept from it."),
    ] = 1.0,
) -> None:
    """Serve all candidates behind one OpenAI-compatible address, where model "auto" is the router's choice.

    Example: modelsat gateway --upstreams upstreams.yaml --endpoint http://127.0.0.1:8080
    """
    from serving.gateway_server import Settings, run

    settings = Settings(
        deadline_seconds=deadline,
        switch_gain=switch_gain,
        per_minute=per_minute,
        most_dearest_share=most_dearest_share,
    )
    run(host, port, upstreams, endpoint, clients, settings)
