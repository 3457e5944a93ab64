"""The endpoint over REST: KServe's server behind a door, without the routes that let a stranger switch it off."""

import logging
import math
from collections.abc import Callable
from typing import Any

import orjson
from cloudevents.sdk.converters.util import has_binary_headers
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from kserve import InferResponse
from kserve.errors import InvalidInput, ModelNotReady
from kserve.model import InferenceVerb
from kserve.model_server import FASTAPI_APP_IMPORT_STRING, app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.rest.server import RESTServer

from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from serving import bounded_json, connections, error_objects, off_loop, tensors
from serving.answers import version
from serving.connections import ConnectionLimits
from serving.door import Door
from serving.limits import RequestLimits
from serving.off_loop import LONG_ANSWER, LONG_BODY
from serving.refusal import Refused
from serving.tensors import json_of

logger = logging.getLogger("modelsat.serving")

MODEL_NAME = "router"
# Anyone who reaches the port could unload the router for good through these routes of KServe.
_CLOSED = "/v2/repository"
_CLOUD_EVENT = "application/cloudevents+json"
# Of each candidate; null where the catalogue does not say.
_FACTS = (
    "candidate", "context_length", "modalities", "tools", "regions", "price_in", "price_out", "price_cached_in",
)  # fmt: skip


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

    def require_version(self, model_name: str, asked: str) -> None:
        """Refuse a version of the router other than the one that serves; "" asks for any.

        Raises:
            NotImplementedError: There is no such version, as KServe says it.
        """
        bundle = self.get_model_from_registry(model_name).bundle
        if asked and (bundle is None or asked != version(bundle)):
            raise NotImplementedError

    async def explain(
        self, model_name: str, request: Any, headers: dict[str, str] | None = None
    ) -> tuple[Any, dict[str, str]]:
        """Answer the verb `explain`; KServe would send the request's headers back, its authorization included."""
        model = await self.get_model(model_name)
        response, answered = await model(request, verb=InferenceVerb.EXPLAIN, headers=headers)
        # By these alone `encode` sees that a CloudEvent was sent and that one has to be answered.
        kept = {
            name: value
            for name, value in (headers or {}).items()
            if name.startswith("ce-") or (name == "content-type" and value == _CLOUD_EVENT)
        }
        return response, kept | answered

    def decode(self, body: Any, headers: Any, *args: Any, **kwargs: Any) -> Any:
        """Read a v1 body: KServe decodes JSON only under the exact content type.

        Raises:
            InvalidInput: It cannot be read, which is the sender's fault.
            Refused: It holds too many values (413), or nests too deeply (400).
        """
        try:
            if isinstance(body, bytes) and not has_binary_headers(headers or {}):
                body = json_of(body, (headers or {}).get("content-type", ""))
                return self.decode_cloudevent(body)
            if isinstance(body, bytes):
                bounded_json.require_bounded(body, tensors.LIMITS)
            return super().decode(body, headers, *args, **kwargs)
        except (InvalidInput, InputError, Refused):
            raise
        except Exception as error:
            fault = f"the request cannot be decoded ({type(error).__name__}); check that it is JSON"
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
        self.config.proxy_headers = False
        self.config.ws = "none"
        self.config.http = connections.bounded(ConnectionLimits(proxies=limits.proxies))
        self._door = {"limits": limits, "clients": clients, "on_refused": on_refused, "logger": logger}

    def create_application(self) -> None:
        """Put our routes before KServe's, so that they win however FastAPI keeps them, and the door before all."""
        application: FastAPI = app
        # A redirect would lead to the host that the request names.
        application.router.redirect_slashes = False
        application.add_api_route(f"{_CLOSED}/{{rest:path}}", _closed, methods=["GET", "POST"], include_in_schema=False)
        application.add_api_route("/v2/models/{model_name}", self._metadata, methods=["GET"])
        for of_version in ("", "/versions/{model_version}"):
            path = f"/v2/models/{{model_name}}{of_version}/infer"
            application.add_api_route(path, self._infer, methods=["POST"], response_model=None)
        super().create_application()
        error_objects.add_to(application)
        application.add_middleware(Door, is_open=_is_open, answer=error_objects.answer, **self._door)  # type: ignore[arg-type]

    async def _infer(self, model_name: str, request: Request, model_version: str = "") -> Response:
        """Answer v2 infer; KServe's own route reads a body only under the right content type."""
        if not await self.dataplane.model_ready(model_name):
            raise ModelNotReady(model_name)
        self.dataplane.require_version(model_name, model_version)
        headers = dict(request.headers)
        body = await request.body()
        asked = await off_loop.called(len(body) > LONG_BODY, tensors.from_rest, body, headers, model_name)
        response, _ = await self.dataplane.infer(model_name=model_name, request=asked, headers=headers)
        values = sum(math.prod(output.shape) for output in response.outputs)
        return await off_loop.called(values > LONG_ANSWER, _sent, response)

    async def _metadata(self, model_name: str) -> JSONResponse:
        """Answer the v2 metadata, and beside it what a client wants to know of this router before it asks."""
        told = await self.dataplane.model_metadata(model_name)
        model = self.dataplane.get_model_from_registry(model_name)
        known = {} if model.bundle is None else described(model.bundle) | {"serving": model.standing()}
        return JSONResponse(told | known)


def described(bundle: Bundle) -> dict[str, Any]:
    """Return what the metadata tell of a router beside its tensors: version, default, candidates."""
    parameters = {
        "router_version": version(bundle),
        "best_single": bundle.best_single,
        "candidates": list(bundle.names),
        "tells_foreign": bundle.router.tells_foreign,
        **({"promise": bundle.promise.as_json()} if bundle.promise else {}),
        **({"picture_promise": bundle.defaults.pictures.as_json()} if bundle.defaults.pictures else {}),
    }
    facts = bundle.candidates.select(_FACTS).to_pylist()
    scores = bundle.pool.mean_score.tolist()
    candidates = [{**row, "mean_score": score} for row, score in zip(facts, scores, strict=True)]
    return {"parameters": parameters, "candidates": candidates}


def _sent(answer: InferResponse) -> Response:
    content, length = answer.to_rest()
    if length is None:
        return Response(orjson.dumps(content), media_type="application/json")
    said = {tensors.HEADER_LENGTH: str(length)}
    return Response(content, headers=said, media_type="application/octet-stream")


def _is_open(method: str, path: str) -> bool:
    """Say whether a request is a probe: of liveness, of readiness, or for the metrics."""
    probe = path in ("/", "/metrics", "/v2/health/live", "/v2/health/ready") or path.endswith("/ready")
    return method in ("GET", "HEAD") and (probe or path == f"/v1/models/{MODEL_NAME}")


async def _closed(rest: str) -> JSONResponse:  # noqa: ARG001
    return error_objects.answer(Refused(404, "this endpoint has no model repository; promote a champion instead"))
