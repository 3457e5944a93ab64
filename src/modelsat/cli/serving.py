"""Verbs around a router: serve it, put it in front of LLMs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from modelsat.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(serve)
    app.command()(gateway)


def serve(
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    champions: Annotated[
        str | None, typer.Option(help="Follow the champion: folder or s3:// prefix of champion records.")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option(help="Serve this router only: folder, s3:// URI or models:/name@alias.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads of the router.")] = 1,
    grpc_port: Annotated[int, typer.Option(help="gRPC port; 0 disables gRPC.")] = 0,
    clients: Annotated[Path | None, typer.Option(help="File with SHA-256 digests of accepted client tokens.")] = None,
    deadline: Annotated[
        float, typer.Option(min=0.01, help="Deadline for a decision, in seconds; later ones are refused.")
    ] = 1.0,
    per_minute: Annotated[
        float, typer.Option(min=0, help="Maximum requests per client and minute; 0 sets no limit.")
    ] = 0.0,
    proxies: Annotated[
        str,
        typer.Option(envvar="MODELSAT_PROXIES", help="Addresses and networks of proxies whose X-Forwarded-For counts."),
    ] = "",
) -> None:
    """Serve routing decisions over KServe's protocols v1 and v2.

    Example: modelsat serve --bundle models:/modelsat-router@champion
    """
    if (champions is None) == (bundle is None):
        raise InputError("give either --champions to follow the champion or --bundle to serve one router")
    from serving import proxies as networks
    from serving.server import ServerSettings, run

    trusted = networks.read(proxies)
    run(ServerSettings(host, port, grpc_port, threads, deadline, per_minute, clients, trusted), champions, bundle)


def gateway(
    upstreams: Annotated[Path, typer.Option(help="YAML file that maps each candidate to its API, or a catalogue.")],
    endpoint: Annotated[
        str, typer.Option(help="Address of the routing endpoint (`modelsat serve`).")
    ] = "http://127.0.0.1:8080",
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    clients: Annotated[Path | None, typer.Option(help="File with SHA-256 digests of accepted client tokens.")] = None,
    deadline: Annotated[float, typer.Option(min=0.01, help="Deadline for the endpoint's decision, in seconds.")] = 1.0,
    switch_gain: Annotated[
        float,
        typer.Option(min=0, max=1, help="Gain in success probability needed to switch models within a conversation."),
    ] = 0.05,
    per_minute: Annotated[
        float, typer.Option(min=0, help="Maximum requests per client and minute; 0 sets no limit.")
    ] = 0.0,
    max_premium_share: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Cap per client: above this share of its recent requests the most expensive model is withheld.",
        ),
    ] = 1.0,
    explore: Annotated[
        float, typer.Option(min=0, max=1, help="Share of new conversations routed at random, to learn from.")
    ] = 0.0,
    feedback_log: Annotated[
        str, typer.Option(help="Folder or s3:// prefix for a log of answers and their outcomes; default: no log.")
    ] = "",
    feedback_text: Annotated[
        bool, typer.Option("--feedback-text", help="Also store prompt text; required for learning from feedback.")
    ] = False,
    feedback_days: Annotated[
        float, typer.Option(min=0.01, help="Days for which outcomes of an answer are accepted.")
    ] = 7.0,
    sessions: Annotated[
        str,
        typer.Option(
            envvar="MODELSAT_SESSIONS",
            help="redis:// address that gateways share conversations in; default: each alone.",
        ),
    ] = "",
    conversation_ids: Annotated[
        str,
        typer.Option(
            envvar="MODELSAT_CONVERSATION_IDS",
            help="Headers and body.FIELDS that name a conversation, with commas; default: those of known clients.",
        ),
    ] = "",
    trace: Annotated[
        bool,
        typer.Option(
            "--traces", envvar="MODELSAT_TRACES", help="Send OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT."
        ),
    ] = False,
    trace_text: Annotated[bool, typer.Option("--trace-text", help="Also put prompt text into spans.")] = False,
    proxies: Annotated[
        str,
        typer.Option(envvar="MODELSAT_PROXIES", help="Addresses and networks of proxies whose X-Forwarded-For counts."),
    ] = "",
    harness: Annotated[
        Path | None,
        typer.Option(help="YAML file with further words of agents' harnesses, which are not routed on."),
    ] = None,
    picture_seconds: Annotated[
        float,
        typer.Option(min=0, max=30, help="Wait at most this long for the text in a request's pictures; 0: never read."),
    ] = 1.0,
    most_dearest_share: Annotated[
        float | None, typer.Option(min=0, max=1, hidden=True, help="Old name of --max-premium-share.")
    ] = None,
) -> None:
    """Serve all candidates behind one OpenAI-compatible address.

    Model "auto" is the router's choice.

    Example: modelsat gateway --upstreams upstreams.yaml --port 8000
    """
    from modelsat.text import harness_shapes
    from serving import proxies as networks
    from serving.gateway import conversation_ids as ids
    from serving.gateway.gateway_settings import GatewaySettings
    from serving.gateway_server import feedback, run, traces

    settings = GatewaySettings(
        proxies=networks.read(proxies),
        deadline_seconds=deadline,
        switch_gain=switch_gain,
        per_minute=per_minute,
        max_premium_share=max_premium_share if most_dearest_share is None else most_dearest_share,
        explore=explore,
        picture_seconds=picture_seconds,
        shapes=harness_shapes.KNOWN if harness is None else harness_shapes.read(harness),
        feedback=feedback(feedback_log, feedback_text, feedback_days),
        traces=traces(trace, trace_text),
        sessions=sessions,
        conversation_ids=ids.read(conversation_ids),
    )
    run(host, port, upstreams, in_namespace(endpoint), clients, settings)


def in_namespace(endpoint: str) -> str:
    """Return an address with this pod's namespace in the place of `{namespace}`."""
    if "{namespace}" not in endpoint:
        return endpoint
    namespace = os.environ.get("MODELSAT_NAMESPACE", "")
    if not namespace:
        raise InputError(f"--endpoint {endpoint!r} names {{namespace}}; set MODELSAT_NAMESPACE to it")
    return endpoint.replace("{namespace}", namespace)
