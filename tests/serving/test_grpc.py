"""The endpoint over gRPC: the answers of REST, one sentence per fault, nothing that switches it off."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from endpoint_process import Endpoint, free_port
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from modelsat.bundle.bundle import Bundle
from serving import proxies
from serving.grpc_endpoint import Gate, _source
from serving.limits import RequestLimits
from serving.refusal import Refused

FORTY = "What is the sum of all digits of 12,345?"
TOKEN = (("authorization", "Bearer sesame"),)


@pytest.fixture(scope="module")
def served(
    start_endpoint: Callable[..., Endpoint], three: tuple[Path, Bundle]
) -> Iterator[tuple[Endpoint, GRPCInferenceServiceStub]]:
    """An endpoint that lets only `sesame` in, over both."""
    port = free_port()
    environment = {"MODELSAT_ENDPOINT_TOKENS": "sesame"}
    endpoint = start_endpoint("--bundle", str(three[0]), "--grpc-port", str(port), environment=environment)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield endpoint, GRPCInferenceServiceStub(channel)


def question(prompts: list[bytes], **parameters: Any) -> messages.ModelInferRequest:
    tensor = messages.ModelInferRequest.InferInputTensor(
        name="prompt",
        datatype="BYTES",
        shape=[len(prompts)],
        contents=messages.InferTensorContents(bytes_contents=prompts),
    )
    kinds = {bool: "bool_param", int: "int64_param", str: "string_param"}
    wrapped = {name: messages.InferParameter(**{kinds[type(value)]: value}) for name, value in parameters.items()}
    return messages.ModelInferRequest(model_name="router", id="q-1", inputs=[tensor], parameters=wrapped)


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return refused.value.code(), refused.value.details()


def test_answer_is_that_of_rest(served: tuple[Endpoint, GRPCInferenceServiceStub], three: tuple[Path, Bundle]) -> None:
    answer = served[1].ModelInfer(question([FORTY.encode()], cost_weight="0.5", top_k=2), metadata=TOKEN, timeout=30)

    outputs = {output.name: output for output in answer.outputs}
    assert answer.id == "q-1"
    assert list(outputs["model"].contents.bytes_contents) == [b"cheap"]
    assert list(outputs["candidates"].contents.bytes_contents) == [b"cheap", b"strong"]
    assert list(outputs["candidates"].shape) == [1, 2]
    assert list(outputs["success_probability"].contents.fp32_contents) == pytest.approx([0.7, 0.8])
    assert list(outputs["seen_in_training"].contents.bool_contents) == [True, True]
    assert answer.parameters["router_version"].string_param == three[1].digest[:12]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (question([b""]), "prompt 0 is empty; send the text to be routed"),
        (question([b"\xff"]), "input 'prompt' holds bytes that are not UTF-8"),
        (question([b"x"], cost_weight="2"), "cost_weight 2.0 is outside [0, 1]; 0 ignores costs"),
        (question([b"x"], cost_weight="low"), "cost_weight 'low' is not a number"),
        (question([b"x"], budget_usd="-1"), "budget_usd -1.0 is not a number from 0 on"),
        (question([b"x"], cost_wieght="0.5"), "unknown parameter 'cost_wieght'"),
        (messages.ModelInferRequest(model_name="router"), "the request needs exactly one input named 'prompt'"),
    ],
)
def test_fault_is_one_sentence(
    served: tuple[Endpoint, GRPCInferenceServiceStub], asked: messages.ModelInferRequest, sentence: str
) -> None:
    code, said = refusal(lambda: served[1].ModelInfer(asked, metadata=TOKEN, timeout=30))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert said.startswith(sentence)
    assert "Traceback" not in served[0].log


def test_unknown_model_is_not_found(served: tuple[Endpoint, GRPCInferenceServiceStub]) -> None:
    asked = messages.ModelInferRequest(model_name="gpt")

    code, _ = refusal(lambda: served[1].ModelInfer(asked, metadata=TOKEN, timeout=30))

    assert code is grpc.StatusCode.NOT_FOUND


def test_nobody_can_unload_the_router(served: tuple[Endpoint, GRPCInferenceServiceStub]) -> None:
    stub = served[1]
    unload = messages.RepositoryModelUnloadRequest(model_name="router")
    load = messages.RepositoryModelLoadRequest(model_name="router")

    for call in (
        lambda: stub.RepositoryModelUnload(unload, metadata=TOKEN, timeout=30),
        lambda: stub.RepositoryModelLoad(load, metadata=TOKEN, timeout=30),
    ):
        assert refusal(call)[0] is grpc.StatusCode.UNIMPLEMENTED
    assert stub.ModelReady(messages.ModelReadyRequest(name="router"), timeout=30).ready


def test_only_known_tokens_are_let_in_except_for_probes(served: tuple[Endpoint, GRPCInferenceServiceStub]) -> None:
    endpoint, stub = served

    for metadata in ((), (("authorization", "Bearer open"),)):
        code, _ = refusal(lambda given=metadata: stub.ModelInfer(question([b"x"]), metadata=given, timeout=30))
        assert code is grpc.StatusCode.UNAUTHENTICATED
    assert stub.ServerReady(messages.ServerReadyRequest(), timeout=30).ready
    assert endpoint.infer(["x"]).status == 401
    assert endpoint.get("/v2/health/ready").status == 200


def test_metadata_lists_tensors_and_no_closed_extension(served: tuple[Endpoint, GRPCInferenceServiceStub]) -> None:
    stub = served[1]

    model = stub.ModelMetadata(messages.ModelMetadataRequest(name="router"), metadata=TOKEN, timeout=30)
    server = stub.ServerMetadata(messages.ServerMetadataRequest(), metadata=TOKEN, timeout=30)

    assert [tensor.name for tensor in model.inputs] == ["prompt"]
    assert "model_repository_extension" not in server.extensions


def test_call_is_answered_with_its_source_known() -> None:
    sources: list[str] = []

    async def answer(_message: Any, _context: Any) -> None:
        sources.append(proxies.current.get())

    async def ask(peer: str) -> None:
        gate = Gate(RequestLimits(100, 10, 100), frozenset(), lambda _: None)
        handler = grpc.unary_unary_rpc_method_handler(answer, bytes, bytes)
        details: Any = SimpleNamespace(method="/inference.GRPCInferenceService/ModelMetadata", invocation_metadata=())

        async def find(_details: Any) -> Any:
            return handler

        guarded = await gate.intercept_service(find, details)
        await guarded.unary_unary(b"", SimpleNamespace(peer=lambda: peer))

    for peer in ("ipv4:10.0.0.7:50312", "ipv6:%5B2001:db8::7%5D:50312"):
        asyncio.run(ask(peer))

    assert sources == ["10.0.0.7", "2001:db8::/64"]


def test_client_beyond_its_pace_is_refused_whatever_connection_it_uses() -> None:
    counted: list[str] = []
    gate = Gate(RequestLimits(100, 10, 100, per_minute=6), frozenset(), counted.append)
    call = SimpleNamespace(invocation_metadata=())

    gate._let_in(call, _source("ipv4:10.0.0.1:5001"))
    gate._let_in(call, _source("ipv4:10.0.0.2:5001"))
    with pytest.raises(Refused, match="more than 6 requests a minute; try again in 10 s"):
        gate._let_in(call, _source("ipv4:10.0.0.1:5002"))

    assert counted == ["pace"]
