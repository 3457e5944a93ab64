"""The endpoint over gRPC: the same model behind the same limits, without the calls that would switch it off."""

import time
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.servicer import InferenceServicer

from modelsat.errors import InputError
from serving import proxies, tensors, tokens, wire_fields
from serving.error_objects import as_refusal
from serving.limits import ClientRates, RequestLimits, Slots
from serving.refusal import Refused

_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_OPEN = ("ServerLive", "ServerReady", "ModelReady")
_NO_REPOSITORY = Refused(501, "this endpoint has no model repository; promote a champion instead")


class Servicer(InferenceServicer):  # type: ignore[misc]
    """KServe's servicer, which reads requests strictly and has no repository."""

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Refuse."""
        raise _NO_REPOSITORY

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Refuse: anyone who reaches the port could unload the router for good."""
        raise _NO_REPOSITORY

    async def ModelInfer(self, request: messages.ModelInferRequest, context: Any) -> Any:  # noqa: ARG002, N802
        """Answer a v2 request; KServe takes the lengths of raw tensors on trust and stumbles over wrong ones."""
        model = self._data_plane.get_model_from_registry(request.model_name)
        self._data_plane.require_version(request.model_name, request.model_version)
        response, _ = await model(tensors.from_grpc(request), headers={})
        return response.to_grpc()

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Describe the model; KServe leaves out which versions there are."""
        described = await super().ModelMetadata(request, context)
        described.versions.extend((await self._data_plane.model_metadata(request.name))["versions"])
        return described


class Gate(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets known clients in and tells every fault as a status with one sentence.

    Args:
        limits: Of the process.
        clients: SHA-256 of the tokens that are let in; empty lets everybody in.
        on_refused: Called with the reason of each refusal.
    """

    def __init__(self, limits: RequestLimits, clients: frozenset[str], on_refused: Callable[[str], None]) -> None:
        self._limits = limits
        self._clients = clients
        self._on_refused = on_refused
        self._pace = ClientRates(limits.per_minute) if limits.per_minute else None
        self._slots = Slots(limits.most_in_flight)

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        """Wrap one call."""
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        name = details.method.rsplit("/", 1)[-1]

        async def guarded(message: bytes, context: Any) -> Any:
            source = _source(context.peer())
            proxies.current.set(source)
            try:
                if name in _OPEN:
                    return await handler.unary_unary(_parsed(message, handler.request_deserializer), context)
                self._let_in(details, source)
                try:
                    if name == "ModelInfer":
                        wire_fields.require_bounded(message)
                    return await handler.unary_unary(_parsed(message, handler.request_deserializer), context)
                finally:
                    self._slots.free(source)
            except InputError as error:
                await self._refuse(context, Refused(400, str(error)))
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await self._refuse(context, as_refusal(error))

        # Without a deserializer the handler gets bytes, which are read once the client is known.
        return grpc.unary_unary_rpc_method_handler(guarded, None, handler.response_serializer)

    def _let_in(self, details: grpc.HandlerCallDetails, source: str) -> None:
        """Take a slot for a client that may come in."""
        said = {key.lower(): value for key, value in details.invocation_metadata}
        try:
            client = tokens.client_of(str(said.get("authorization", "")), self._clients)
        except Refused:
            self._on_refused("token")
            raise
        wait = self._pace.wait(client or source, time.monotonic()) if self._pace else None
        if wait is not None:
            self._on_refused("pace")
            raise Refused(429, f"more than {self._limits.per_minute:g} requests a minute; try again in {wait} s", wait)
        try:
            self._slots.take(source)
        except Refused:
            self._on_refused("in flight")
            raise

    async def _refuse(self, context: Any, refused: Refused) -> None:
        if refused.retry_after is not None:
            context.set_trailing_metadata((("retry-after", str(refused.retry_after)),))
        await context.abort(_STATUS.get(refused.status, grpc.StatusCode.INTERNAL), str(refused))


def _source(peer: str) -> str:
    """Return where a call comes from, of an address such as `ipv4:10.0.0.7:50312` or `ipv6:[fd00::7]:50312`."""
    host = peer.partition(":")[2].rpartition(":")[0]
    return proxies.source(host.replace("%5B", "").replace("%5D", "").strip("[]"))


def _parsed(message: bytes, deserializer: Callable[[bytes], Any]) -> Any:
    try:
        return deserializer(message)
    except DecodeError:
        raise wire_fields.unreadable() from None


def make(address: str, plane: DataPlane, limits: RequestLimits, gate: Gate) -> Any:
    """Return a server that is not started yet.

    Args:
        address: Such as 127.0.0.1:8081.
        plane: KServe's data plane with the router.
        limits: Of the process.
        gate: In front of every call.
    """
    server = grpc.aio.server(
        interceptors=(gate,),
        options=[("grpc.max_receive_message_length", limits.most_bytes), ("grpc.so_reuseport", 0)],
    )
    add_GRPCInferenceServiceServicer_to_server(Servicer(plane, None), server)
    server.add_insecure_port(address)
    return server
