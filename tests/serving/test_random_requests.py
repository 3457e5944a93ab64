"""Malformed, hostile and random requests: a sentence each, no crash, no growth. `make fuzz` sends far more."""

import copy
import http.client
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from endpoint_process import INFER, PREDICT, Endpoint, resident_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_servers import Upstream, served

from modelsat.bundle.bundle import Bundle
from serving.gateway import upstreams
from serving.gateway.app import create_app

REQUESTS = int(os.environ.get("MODELSAT_FUZZ_REQUESTS", "150"))
MOST_GROWTH = 32 * 2**20
CHAT = "/v1/chat/completions"

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["\ud800", "x" * 3000])
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=10), v, max_size=4))
GOOD: dict[str, Any] = {
    INFER: {
        "id": "1",
        "inputs": [{"name": "prompt", "shape": [2], "datatype": "BYTES", "data": ["What is 2 + 2?", "Hi"]}],
        "parameters": {"cost_weight": 0.5, "candidates": "a,b", "top_k": 2, "policy": "utility", "explain": True},
        "outputs": [{"name": "model"}],
    },
    PREDICT: {
        "instances": ["What is 2 + 2?", {"prompt": "Which?", "choices": ["a", "b"]}],
        "parameters": {"cost_weight": 0.5, "candidates": ["a"], "min_success_probability": 0.1, "max_cost_usd": 1},
    },
    CHAT: {
        "model": "auto",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "modelsat": {"cost_weight": 0.5, "candidates": ["*"]},
    },
}
HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "inference-header-content-length", "ce-id", "ce-specversion", "ce-type", "ce-source", "accept"]
    ),
    st.sampled_from(["application/json", "application/octet-stream", "application/cloudevents+json", "1.0", "-1", "40"])
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
    max_size=3,
)


@st.composite
def bodies(draw: Callable[..., Any], path: str) -> bytes:
    """Draw a good body with a few places replaced, other JSON, or bytes."""
    kind = draw(st.sampled_from(["mutated", "mutated", "mutated", "json", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=200))
    body = draw(values) if kind == "json" else copy.deepcopy(GOOD[path])
    for _ in range(draw(st.integers(1, 3)) if kind == "mutated" else 0):
        _replace(draw, body)
    return json.dumps(body).encode("utf-8", "surrogatepass")


def _replace(draw: Callable[..., Any], body: Any) -> None:
    """Walk to a random place and put something else there, or take it away."""
    while True:
        keys = list(body) if isinstance(body, dict) else list(range(len(body)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(body[key], dict | list) and body[key] and draw(st.booleans()):
            body = body[key]
            continue
        if draw(st.booleans()):
            body[key] = draw(values)
        else:
            del body[key]
        return


@pytest.fixture(scope="module")
def endpoint_under_fire(
    start_endpoint: Callable[..., Endpoint], write_neighbours: Callable[..., Bundle], tmp_path_factory: Any
) -> Endpoint:
    folder: Path = tmp_path_factory.mktemp("fuzzed") / "bundle"
    write_neighbours(folder)
    return start_endpoint("--bundle", str(folder), "--deadline", "30")


@pytest.fixture(scope="module")
def gateway_under_fire(endpoint_under_fire: Endpoint) -> Iterator[str]:
    with served(Upstream().app()) as url:
        catalogue = {name: upstreams.Upstream(f"{url}/v1", name) for name in "abc"}
        with served(create_app(catalogue, endpoint_under_fire.url)) as gateway:
            yield gateway


def send(url: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def require_orderly(status: int, content: bytes) -> None:
    assert status < 500 or status == 503, (status, content)
    assert b"Traceback" not in content
    if status >= 400:
        error = json.loads(content)["error"]
        assert (error if isinstance(error, str) else error["message"]).strip()


def fire_at(shot: Callable[[st.DataObject], None], shots: int) -> None:
    quiet = settings(max_examples=shots, suppress_health_check=list(HealthCheck), print_blob=False)
    quiet(given(st.data())(lambda data: shot(data)))()


@pytest.mark.timeout(3600)
def test_endpoint_answers_whatever_comes_with_a_sentence_and_does_not_grow(endpoint_under_fire: Endpoint) -> None:
    paths = st.sampled_from([INFER, PREDICT])
    strange = st.sampled_from(
        [
            "/",
            "/v2",
            "/v2/models",
            "/v2/models/router",
            "/v2/repository/index",
            "/v1/models/router:explain",
            "/%00",
            "//",
        ]
    )

    def shot(data: st.DataObject) -> None:
        path = data.draw(paths)
        body, headers = data.draw(bodies(path)), data.draw(HEADERS)
        where = data.draw(st.sampled_from([path] * 9 + [data.draw(strange)]))
        method = data.draw(st.sampled_from(["POST"] * 9 + ["PUT", "GET", "DELETE"]))
        require_orderly(
            *send(endpoint_under_fire.url, method, where, body, {"content-type": "application/json"} | headers)
        )

    fire_at(shot, min(REQUESTS, 100))
    before = resident_bytes(endpoint_under_fire.process.pid)
    fire_at(shot, REQUESTS)

    assert endpoint_under_fire.process.poll() is None
    assert resident_bytes(endpoint_under_fire.process.pid) - before <= MOST_GROWTH
    assert endpoint_under_fire.infer(["What is 2 + 2?"]).status == 200
    assert "Traceback" not in endpoint_under_fire.log


def test_gateway_answers_whatever_comes_with_a_sentence(gateway_under_fire: str) -> None:
    paths = st.sampled_from([CHAT, "/v1/route", "/v1/route?explain", "/v1/models", "/v1/x"])

    def shot(data: st.DataObject) -> None:
        body, path, headers = data.draw(bodies(CHAT)), data.draw(paths), data.draw(HEADERS)
        require_orderly(*send(gateway_under_fire, "POST", path, body, headers))

    fire_at(shot, max(REQUESTS // 3, 100))

    assert httpx.get(f"{gateway_under_fire}/healthz").status_code == 200
