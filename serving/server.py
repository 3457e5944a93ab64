"""The endpoint: KServe's model server with one router, bound to one address, following a champion or a fixed bundle.

Run it with `modelsat serve --champions FOLDER` or `modelsat serve --bundle URI`. It is not ready before it can answer.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kserve import ModelServer
from kserve import logging as kserve_logging

from modelsat.errors import InputError
from modelsat.io.addresses import is_loopback
from serving import grpc_endpoint, heap, tokens
from serving.champion_watch import ChampionWatch, load
from serving.limits import RequestLimits
from serving.micro_batches import DEADLINE_SECONDS
from serving.predictor import Predictor
from serving.proxies import Network
from serving.rest_endpoint import MODEL_NAME, Rest, StrictPlane
from serving.telemetry import EndpointTelemetry

MOST_BYTES, MOST_IN_FLIGHT, MOST_BYTES_IN_FLIGHT = 4 * 2**20, 512, 64 * 2**20
PRIMITIVES = 64
"""Compiled shapes that oneDNN keeps; with fewer it compiles more often, which takes about a millisecond each time."""
logger = logging.getLogger("modelsat.serving")


@dataclass(frozen=True)
class ServerSettings:
    """How the endpoint serves.

    Attributes:
        host: Address to bind, such as 127.0.0.1.
        port: TCP port of REST.
        grpc_port: TCP port of gRPC; 0 serves none.
        threads: Processor threads of the router; one is best where other processes share the cores.
        deadline_seconds: Within which a single prompt is answered or refused, above 0.
        per_minute: Requests that one client may send; 0 sets no limit.
        clients: File of SHA-256 digests of the tokens that are let in, beside those in the environment.
        proxies: Whose `X-Forwarded-For` says where a request comes from.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int = 0
    threads: int = 1
    deadline_seconds: float = DEADLINE_SECONDS
    per_minute: float = 0.0
    clients: Path | None = None
    proxies: tuple[Network, ...] = ()


def run(settings: ServerSettings, champions: str | None, bundle: str | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: How to serve.
        champions: Folder or `s3://` prefix of champion records to follow; None serves `bundle`.
        bundle: Folder, `s3://` URI or `models:/name@alias` to serve for good.

    Raises:
        InputError: A port is taken, the clients' file is unusable, or the bundle cannot be used.
    """
    # uvicorn stops in order and then raises the signal again; unhandled, an orderly end would look like a crash.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    known = tokens.known(os.environ.get(tokens.ENDPOINT, ""), settings.clients)
    for port in filter(None, (settings.port, settings.grpc_port)):
        _require_free(settings.host, port)
    # oneDNN reads this once, before the first layer runs. By default it keeps 1,024 compiled shapes of batches
    # (hundreds of megabytes), most of which are never used again.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))
    heap.bound()
    # Torch reads this when it is imported, with the first router that needs it; a router on words does not.
    os.environ["OMP_NUM_THREADS"] = str(settings.threads)
    _quiet_logs()
    if not known and not is_loopback(settings.host):
        logger.warning("everybody who reaches %s may ask; set %s, or name --clients", settings.host, tokens.ENDPOINT)
    predictor = Predictor(MODEL_NAME, EndpointTelemetry(), settings.deadline_seconds)
    if bundle is not None:
        load(predictor, bundle)
    elif champions is not None:
        ChampionWatch(predictor, champions).start()
    heap.keep_trimmed()
    asyncio.run(_serve(settings, predictor, known))


async def _serve(settings: ServerSettings, predictor: Predictor, known: frozenset[str]) -> None:
    server = ModelServer(http_port=settings.port, enable_grpc=False, enable_latency_logging=False)
    server.register_model(predictor)
    plane = StrictPlane(model_registry=server.registered_models)
    limits = RequestLimits(
        MOST_BYTES,
        MOST_IN_FLIGHT,
        MOST_BYTES_IN_FLIGHT,
        per_minute=settings.per_minute,
        proxies=settings.proxies,
    )
    count = predictor.telemetry.refused
    async with contextlib.AsyncExitStack() as stack:
        if settings.grpc_port:
            gate = grpc_endpoint.Gate(limits, known, count)
            beside = grpc_endpoint.make(_address(settings), plane, limits, gate)
            await beside.start()
            stack.push_async_callback(beside.stop, 5)
        await Rest(settings.host, settings.port, plane, server.model_repository_extension, limits, known, count).start()


def _address(settings: ServerSettings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.grpc_port}"


def _require_free(host: str, port: int) -> None:
    """Say that a port is taken before minutes go into loading a router."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"port {port} of {host!r} cannot be bound ({error.strerror}); choose another with --port"
            ) from error


def _quiet_logs() -> Any:
    kserve_logging.configure_logging()
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    logging.getLogger("kserve.trace").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
