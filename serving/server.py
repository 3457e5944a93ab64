"""The endpoint: KServe's model server with one router, bound to one address, following a champion or a fixed bundle.

Run it with `modelsat serve --champions FOLDER` or `modelsat serve --bundle URI`. It is not ready before it can answer.
"""

import asyncio
import logging
import signal
import socket
import sys
from typing import Any

import torch
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve import ModelServer
from kserve import logging as kserve_logging
from kserve.errors import InvalidInput, ModelNotReady, ServerNotReady
from kserve.model_server import FASTAPI_APP_IMPORT_STRING, app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.rest.server import RESTServer

from modelsat.errors import InputError
from serving.champion_watch import ChampionWatch, load
from serving.predictor import Predictor

MODEL_NAME = "router"
# Anyone who reaches the port could unload the router for good through these routes of KServe.
_CLOSED = "/v2/repository"


def run(host: str, port: int, champions: str | None, bundle: str | None, threads: int = 1) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        host: Address to bind, such as 127.0.0.1.
        port: TCP port.
        champions: Folder or `s3://` prefix of champion records to follow; None serves `bundle`.
        bundle: Folder, `s3://` URI or `models:/name@alias` to serve for good.
        threads: Processor threads of the router; one is best where other processes share the cores.

    Raises:
        InputError: The port is taken, or the bundle cannot be used.
    """
    # uvicorn stops in order and then raises the signal again; unhandled, an orderly end would look like a crash.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _require_free(host, port)
    torch.set_num_threads(threads)
    _quiet_logs()
    predictor = Predictor(MODEL_NAME)
    if bundle is not None:
        load(predictor, bundle)
    elif champions is not None:
        ChampionWatch(predictor, champions).start()
    server = ModelServer(http_port=port, enable_grpc=False, enable_latency_logging=False)
    server.register_model(predictor)
    dataplane = _ReadyWithItsModel(model_registry=server.registered_models)
    rest = _Rest(FASTAPI_APP_IMPORT_STRING, dataplane, server.model_repository_extension, port)
    rest.config.host = host
    asyncio.run(rest.start())


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


class _ReadyWithItsModel(DataPlane):  # type: ignore[misc]
    """KServe's data plane, whose server readiness is true before there is anything to answer with."""

    async def ready(self) -> bool:
        """Say whether the router can answer."""
        return bool(await self.model_registry.is_model_ready(MODEL_NAME))

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        """Read a request; KServe takes the lengths and bytes of binary tensors on trust and stumbles over wrong ones.

        Raises:
            InvalidInput: It cannot be read, which is the sender's fault.
        """
        try:
            return super().decode(*args, **kwargs)
        except InvalidInput:
            raise
        except Exception as error:
            fault = f"the request cannot be decoded ({type(error).__name__}); check its binary tensors and their sizes"
            # Not `from error`: its text may quote the prompt, and KServe logs the chain.
            raise InvalidInput(fault) from None


class _Rest(RESTServer):  # type: ignore[misc]
    """KServe's REST server without the routes that let a stranger switch the router off."""

    def create_application(self) -> None:
        application: FastAPI = app
        # Registered before KServe's routes, so that it wins however FastAPI keeps them.
        application.add_api_route(f"{_CLOSED}/{{rest:path}}", _closed, methods=["GET", "POST"], include_in_schema=False)
        super().create_application()
        application.add_exception_handler(RequestValidationError, _malformed)
        for kind in (ServerNotReady, ModelNotReady):
            application.add_exception_handler(kind, _not_ready)


async def _closed(rest: str) -> JSONResponse:  # noqa: ARG001
    return JSONResponse({"error": "this endpoint has no model repository; promote a champion instead"}, status_code=404)


async def _malformed(_: Request, error: Any) -> JSONResponse:
    """Answer the protocol's error object instead of FastAPI's, which would echo the prompt."""
    where = ".".join(str(part) for part in error.errors()[0].get("loc", ()))
    what = error.errors()[0].get("msg", "malformed")
    return JSONResponse({"error": f"the request is malformed at {where!r}: {what}"}, status_code=400)


async def _not_ready(_: Request, __: Any) -> JSONResponse:
    """Answer probes without a traceback in the log: waiting for the first champion is no fault."""
    sentence = "the router has no bundle yet; promote one, or wait for it to load"
    return JSONResponse({"error": sentence}, status_code=503, headers={"retry-after": "1"})


def _quiet_logs() -> None:
    kserve_logging.configure_logging()
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    logging.getLogger("kserve.trace").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
