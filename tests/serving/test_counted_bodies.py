"""Values are counted on the raw body, before a parser or a model of requests spends time on each of them."""

import json
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from endpoint_process import INFER, JSON, PREDICT, READY, Answer, Endpoint, free_port, resident_bytes
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from serving import bounded_json, tensors, wire_fields
from serving.bounded_json import JsonLimits
from serving.gateway import chat_request
from serving.refusal import Refused

MANY = 300_000
PROMPT = {"name": "prompt", "shape": [1], "datatype": "BYTES", "data": ["What is 2 + 2?"]}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a,[]{}":\\\n\u00e9\u2200'), max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=40,
)


def commas_and_openings(value: Any) -> int:
    """Count by hand: each list or object opens once and has a comma between any two of its values."""
    if not isinstance(value, list | dict):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(0, len(inner) - 1) + sum(map(commas_and_openings, inner))


def depth(value: Any) -> int:
    if not isinstance(value, list | dict):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0)


@given(values, st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.booleans())
def test_limits_are_exact_whatever_strings_hold(value: Any, encoding: str, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode(encoding)
    held, nested = commas_and_openings(value), depth(value)

    assert bounded_json.loads(body, JsonLimits(held, nested)) == value
    if held:
        with pytest.raises(Refused) as too_many:
            bounded_json.loads(body, JsonLimits(held - 1, nested))
        with pytest.raises(Refused) as too_deep:
            bounded_json.loads(body, JsonLimits(held, nested - 1))
        assert (too_many.value.status, too_deep.value.status) == (413, 400)


@given(st.text(st.sampled_from('a,[]{}":\\\\ '), max_size=60))
def test_what_is_no_json_is_never_counted_into_a_traceback(text: str) -> None:
    try:
        bounded_json.loads(text.encode(), JsonLimits(20, 5))
    except (Refused, ValueError):
        return


def test_commas_and_brackets_within_a_prompt_do_not_count() -> None:
    prompt = '[{"a": "b\\\\", }], ' * 40_000

    assert bounded_json.loads(json.dumps([prompt]).encode(), JsonLimits(1)) == [prompt]


@pytest.mark.parametrize("charset", ["utf-7", "punycode", "idna", "rot13", "unicode_escape"])
def test_charset_that_hides_or_delays_is_refused(charset: str) -> None:
    with pytest.raises(InputError, match="is unknown; send UTF-8"):
        tensors.json_of(b"{}", f"application/json; charset={charset}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": [PROMPT] * 65}, "the request has 65 inputs; send at most 64"),
        ({"outputs": [{"name": "model"}] * 65}, "the request has 65 outputs; send at most 64"),
        ({"parameters": {f"p{i}": 1 for i in range(65)}}, "'parameters' of the request or one of its inputs has 65"),
        ({"inputs": [PROMPT | {"shape": [1] * 9}]}, "'shape' of the request or one of its inputs has 9 entries"),
    ],
)
def test_parts_of_a_request_are_bounded(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        tensors.from_rest(json.dumps({"inputs": [PROMPT]} | change).encode(), {}, "router")


def grpc_request(shape: list[int], **more: Any) -> Any:
    contents = messages.InferTensorContents(bytes_contents=[b"What is 2 + 2?"])
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": shape, "contents": contents}
    return messages.ModelInferRequest(model_name="router", **({"inputs": [tensor]} | more))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (grpc_request([1] * 9), "'shape' of the request or one of its inputs has 9 entries; at most 8"),
        (
            grpc_request([1], parameters={f"p{i}": messages.InferParameter(int64_param=1) for i in range(65)}),
            "'parameters' of the request or one of its inputs or outputs has 65 entries; at most 64",
        ),
        (grpc_request([1], inputs=[{"name": "prompt"}] * 65), "the request has 65 inputs; send at most 64"),
        (grpc_request([1], outputs=[{"name": "model"}] * 65), "the request has 65 outputs; send at most 64"),
    ],
)
def test_parts_of_a_request_over_grpc_are_bounded(message: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        tensors.from_grpc(message)


def test_numbers_packed_into_one_field_count_one_by_one() -> None:
    numbers = {"contents": messages.InferTensorContents(int64_contents=[1] * 8181), "name": "prompt", "shape": [1]}
    few, many = grpc_request([1], inputs=[numbers]), grpc_request([1] * 8181)

    # Beside 8,181 numbers: name of the model, input, its name, its shape (a field and a number), contents, their field.
    wire_fields.require_bounded(few.SerializeToString(), most=8188)
    for message, most in ((few, 8187), (many, 8181), (grpc_request([1] * 10_000), wire_fields.MOST_FIELDS)):
        with pytest.raises(Refused, match="fields; send fewer prompts at once"):
            wire_fields.require_bounded(message.SerializeToString(), most=most)


def test_binary_tensor_is_read_no_further_than_its_1024th_string() -> None:
    assert len(tensors.strings_of(struct.pack("<I", 0) * 1024)) == 1024
    with pytest.raises(InputError, match="holds more than 1024 strings"):
        tensors.strings_of(struct.pack("<I", 0) * MANY)


def test_conversation_and_its_values_are_bounded() -> None:
    message = {"role": "user", "content": "Hi"}
    for body in ({"messages": [message] * 10_001}, {"messages": [message], "logit_bias": [0] * 70_000}):
        with pytest.raises(Refused) as refused:
            chat_request.parse(json.dumps({"model": "auto"} | body).encode())
        assert refused.value.status == 413


def question(prompts: int) -> messages.ModelInferRequest:
    contents = messages.InferTensorContents(bytes_contents=[b"x"] * prompts)
    tensor = messages.ModelInferRequest.InferInputTensor(
        name="prompt", datatype="BYTES", shape=[prompts], contents=contents
    )
    return messages.ModelInferRequest(model_name="router", inputs=[tensor], raw_input_contents=[])


def test_fields_of_a_protocol_buffer_are_counted() -> None:
    """`model_name` and `inputs`; in the tensor name, datatype, shape and its number, contents; in those each prompt."""
    message = question(100).SerializeToString()

    wire_fields.require_bounded(message, most=107)
    with pytest.raises(Refused, match="holds more than 106 fields"):
        wire_fields.require_bounded(message, most=106)


@given(st.binary(max_size=60))
@example(b"\x0b\x0c")
def test_whatever_protobuf_reads_is_counted_without_a_fault(message: bytes) -> None:
    parsed = messages.ModelInferRequest()
    try:
        parsed.ParseFromString(message)
    except DecodeError:
        return
    wire_fields.require_bounded(message)


@pytest.fixture(scope="module")
def served(start_endpoint: Callable[..., Endpoint], three: tuple[Path, Bundle]) -> tuple[Endpoint, str]:
    port = free_port()
    return start_endpoint("--bundle", str(three[0]), "--grpc-port", str(port)), f"127.0.0.1:{port}"


BODIES = {
    "other input": (INFER, {"inputs": [PROMPT, PROMPT | {"name": "x", "datatype": "FP32", "data": [1] * MANY}]}),
    "inputs": (INFER, {"inputs": [{}] * MANY}),
    "outputs": (INFER, {"inputs": [PROMPT], "outputs": [{}] * MANY}),
    "shape": (INFER, {"inputs": [PROMPT | {"shape": [1] * MANY}]}),
    "instances": (PREDICT, {"instances": [""] * MANY}),
    "choices": (PREDICT, {"instances": [{"prompt": "x", "choices": ["a"] * MANY}]}),
    "unknown field": (PREDICT, {"instances": ["x"], "other": {str(i): 0 for i in range(MANY)}}),
}


@pytest.mark.parametrize("kind", BODIES)
def test_body_of_many_values_is_a_413_while_readiness_is_answered(served: tuple[Endpoint, str], kind: str) -> None:
    endpoint, _ = served
    path, fields = BODIES[kind]
    body = json.dumps(fields).encode()
    before = resident_bytes(endpoint.process.pid)

    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(endpoint.ask, "POST", path, body, JSON) for _ in range(3)]
        probe = clients.submit(endpoint.get, READY)
        answers: list[Answer] = [one.result() for one in asked]

    assert {answer.status for answer in answers} == {413}
    assert answers[0].json == {"error": "the body holds more than 65,536 values; send fewer at once"}
    assert probe.result().status == 200
    assert resident_bytes(endpoint.process.pid) - before < 32 * 2**20


def test_cloud_event_of_many_values_is_a_413(served: tuple[Endpoint, str]) -> None:
    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "x", "ce-type": "y", **JSON}

    assert served[0].ask("POST", PREDICT, json.dumps({"instances": [""] * MANY}).encode(), event).status == 413


def test_grpc_counts_before_it_parses_and_reads_no_bytes_as_a_request(served: tuple[Endpoint, str]) -> None:
    endpoint, address = served
    with grpc.insecure_channel(address) as channel:
        raw = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        told = {}
        for name, message in (("many", question(MANY).SerializeToString()), ("bytes", b"\xff" * 40)):
            with pytest.raises(grpc.RpcError) as refused:
                raw(message, timeout=30)
            told[name] = (refused.value.code(), refused.value.details())
        answer = GRPCInferenceServiceStub(channel).ModelInfer(question(1024), timeout=30)

    assert told["many"] == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "the request holds more than 8,192 fields; send fewer prompts at once",
    )
    assert told["bytes"][0] is grpc.StatusCode.INVALID_ARGUMENT
    assert len(answer.outputs[0].contents.bytes_contents) == 1024
    assert "Traceback" not in endpoint.log


def test_long_strings_are_no_many_values(served: tuple[Endpoint, str]) -> None:
    answer = served[0].infer(["word, " * 100_000] * 4)

    assert (answer.status, len(answer.output("model"))) == (200, 4)
