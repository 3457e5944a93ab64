"""The endpoint over REST: KServe's server behind a door, without the routes that let a stranger switch it off."""

import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from kserve.errors import InvalidInput
from kserve.model_server import FASTAPI_APP_IMPORT_STRING, app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.rest.server import RESTServer

from serving import error_objects
from serving.answers import version
from serving.door import Door
from serving.limits import RequestLimits
from serving.refusal import Refused

logger = logging.getLogger("modelsat.serving")

MODEL_NAME = "router"
# Anyone who reaches the port could unload the router for good through these routes of KServe.
_CLOSED = "/v2/repository"
_BINARY_LENGTH = "inference-header-content-length"


class StrictPlane(DataPlane):  # type: ignore[misc]
    """KServe's data plane: ready only with something to answer with, and strict about what it reads."""

    async def ready(self) -> bool:
        """Say whether the router can answer."""
        return bool(await self.model_registry.is_model_ready(MODEL_NAME))

    async def get_model(self, name: str) -> Any:
        """Return the model; KServe would call one that waits for its first bundle ready.

        Raises:
            ModelNotFound: There is no such model.
        """
        return self.get_model_from_registry(name)

    def metadata(self) -> dict[str, Any]:
        """Describe the server, which has none of KServe's extensions that change it."""
        return super().metadata() | {"extensions": ["binary_tensor_data"]}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Describe the model: its tensors and the version that serves."""
        told = await super().model_metadata(model_name)
        bundle = self.get_model_from_registry(model_name).bundle
        versions = [] if bundle is None else [version(bundle)]
        return {**told, "platform": "modelsat", "versions": versions}

    def decode_inference_request(self, body: Any, headers: dict[str, Any], model_name: str) -> Any:
        """Read a v2 request; what does not say that it is JSON is taken for binary.

        Raises:
            InvalidInput: It is neither.
        """
        if isinstance(body, bytes) and _BINARY_LENGTH not in headers:
            raise InvalidInput(
                "the request does not say that it is JSON; send it with 'content-type: application/json'"
            )
        return super().decode_inference_request(body, headers, model_name)

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
            # Not `from error`: its text may quote the prompt.
            raise InvalidInput(fault) from None


class Rest(RESTServer):  # type: ignore[misc]
    """KServe's REST server on one address.

    Args:
        host: Address to bind.
        port: TCP port.
        plane: With the router.
        repository: KServe's, which no route reaches.
        limits: Of the process.
        clients: SHA-256 of the tokens that are let in; empty lets everybody in.
        on_refused: Called with the reason of each refusal.
    """

    def __init__(
        self,
        host: str,
        port: int,
        plane: StrictPlane,
        repository: Any,
        limits: RequestLimits,
        clients: frozenset[str],
        on_refused: Callable[[str], None],
    ) -> None:
        super().__init__(FASTAPI_APP_IMPORT_STRING, plane, repository, port)
        self.config.host = host
        self.config.server_header = False
        self._door = {"limits": limits, "clients": clients, "on_refused": on_refused, "logger": logger}

    def create_application(self) -> None:
        """Put our routes before KServe's, so that they win however FastAPI keeps them, and the door before all."""
        application: FastAPI = app
        application.add_api_route(f"{_CLOSED}/{{rest:path}}", _closed, methods=["GET", "POST"], include_in_schema=False)
        application.add_api_route("/v2/models/{model_name}", self._metadata, methods=["GET"])
        super().create_application()
        error_objects.add_to(application)
        application.add_middleware(Door, is_open=_is_open, answer=error_objects.answer, **self._door)  # type: ignore[arg-type]

    async def _metadata(self, model_name: str) -> JSONResponse:
        """Answer the v2 metadata, and beside it what a client wants to know of this router before it asks."""
        told = await self.dataplane.model_metadata(model_name)
        bundle = self.dataplane.get_model_from_registry(model_name).bundle
        if bundle is None:
            return JSONResponse(told)
        parameters = {
            "router_version": version(bundle),
            "best_single": bundle.pool.best_single,
            "candidates": list(bundle.names),
        }
        return JSONResponse(told | {"parameters": parameters})


def _is_open(method: str, path: str) -> bool:
    """Say whether a request is a probe: of liveness, of readiness, or for the metrics."""
    probe = path in ("/", "/metrics", "/v2/health/live", "/v2/health/ready") or path.endswith("/ready")
    return method in ("GET", "HEAD") and (probe or path == f"/v1/models/{MODEL_NAME}")


async def _closed(rest: str) -> JSONResponse:  # noqa: ARG001
    return error_objects.answer(Refused(404, "this endpoint has no model repository; promote a champion instead"))
