"""The clients that people use: NVIDIA's tritonclient and KServe's own, over REST and gRPC, in every form of a tensor.

The endpoint's router says 0.8 for `strong`, 0.7 for `cheap` and 0.3 for `weak`, whatever the prompt.
"""

import asyncio
import json
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from endpoint_process import INFER, PREDICT, Endpoint, free_port, v2_body
from hypothesis import given
from hypothesis import strategies as st
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.infer_type import RequestedOutput, serialize_byte_tensor

from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from serving import tensors
from serving.questions import from_v2

QUESTION = "What is the sum of all digits of 12,345?"
WHOLE = {
    "model": ["strong"],
    "candidates": [["strong", "cheap", "weak"]],
    "success_probability": [pytest.approx([0.8, 0.7, 0.3])],
    "seen_in_training": [[True, True, False]],
    "truncated": [False],
    "foreign": [0.0],
}
DOUBLE, UINT64 = b"\x21" + struct.pack("<d", 0.5), b"\x28\x07"
"""Triton's `double_param: 0.5` and `uint64_param: 7` on the wire: fields 4 and 5, which KServe's message has not."""


@pytest.fixture(scope="module")
def ports(start_endpoint: Callable[..., Endpoint], three: tuple[Path, Bundle]) -> tuple[int, int]:
    """Ports of an endpoint for REST and for gRPC."""
    port = free_port()
    return start_endpoint("--bundle", str(three[0]), "--grpc-port", str(port)).port, port


@pytest.fixture(scope="module")
def triton(ports: tuple[int, int]) -> dict[str, Any]:
    """What tritonclient read of all its calls."""
    script = Path(__file__).with_name("triton_asks.py")
    asked = subprocess.run(
        [sys.executable, str(script), *map(str, ports)], capture_output=True, text=True, timeout=120, check=False
    )
    assert asked.returncode == 0, asked.stderr
    return dict(json.loads(asked.stdout))


@pytest.mark.parametrize("call", ["http", "http json", "http aio", "grpc", "grpc aio"])
def test_tritonclient_reads_the_whole_answer(triton: dict[str, Any], call: str) -> None:
    assert triton[call] == WHOLE


@pytest.mark.parametrize("call", ["http", "grpc"])
@pytest.mark.parametrize("shape", [[2], [2, 1], [1, 2]])
def test_tritonclient_sends_prompts_as_a_row_or_a_column(triton: dict[str, Any], call: str, shape: list[int]) -> None:
    assert triton[f"{call} {shape}"] == {"model": ["strong", "strong"]}


def test_tritonclient_compresses_its_requests(triton: dict[str, Any]) -> None:
    assert (triton["http gzip"], triton["http deflate"]) == ({"model": ["strong"]},) * 2


@pytest.mark.parametrize("is_binary", [True, False])
def test_tritonclient_asks_for_each_output_in_its_own_form(triton: dict[str, Any], is_binary: bool) -> None:
    assert triton[f"http mixed {is_binary}"] == {name: WHOLE[name] for name in ("model", "success_probability")}


@pytest.mark.parametrize("call", ["http", "grpc"])
def test_tritonclient_sends_parameters_of_every_kind(triton: dict[str, Any], call: str) -> None:
    """At cost weight 0.5 `cheap` leads, two are shown, `weak` is not among them, and the reason is told."""
    said = triton[f"{call} parameters"]

    assert said["candidates"] == [["cheap", "strong"]]
    assert json.loads(said["explanation"][0])["reason"].startswith("cheap: 10.0 points less likely")
    assert triton[f"{call} id"] == "q"
    assert triton[f"{call} ready"] == [True, True, True]


@pytest.mark.parametrize("call", ["http", "grpc"])
def test_tritonclient_is_told_what_is_wrong(triton: dict[str, Any], call: str) -> None:
    assert triton[f"{call} text"] == "input 'prompt' has datatype 'FP32'; send BYTES"
    assert triton[f"{call} shape"] == "input 'prompt' says shape [2, 2] and holds 4 values; make them agree"
    assert triton[f"{call} other version"].startswith("this endpoint serves one version of the router")
    assert triton[f"{call} own version"] == {"model": ["strong"]}


@asynccontextmanager
async def closed_after(client: InferenceRESTClient) -> AsyncIterator[InferenceRESTClient]:
    try:
        yield client
    finally:
        await client.close()


def kserve_request(is_binary: bool, outputs: list[RequestedOutput] | None = None, **parameters: Any) -> InferRequest:
    tensor = InferInput("prompt", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([QUESTION.encode()], dtype=object), binary_data=is_binary)
    return InferRequest("router", [tensor], "q", parameters=parameters or None, request_outputs=outputs)


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("wants_binary", [True, False])
def test_kserves_rest_client_reads_the_answer(endpoint: Endpoint, is_binary: bool, wants_binary: bool) -> None:
    async def asked() -> Any:
        async with closed_after(InferenceRESTClient(RESTConfig(protocol="v2"))) as client:
            ready = [await client.is_server_live(endpoint.url), await client.is_server_ready(endpoint.url)]
            ready.append(await client.is_model_ready(endpoint.url, "router"))
            request = kserve_request(is_binary, binary_data_output=wants_binary, cost_weight=0.5)
            return ready, await client.infer(endpoint.url, request, model_name="router")

    ready, answer = asyncio.run(asked())

    assert ready == [True, True, True]
    assert answer.id == "q"
    assert answer.get_output_by_name("model").data == ["cheap"]
    assert answer.get_output_by_name("success_probability").as_numpy().tolist() == [pytest.approx([0.7, 0.8, 0.3])]


def test_kserves_rest_client_speaks_v1(endpoint: Endpoint) -> None:
    async def asked() -> Any:
        async with closed_after(InferenceRESTClient(RESTConfig(protocol="v1"))) as client:
            predicted = await client.infer(endpoint.url, {"instances": [QUESTION]}, model_name="router")
            explained = await client.explain(endpoint.url, "router", {"instances": [QUESTION]})
            return await client.is_model_ready(endpoint.url, "router"), predicted, explained

    ready, predicted, explained = asyncio.run(asked())

    assert ready
    assert predicted["predictions"][0]["model"] == "strong"
    assert "reason" in explained["predictions"][0]["explanation"]


@pytest.mark.parametrize("is_binary", [True, False])
def test_kserves_grpc_client_reads_the_answer(ports: tuple[int, int], is_binary: bool) -> None:
    async def asked() -> Any:
        async with InferenceGRPCClient(f"127.0.0.1:{ports[1]}") as client:
            ready = [await client.is_server_ready(), await client.is_model_ready("router")]
            wanted = [RequestedOutput("model"), RequestedOutput("success_probability")]
            return ready, await client.infer(kserve_request(is_binary, wanted, cost_weight="0.5", top_k=2))

    ready, answer = asyncio.run(asked())

    assert ready == [True, True]
    assert [output.name for output in answer.outputs] == ["model", "success_probability"]
    assert answer.get_output_by_name("model").as_numpy().tolist() == [b"cheap"]
    assert answer.get_output_by_name("success_probability").as_numpy().tolist() == [pytest.approx([0.7, 0.8])]


TYPES = [
    "application/json",
    "application/json; charset=utf-8",
    'Application/JSON; Charset="UTF-8"',
    "application/vnd.kserve+json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "",
]


@pytest.mark.parametrize("content_type", TYPES)
def test_json_is_read_under_any_content_type(endpoint: Endpoint, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}

    inferred = endpoint.ask("POST", INFER, json.dumps(v2_body([QUESTION])).encode(), headers)
    predicted = endpoint.ask("POST", PREDICT, json.dumps({"instances": [QUESTION]}).encode(), headers)
    explained = endpoint.ask(
        "POST", "/v1/models/router:explain", json.dumps({"instances": [QUESTION]}).encode(), headers
    )

    assert (inferred.status, inferred.output("model")) == (200, ["strong"])
    assert (predicted.status, predicted.json["predictions"][0]["model"]) == (200, "strong")
    assert explained.status == 200


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "cp1252", "utf-8-sig"])
def test_charset_of_a_body_is_honoured(charset: str) -> None:
    body = json.dumps({"instances": ["Größe?"]}, ensure_ascii=False).encode(charset)

    assert tensors.json_of(body, f"application/json; charset={charset}") == {"instances": ["Größe?"]}


def test_byte_order_mark_is_skipped() -> None:
    assert tensors.json_of(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_unknown_charset_is_refused() -> None:
    with pytest.raises(InputError, match="charset 'klingon' is unknown; send UTF-8"):
        tensors.json_of(b"{}", "application/json; charset=klingon")


@pytest.mark.parametrize("content_type", TYPES)
def test_binary_tensors_are_read_under_any_content_type(endpoint: Endpoint, content_type: str) -> None:
    raw = struct.pack("<I", len(QUESTION)) + QUESTION.encode()
    tensor = {"name": "prompt", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"inference-header-content-length": str(len(header))}

    answer = endpoint.ask(
        "POST", INFER, header + raw, headers | ({"content-type": content_type} if content_type else {})
    )

    length = int(answer.headers["inference-header-content-length"])
    outputs = json.loads(answer.body[:length])["outputs"]
    size = outputs[0]["parameters"]["binary_data_size"]
    assert answer.body[length : length + size] == struct.pack("<I", 6) + b"strong"
    assert length + sum(output["parameters"]["binary_data_size"] for output in outputs) == len(answer.body)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=8))
def test_strings_in_binary_form_are_read_as_kserve_writes_them(strings: list[bytes]) -> None:
    written = serialize_byte_tensor(np.array(strings, dtype=object)).item()

    assert tensors.strings_of(written) == strings


@given(st.binary(max_size=60))
def test_bytes_are_read_whole_or_refused(raw: bytes) -> None:
    try:
        strings = tensors.strings_of(raw)
    except InputError:
        return
    assert b"".join(struct.pack("<I", len(one)) + one for one in strings) == raw


def raw_message(*contents: bytes, **changes: Any) -> messages.ModelInferRequest:
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1]} | changes
    return messages.ModelInferRequest(model_name="router", inputs=[tensor], raw_input_contents=contents)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (raw_message(b"\x05\x00\x00\x00Say"), "the bytes of input 'prompt' end within string 0"),
        (raw_message(b"Say x"), "the bytes of input 'prompt' end within string 0"),
        (raw_message(b"\x01\x00\x00\x00x\x01"), "the bytes of input 'prompt' end within string 1"),
        (raw_message(b"", b""), "the request has 1 inputs and 2 raw_input_contents"),
        (raw_message(b"\x01\x00\x00\x00x", contents={"bytes_contents": [b"x"]}), "has contents beside raw_input"),
        (
            raw_message(parameters={"shared_memory_region": messages.InferParameter(string_param="x")}),
            "lies in shared memory",
        ),
    ],
)
def test_raw_tensor_with_a_fault_is_told_the_fault(asked: messages.ModelInferRequest, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        tensors.from_grpc(asked)


def test_empty_contents_beside_raw_ones_are_no_fault() -> None:
    asked = raw_message(b"\x01\x00\x00\x00x\x00\x00\x00\x00", contents={}, shape=[2])

    assert tensors.from_grpc(asked).inputs[0].data == [b"x", b""]


def test_parameters_that_kserves_message_does_not_know_are_read() -> None:
    wrapped = {
        "cost_weight": messages.InferParameter.FromString(DOUBLE),
        "top_k": messages.InferParameter.FromString(UINT64),
        "tools": messages.InferParameter(bool_param=True),
        "min_context_length": messages.InferParameter(int64_param=9),
        "policy": messages.InferParameter(string_param="cheapest"),
    }

    assert tensors.plain_parameters(wrapped) == {
        "cost_weight": 0.5,
        "top_k": 7,
        "tools": True,
        "min_context_length": 9,
        "policy": "cheapest",
    }


def test_grpc_answers_a_raw_request_raw_and_a_typed_one_typed(ports: tuple[int, int]) -> None:
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

    with grpc.insecure_channel(f"127.0.0.1:{ports[1]}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        raw = stub.ModelInfer(raw_message(b"\x01\x00\x00\x00x"), timeout=30)
        typed = stub.ModelInfer(raw_message(contents={"bytes_contents": [b"x"]}), timeout=30)

    assert len(raw.raw_output_contents) == len(raw.outputs)
    assert raw.raw_output_contents[0] == struct.pack("<I", 6) + b"strong"
    assert not any(output.HasField("contents") for output in raw.outputs)
    assert not typed.raw_output_contents
    assert list(typed.outputs[0].contents.bytes_contents) == [b"strong"]


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        ([{"name": "model", "parameters": {"classification": 3}}], "parameter 'classification' of output 'model'"),
        ([{"name": "model", "parameters": {"binary_data": "yes"}}], "binary_data 'yes' is neither true nor false"),
    ],
)
def test_output_in_a_form_that_does_not_exist_is_refused(endpoint: Endpoint, outputs: Any, sentence: str) -> None:
    answer = endpoint.infer([QUESTION], outputs=outputs)

    assert answer.status == 400
    assert sentence in answer.json["error"]


def test_classification_is_refused_over_grpc_too() -> None:
    wanted = {"name": "model", "parameters": {"classification": messages.InferParameter(int64_param=3)}}
    asked = raw_message(b"\x01\x00\x00\x00x")
    asked.outputs.add(**wanted)

    with pytest.raises(InputError, match="parameter 'classification' of output 'model' is unknown"):
        from_v2(tensors.from_grpc(asked))


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [(b"{}", "br", 415), (b"no gzip", "gzip", 400), (b"\x1f\x8b\x08\x00", "gzip", 400)],
)
def test_compressed_body_that_cannot_be_read_is_refused(
    endpoint: Endpoint, body: bytes, encoding: str, status: int
) -> None:
    assert endpoint.ask("POST", INFER, body, {"content-encoding": encoding}).status == status


def test_small_body_that_decompresses_beyond_the_limit_is_refused(endpoint: Endpoint) -> None:
    import gzip

    answer = endpoint.ask("POST", INFER, gzip.compress(b" " * (5 * 2**20)), {"content-encoding": "gzip"})

    assert answer.status == 413
