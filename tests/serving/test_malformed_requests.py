"""Whatever a client sends, it is told in a sentence what is wrong with it, and the next client is answered."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from endpoint_process import INFER, JSON, PREDICT, Answer, Endpoint

from modelsat.bundle.bundle import Bundle

GOOD = {"name": "prompt", "shape": [1], "datatype": "BYTES", "data": ["What is 2 + 2?"]}
NEEDS_PROMPT = "needs exactly one input named 'prompt' of datatype BYTES"
NEEDS_INSTANCES = 'the body needs "instances"'
BINARY = {"name": "prompt", "shape": [1], "datatype": "BYTES"}


def tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [GOOD | changes]}


def weighted(weight: Any) -> dict[str, Any]:
    return tensor() | {"parameters": {"cost_weight": weight}}


def among(candidates: Any) -> dict[str, Any]:
    return tensor() | {"parameters": {"candidates": candidates}}


def asking(**parameters: Any) -> dict[str, Any]:
    return tensor() | {"parameters": parameters}


def sentence(answer: Answer) -> str:
    """Return the one sentence of a refusal, after making sure that it is one and no traceback."""
    assert 400 <= answer.status < 500, answer
    assert answer.headers["content-type"] == "application/json"
    (said,) = answer.json.values()
    assert isinstance(said, str)
    assert said.strip()
    assert len(said) < 300
    for leak in ("Traceback", 'File "', "\n", "site-packages"):
        assert leak not in said
    return said


@pytest.fixture
def asked(endpoint: Endpoint) -> Iterator[Endpoint]:
    """The endpoint; after the test it must still answer."""
    yield endpoint
    answer = endpoint.infer(["What is 2 + 2?"])
    assert (answer.status, answer.output("model")) == (200, ["strong"])
    assert endpoint.process.poll() is None


@pytest.mark.parametrize("path", [INFER, PREDICT])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{not json", id="not JSON"),
        pytest.param(b'{"inputs": [', id="cut off"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"7", id="number"),
        pytest.param(b'"prompt"', id="string"),
        pytest.param(b"{}", id="empty object"),
    ],
)
def test_body_that_is_no_request_is_refused(asked: Endpoint, path: str, body: bytes) -> None:
    sentence(asked.ask("POST", path, body, JSON))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({"inputs": []}, NEEDS_PROMPT, id="no inputs"),
        pytest.param(tensor(name="text"), NEEDS_PROMPT, id="unknown input name"),
        pytest.param({"inputs": [GOOD, GOOD]}, NEEDS_PROMPT, id="prompt twice"),
        pytest.param({"inputs": "prompt"}, "'inputs'", id="inputs are a string"),
        pytest.param({"inputs": [7]}, "inputs.0", id="an input is a number"),
        pytest.param({"instances": ["What is 2 + 2?"]}, "inputs", id="v1 body to v2"),
        pytest.param(tensor(datatype="FP32", data=[0.5]), "has datatype 'FP32'; send BYTES", id="FP32"),
        pytest.param(tensor(datatype="STRING"), "has datatype 'STRING'; send BYTES", id="unknown datatype"),
        pytest.param(tensor(datatype=None), "datatype", id="no datatype"),
        pytest.param(tensor(shape=[2]), "says shape [2] and holds 1 values", id="too few values"),
        pytest.param(tensor(shape=[0]), "says shape [0] and holds 1 values", id="too many values"),
        pytest.param(tensor(shape=[-1]), "says shape [-1]", id="negative shape"),
        pytest.param(tensor(shape=[]), "says shape []", id="scalar"),
        pytest.param(tensor(shape=[1, 1, 1]), "says shape [1, 1, 1]", id="three dimensions"),
        pytest.param(tensor(shape=[2**62]), "holds 1 values", id="huge shape"),
        pytest.param(tensor(shape="1"), "shape", id="shape is a string"),
        pytest.param(tensor(data="What is 2 + 2?"), "data", id="data is a string"),
        pytest.param(tensor(data=[7]), "holds values that are not strings", id="number as prompt"),
        pytest.param(tensor(data=[True]), "holds values that are not strings", id="truth as prompt"),
        pytest.param(tensor(data=[None]), "holds values that are not strings", id="null as prompt"),
        pytest.param(tensor(data=[{"prompt": "x"}]), "holds values that are not strings", id="object as prompt"),
        pytest.param(tensor(data=[["a"], ["b", "c"]], shape=[2]), "not strings", id="ragged"),
        pytest.param(tensor(data=[], shape=[0]), "holds no prompt; send at least one", id="no prompts"),
        pytest.param(tensor(data=[""]), "prompt 0 is empty", id="empty prompt"),
        pytest.param(tensor(data=["x", " \n\t"], shape=[2]), "prompt 1 is empty", id="blank prompt"),
        pytest.param(tensor(data=["\ud800 x"]), "half a surrogate pair", id="half a surrogate pair"),
        pytest.param(tensor(data=["x"] * 1025, shape=[1025]), "holds 1025 prompts; send at most 1024", id="too many"),
        pytest.param(tensor() | {"id": 7}, "id", id="number as id"),
        pytest.param(tensor() | {"id": "\ud800"}, "half a surrogate pair", id="half a surrogate pair as id"),
        pytest.param(tensor() | {"parameters": ["cheap"]}, "parameters", id="parameters are a list"),
    ],
)
def test_v2_request_with_a_fault_is_told_the_fault(asked: Endpoint, body: dict[str, Any], said: str) -> None:
    answer = asked.post(INFER, body)

    assert said in sentence(answer)
    assert answer.status == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({"inputs": ["x"]}, NEEDS_INSTANCES, id="no instances"),
        pytest.param({"instances": "x"}, NEEDS_INSTANCES, id="instances are a string"),
        pytest.param({"instances": []}, "holds no prompt; send at least one", id="no prompts"),
        pytest.param({"instances": [7]}, "instance 0 is neither a string nor an object", id="number as prompt"),
        pytest.param({"instances": ["x", None]}, "instance 1 is neither a string", id="null as prompt"),
        pytest.param({"instances": [{"text": "x"}]}, "instance 0 is neither a string", id="object without prompt"),
        pytest.param({"instances": [{"prompt": 7}]}, "instance 0 is neither a string", id="object with a number"),
        pytest.param({"instances": [{"prompt": "x", "choices": "ab"}]}, '"choices" of instance 0', id="choices"),
        pytest.param(
            {"instances": [{"prompt": "x", "choices": [1]}]}, '"choices" of instance 0', id="number as choice"
        ),
        pytest.param({"instances": [""]}, "prompt 0 is empty", id="empty prompt"),
        pytest.param({"instances": ["\ud800 x"]}, "surrogate", id="half a surrogate pair"),
        pytest.param({"instances": ["x"] * 1025}, "holds 1025 prompts; send at most 1024", id="too many"),
        pytest.param({"instances": ["x"], "parameters": ["cheap"]}, '"parameters" is not an object', id="parameters"),
        pytest.param({"instances": ["x"], "parameters": {"candidates": [7]}}, "a list of names", id="number as name"),
        pytest.param({"instances": ["x"], "parameters": {"candidates": []}}, "it knows cheap, strong", id="no names"),
        pytest.param({"instances": ["x"], "parameters": {"candidates": ["gpt"]}}, "['gpt'] are unknown", id="stranger"),
        pytest.param(
            {"instances": ["x"], "parameters": {"cost_weight": "low"}}, "is not a number", id="weight as text"
        ),
        pytest.param({"instances": ["x"], "parameters": {"cost_weight": -0.1}}, "outside [0, 1]", id="negative weight"),
        pytest.param({"instances": ["x"], "parameters": {"weight": 1}}, "unknown parameter 'weight'", id="misspelt"),
    ],
)
def test_v1_request_with_a_fault_is_told_the_fault(asked: Endpoint, body: dict[str, Any], said: str) -> None:
    answer = asked.post(PREDICT, body)

    assert said in sentence(answer)
    assert answer.status == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(weighted(-0.1), "cost_weight -0.1 is outside [0, 1]; 0 ignores costs", id="negative"),
        pytest.param(weighted(1.1), "cost_weight 1.1 is outside [0, 1]", id="above one"),
        pytest.param(weighted(float("nan")), "cost_weight nan is outside [0, 1]", id="not a number"),
        pytest.param(weighted(float("inf")), "cost_weight inf is outside [0, 1]", id="infinite"),
        pytest.param(weighted(10**400), "cost_weight", id="too large for a float"),
        pytest.param(weighted("0.5"), "cost_weight '0.5' is not a number", id="text"),
        pytest.param(weighted(True), "cost_weight True is not a number", id="truth"),
        pytest.param(weighted(None), "cost_weight", id="null"),
        pytest.param(among("gpt"), "['gpt'] are unknown to this router; it knows cheap, strong, weak", id="stranger"),
        pytest.param(among("cheap,gpt"), "['gpt'] are unknown", id="stranger among others"),
        pytest.param(among(""), "it knows cheap, strong, weak", id="nobody"),
        pytest.param(among(7), "candidates 7 is not a list of names", id="number as name"),
        pytest.param(
            tensor() | {"parameters": {"cost_wieght": 0.5}},
            "unknown parameter 'cost_wieght'; this router knows candidates",
            id="misspelt parameter",
        ),
        pytest.param(among(["cheap"]), "candidates", id="list where v2 allows none"),
        pytest.param(asking(top_k=0), "top_k 0 is not a whole number from 1 on", id="top none"),
        pytest.param(asking(explain="yes"), "explain 'yes' is neither true nor false", id="explain as text"),
        pytest.param(
            asking(policy="dear"),
            "policy 'dear' is unknown; send one of auto, best, cheap, utility, cheapest",
            id="policy",
        ),
        pytest.param(asking(tools=True), "no candidate is known to fulfil all", id="what nobody can"),
        pytest.param(asking(max_cost_usd=0), "prompt 0 costs more than 0 USD", id="nothing to spend"),
        pytest.param(tensor() | {"outputs": [{"name": "logits"}]}, "output 'logits' is unknown", id="unknown output"),
    ],
)
def test_parameter_out_of_range_is_refused(asked: Endpoint, body: dict[str, Any], said: str) -> None:
    answer = asked.post(INFER, body)

    assert said in sentence(answer)
    assert answer.status == 400


def binary(raw: bytes, size: Any = None, **changes: Any) -> tuple[bytes, dict[str, str]]:
    prompt = BINARY | {"parameters": {"binary_data_size": len(raw) if size is None else size}}
    header = json.dumps({"inputs": [prompt | changes]}).encode()
    return header + raw, {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(header)),
    }


LENGTH_THEN_TEXT = struct.pack("<I", 5) + b"Say x"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(*binary(LENGTH_THEN_TEXT[:-2]), id="text cut off"),
        pytest.param(*binary(LENGTH_THEN_TEXT[:2]), id="length cut off"),
        pytest.param(*binary(struct.pack("<I", 2**31) + b"x"), id="length beyond the body"),
        pytest.param(*binary(struct.pack("<I", 2) + b"\xff\xfe"), id="not UTF-8"),
        pytest.param(*binary(LENGTH_THEN_TEXT, size="nine"), id="size is a word"),
        pytest.param(*binary(LENGTH_THEN_TEXT, size=-1), id="negative size"),
        pytest.param(*binary(LENGTH_THEN_TEXT, datatype="FP32"), id="text as FP32"),
        pytest.param(*binary(LENGTH_THEN_TEXT, datatype="STRING"), id="unknown datatype"),
        pytest.param(*binary(LENGTH_THEN_TEXT, shape=[7]), id="wrong shape"),
        pytest.param(*binary(LENGTH_THEN_TEXT, parameters={}), id="no size"),
        pytest.param(*binary(LENGTH_THEN_TEXT + b"rest", size=9), id="bytes left over"),
        pytest.param(*binary(LENGTH_THEN_TEXT, data=["x"]), id="data and bytes"),
        pytest.param(
            LENGTH_THEN_TEXT,
            {"content-type": "application/octet-stream", "inference-header-content-length": "x"},
            id="header length is a letter",
        ),
        pytest.param(
            LENGTH_THEN_TEXT,
            {"content-type": "application/octet-stream", "inference-header-content-length": "9"},
            id="no header",
        ),
        pytest.param(
            b"{}", {"content-type": "application/octet-stream", "inference-header-content-length": "2"}, id="{}"
        ),
        pytest.param(b"prompt=What+is+2", {"content-type": "application/x-www-form-urlencoded"}, id="a form"),
    ],
)
def test_binary_request_with_a_fault_is_refused(asked: Endpoint, body: bytes, headers: dict[str, str]) -> None:
    answer = asked.ask("POST", INFER, body, headers)

    sentence(answer)
    assert answer.status == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/models/gpt/infer", tensor()),
        ("/v1/models/gpt:predict", {"instances": ["What is 2 + 2?"]}),
    ],
)
def test_unknown_model_is_not_found(asked: Endpoint, path: str, body: dict[str, Any]) -> None:
    answer = asked.post(path, body)

    assert "gpt does not exist" in sentence(answer)
    assert answer.status == 404


@pytest.mark.parametrize(
    "path", ["/v2/models/gpt", "/v2/models/gpt/ready", "/v1/models/gpt", "/v3", "/../etc/passwd", "/docs"]
)
def test_unknown_page_is_not_found(asked: Endpoint, path: str) -> None:
    answer = asked.get(path)

    sentence(answer)
    assert answer.status == 404


@pytest.mark.parametrize(("path", "status"), [(INFER, 405), (PREDICT, 404)])
def test_wrong_method_is_refused(asked: Endpoint, path: str, status: int) -> None:
    answer = asked.get(path)

    sentence(answer)
    assert answer.status == status


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("a" * 100_000, id="100,000 characters"),
        pytest.param("日本語 " * 25_000, id="100,000 characters of Japanese"),
        pytest.param("\x00\x01\x7f", id="control characters"),
        pytest.param("👩\u200d👩\u200d👧 \u202e abc", id="emoji and direction marks"),
        pytest.param("<|endoftext|>[CLS][SEP]", id="special tokens"),
        pytest.param("'; DROP TABLE candidates; --", id="SQL"),
    ],
)
def test_strange_prompt_is_answered(asked: Endpoint, prompt: str) -> None:
    answer = asked.infer([prompt])

    assert (answer.status, answer.output("model")) == (200, ["strong"])


@pytest.mark.parametrize("prompt", ["a" * 100_000, "word " * 20_000, "日本語 " * 25_000, "\x00", "\u200b", "[SEP]"])
def test_router_that_reads_answers_strange_prompts(reader: tuple[Endpoint, Bundle], prompt: str) -> None:
    answer = reader[0].infer([prompt])

    assert answer.status == 200
    assert all(0 <= value <= 1 for value in answer.output("success_probability"))


def test_router_that_reads_refuses_half_a_surrogate_pair(reader: tuple[Endpoint, Bundle]) -> None:
    endpoint, _ = reader

    assert "surrogate" in sentence(endpoint.post(INFER, tensor(data=["\ud800 x"])))
    assert endpoint.infer(["x"]).status == 200


def test_faulty_requests_leave_no_prompt_in_the_log(asked: Endpoint) -> None:
    secret = "my password is swordfish"
    body, headers = binary(struct.pack("<I", 25) + secret.encode() + b"\xff")

    refused = [
        asked.infer([secret], {"cost_weight": -1}),
        asked.infer([secret], {"candidates": "gpt"}),
        asked.post(INFER, tensor(data=[secret], shape=[2])),
        asked.post(INFER, tensor(data=secret)),
        asked.predict([secret], {"cost_weight": "x"}),
        asked.ask("POST", INFER, body, headers),
        asked.ask("POST", INFER, b'{"inputs": "' + secret.encode(), JSON),
        asked.ask("POST", PREDICT, b'{"instances": ["' + secret.encode(), JSON),
    ]

    assert "swordfish" not in "".join(sentence(answer) for answer in refused)
    assert "swordfish" not in asked.log


@pytest.mark.parametrize(
    "path", ["/v2/models/router/versions/1/infer", "/v2/models/router/versions/1", "/v2/models/router/versions/1/ready"]
)
def test_version_of_a_model_is_not_found(asked: Endpoint, path: str) -> None:
    answer = asked.post(path, tensor()) if path.endswith("infer") else asked.get(path)

    assert "one version of the router" in sentence(answer)
    assert answer.status == 404


def test_faulty_requests_leave_no_traceback_in_the_log(asked: Endpoint) -> None:
    said = len(asked.log)

    for answer in (
        asked.post(INFER, weighted(-1)),
        asked.post(INFER, {"inputs": []}),
        asked.post("/v2/models/gpt/infer", tensor()),
        asked.post("/v2/models/router/versions/1/infer", tensor()),
        asked.ask("POST", PREDICT, b"{", JSON),
        asked.get("/nowhere"),
    ):
        sentence(answer)

    assert "Traceback" not in asked.log[said:]
    assert "Exception" not in asked.log[said:]


def test_body_above_the_limit_is_refused_before_it_is_read(asked: Endpoint) -> None:
    connection = asked.connect()
    connection.putrequest("POST", INFER)
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(4 * 2**20 + 1))
    connection.endheaders(b"{")

    response = connection.getresponse()

    assert response.status == 413
    assert json.loads(response.read()) == {"error": "the body has more than 4 MiB; send less at once"}
    connection.close()


def test_cloud_event_with_a_fault_is_refused(asked: Endpoint) -> None:
    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "x", "ce-type": "y", **JSON}

    for body in (b"{", b"7", b"[]", b'{"instances": 7}', b"\xff"):
        sentence(asked.ask("POST", PREDICT, body, event))
