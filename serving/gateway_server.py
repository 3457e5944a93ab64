"""Runs the gateway on one address until it is told to stop: `modelsat gateway --upstreams FILE --endpoint URL`."""

import logging
import os
import socket
from dataclasses import replace
from pathlib import Path

import uvicorn

from modelsat.errors import InputError
from modelsat.io.addresses import is_http_address, is_loopback
from serving import connections, heap, tokens
from serving.connections import ConnectionLimits
from serving.gateway import endpoint as endpoint_calls
from serving.gateway import feedback_settings, trace_settings, upstreams
from serving.gateway.app import create_app
from serving.gateway.feedback_settings import FeedbackSettings
from serving.gateway.gateway_settings import GatewaySettings
from serving.gateway.trace_settings import TraceSettings

_LAST_STREAMS_SECONDS = 30
logger = logging.getLogger("modelsat.gateway")


def run(
    host: str, port: int, upstreams_file: Path, endpoint: str, clients_file: Path | None, settings: GatewaySettings
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        host: Address to bind.
        port: TCP port.
        upstreams_file: As `serving.gateway.upstreams` describes it.
        endpoint: Address of the KServe endpoint.
        clients_file: Digests of tokens that are let in, beside those in the environment.
        settings: How to decide; its clients are added here.

    Raises:
        InputError: A file, address or port is unusable, or strangers could spend the upstreams' keys.
    """
    heap.bound()
    known = tokens.known(os.environ.get(tokens.GATEWAY, ""), clients_file)
    if not known and not is_loopback(host):
        raise InputError(
            f"host {host!r} can be reached from outside and no client has a token; set {tokens.GATEWAY}, "
            "or name --clients"
        )
    root = endpoint_calls.root(endpoint)
    if not is_http_address(root):
        raise InputError("endpoint is no http:// or https:// address without login and query; write http://HOST:PORT")
    candidates = upstreams.read(upstreams_file)
    app = create_app(candidates, root, replace(settings, clients=known, source=upstreams_file.name))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    bound = _bound(host, port)
    config = uvicorn.Config(
        app,
        ws="none",
        http=connections.bounded(ConnectionLimits(proxies=settings.proxies)),
        proxy_headers=False,
        timeout_keep_alive=connections.KEEP_ALIVE_SECONDS,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_LAST_STREAMS_SECONDS,
    )
    heap.settle()
    heap.keep_trimmed()
    address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}/v1"
    many = f"{len(candidates)} {'candidate' if len(candidates) == 1 else 'candidates'}"
    logger.info("%s answers for %s; %s decides for auto", address, many, root)
    with bound:
        uvicorn.Server(config).run(sockets=[bound])


def feedback(place: str, keeps_text: bool, days: float) -> FeedbackSettings | None:
    """Return what is kept of answers and outcomes; arguments as of `feedback_settings.read`, the key as it is set."""
    return feedback_settings.read(place, keeps_text, days, os.environ.get(feedback_settings.KEY, ""))


def traces(is_on: bool, keeps_text: bool) -> TraceSettings | None:
    """Return what spans hold; arguments as of `trace_settings.read`, the collector as the environment names it."""
    return trace_settings.read(is_on, keeps_text)


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise InputError(f"port {port} of {host!r} cannot be bound ({error.strerror}); choose another") from error
    return bound
