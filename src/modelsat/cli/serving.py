"""Verbs around a router: serve it, put it in front of LLMs."""

from pathlib import Path
from typing import Annotated

import typer

from modelsat.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(serve)
    app.command()(gateway)


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
    from serving.server import ServerSettings, run

    run(ServerSettings(host, port, grpc_port, threads, deadline, per_minute, clients), champions, bundle)


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
    explore: Annotated[
        float, typer.Option(min=0, max=1, help="Share of new conversations whose candidate is left to chance.")
    ] = 0.0,
    feedback_log: Annotated[
        str, typer.Option(help="Folder or s3:// prefix that keeps a row per answer and its outcomes; default: none.")
    ] = "",
    feedback_text: Annotated[
        bool, typer.Option("--feedback-text", help="Keep the prompts' text in it: only with it is learned from it.")
    ] = False,
    feedback_days: Annotated[float, typer.Option(min=0.01, help="For how many days outcomes are taken.")] = 7.0,
) -> None:
    """Serve all candidates behind one OpenAI-compatible address, where model "auto" is the router's choice.

    Example: modelsat gateway --upstreams upstreams.yaml --endpoint http://127.0.0.1:8080
    """
    from serving.gateway.app import GatewaySettings
    from serving.gateway_server import feedback, run

    settings = GatewaySettings(
        deadline_seconds=deadline,
        switch_gain=switch_gain,
        per_minute=per_minute,
        most_dearest_share=most_dearest_share,
        explore=explore,
        feedback=feedback(feedback_log, feedback_text, feedback_days),
    )
    run(host, port, upstreams, endpoint, clients, settings)
