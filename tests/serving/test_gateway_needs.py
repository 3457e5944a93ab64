"""What a request needs bounds which candidate answers, and a fault of an upstream is no fault of the client.

A real endpoint whose catalogue knows what its candidates can do, and real upstreams over HTTP. The router says 0.9 for
`small` (8k, text alone), 0.8 for `seeing` (128k, reads images, audio and files, calls tools), 0.6 for `plain` (32k,
calls tools) and 0.5 for `unknown`, of which the catalogue knows nothing.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from endpoint_process import Endpoint
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from local_servers import EVENTS, closed_port, served

from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.policy.preferences import Preferences
from modelsat.routers.constant import Constant
from serving.gateway import catalogue, needs, upstreams
from serving.gateway.app import create_app
from serving.gateway.catalogue import CandidateFacts
from serving.gateway.chat_request import ChatRequest
from serving.gateway.gateway_settings import GatewaySettings
from serving.gateway.needs import RequestNeeds

CHANCES = {"small": 0.9, "seeing": 0.8, "plain": 0.6, "unknown": 0.5}
FACTS = {
    "small": CandidateFacts(8192, frozenset(), False),
    "seeing": CandidateFacts(131_072, frozenset({"image", "audio", "file"}), True),
    "plain": CandidateFacts(32_768, frozenset(), True),
}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
TOOLS = [{"type": "function", "function": {"name": "look"}}]
QUESTION = {"type": "text", "text": "What is this?"}
SECRET = "sk-of-the-operator"
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
OVERLOADED = b'data: {"error":{"message":"Overloaded","code":529}}\n\n'


def said(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def error(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


class Providers:
    """Upstreams that answer each candidate as they are told, and note who was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.faults: dict[str, tuple[int, bytes] | list[bytes]] = {}

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/v1/chat/completions", self.answer, methods=["POST"], response_model=None)
        return app

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body["model"])
        fault = self.faults.get(body["model"])
        if isinstance(fault, list):
            return StreamingResponse(iter(fault), media_type="text/event-stream")
        if fault is not None:
            return Response(fault[1], fault[0], media_type="application/json")
        if body.get("stream"):
            return StreamingResponse(iter(EVENTS), media_type="text/event-stream")
        content, account = (
            b'{"choices":[{"message":{"role":"assistant","content":"3"}}]}',
            {"openai-organization": "acme"},
        )
        return Response(content, headers=account, media_type="application/json")


@pytest.fixture(scope="module")
def knowing(start_endpoint: Callable[..., Endpoint], tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    rows: list[dict[str, object]] = [
        {"candidate": "small", "context_length": 8192, "modalities": [], "tools": False},
        {"candidate": "seeing", "context_length": 131_072, "modalities": ["image", "audio", "file"], "tools": True},
        {"candidate": "plain", "context_length": 32_768, "modalities": [], "tools": True},
        {"candidate": "unknown"},
    ]
    folder = tmp_path_factory.mktemp("knowing") / "bundle"
    Bundle(
        router=Constant(list(CHANCES), np.asarray(list(CHANCES.values()))),
        candidates=contracts.from_rows(rows, contracts.CANDIDATES),
        aptitude_test=contracts.from_rows([], contracts.APTITUDE_TEST),
        cards=contracts.from_rows([], contracts.CARDS),
        lineage={"mean_score": CHANCES},
    ).write(folder)
    return start_endpoint("--bundle", str(folder))


@pytest.fixture
def providers() -> Providers:
    return Providers()


@pytest.fixture
def ask(knowing: Endpoint, providers: Providers) -> Iterator[Callable[..., httpx.Response]]:
    """Return a function that asks a new gateway."""
    with ExitStack() as stack:
        url = stack.enter_context(served(providers.app()))
        known = {name: upstreams.Upstream(f"{url}/v1", name, timeout_seconds=5) for name in CHANCES}
        base = stack.enter_context(served(create_app(known, knowing.url, GatewaySettings(deadline_seconds=10))))
        client = stack.enter_context(httpx.Client(base_url=base, timeout=30))

        def asked(messages: Sequence[Any] = said(QUESTION), model: str = "auto", **body: Any) -> httpx.Response:
            return client.post("/v1/chat/completions", json={"model": model, "messages": list(messages)} | body)

        asked.client = client  # type: ignore[attr-defined]
        yield asked


@pytest.mark.parametrize(
    "part",
    [
        IMAGE,
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
    ],
)
@pytest.mark.parametrize("text", [[], [QUESTION]])
def test_image_audio_or_file_goes_to_who_reads_it_from_the_first_request_on(
    ask: Callable[..., httpx.Response], providers: Providers, part: dict[str, Any], text: list[dict[str, Any]]
) -> None:
    answer = ask(said(*text, part))

    assert (answer.status_code, providers.asked) == (200, ["seeing"])
    assert answer.headers["x-modelsat-outcome"] == ("routed" if text else "fallback")


def test_image_anywhere_in_the_conversation_counts(ask: Callable[..., httpx.Response], providers: Providers) -> None:
    ask([*said(IMAGE), {"role": "assistant", "content": "A cat."}, {"role": "user", "content": "Which colour has it?"}])

    assert providers.asked == ["seeing"]


def test_tools_go_to_who_calls_them(ask: Callable[..., httpx.Response], providers: Providers) -> None:
    ask(tools=TOOLS)
    ask(functions=[{"name": "look"}])
    ask(tools=[])
    ask(tools=TOOLS, tool_choice="none")
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
    ask([*said(QUESTION), call, {"role": "tool", "tool_call_id": "1", "content": "A cat."}])

    assert providers.asked == ["seeing", "seeing", "small", "small", "seeing"]


def test_unknown_candidate_is_asked_after_those_that_are_known_to_be_able(
    ask: Callable[..., httpx.Response], providers: Providers
) -> None:
    providers.faults["seeing"] = (503, b"{}")

    assert ask(said(IMAGE)).headers["x-modelsat-selected-model"] == "unknown"
    assert providers.asked == ["seeing", "unknown"]


def test_need_that_every_allowed_candidate_lacks_is_a_400(ask: Callable[..., httpx.Response]) -> None:
    answer = ask(said(QUESTION, IMAGE), modelsat={"candidates": ["small", "plain"]})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        "the request needs image, which no allowed candidate is known to offer; leave it out, or allow other candidates"
    )


@pytest.mark.parametrize(
    ("characters", "max_tokens", "chosen"),
    [(10_000, None, "small"), (40_000, None, "seeing"), (10_000, 6_000, "seeing"), (10_000, 2_000, "small")],
)
def test_whole_conversation_and_its_answer_have_to_fit(
    ask: Callable[..., httpx.Response], providers: Providers, characters: int, max_tokens: int | None, chosen: str
) -> None:
    """10,000 characters are 2,875 tokens with the margin, 40,000 are 11,500."""
    earlier = [{"role": "user", "content": "a" * characters}, {"role": "assistant", "content": "Yes."}]
    body = {} if max_tokens is None else {"max_tokens": max_tokens}

    ask(
        [*earlier, {"role": "user", "content": "What is the sum of the first hundred odd numbers, and why? " * 3}],
        **body,
    )

    assert providers.asked == [chosen]


def test_named_candidate_is_asked_whatever_the_catalogue_says(
    ask: Callable[..., httpx.Response], providers: Providers
) -> None:
    ask(said(IMAGE), model="small")

    assert providers.asked == ["small"]


def test_readiness_and_answer_agree_on_a_request_without_text(
    ask: Callable[..., httpx.Response], providers: Providers
) -> None:
    assert ask.client.get("/readyz").status_code == 200  # type: ignore[attr-defined]
    assert ask([{"role": "system", "content": "Be brief."}]).status_code == 200
    assert providers.asked == ["small"]


def test_router_that_is_away_is_a_503_for_a_request_without_text(providers: Providers) -> None:
    with closed_port() as nobody, served(providers.app()) as url:
        known = {"small": upstreams.Upstream(f"{url}/v1", "small")}
        with served(create_app(known, nobody, GatewaySettings(deadline_seconds=0.2))) as base:
            answer = httpx.post(f"{base}/v1/chat/completions", json={"model": "auto", "messages": said(IMAGE)})
            ready = httpx.get(f"{base}/readyz")

    assert (answer.status_code, ready.status_code) == (503, 503)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 410, 307])
def test_fault_of_an_upstream_goes_to_the_next_and_takes_it_out(
    ask: Callable[..., httpx.Response], providers: Providers, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.INFO)
    providers.faults["small"] = (status, error(f"Incorrect API key provided: {SECRET}"))

    first, second = ask(), ask()
    metrics = ask.client.get("/metrics").text.splitlines()  # type: ignore[attr-defined]

    assert [answer.status_code for answer in (first, second)] == [200, 200]
    assert first.headers["x-modelsat-selected-model"] == "seeing"
    assert first.headers["x-modelsat-reason"] == f"small: {status}"
    assert second.headers["x-modelsat-reason"] == f"small: out after {status}"
    assert providers.asked == ["small", "seeing", "seeing"]
    assert f'modelsat_upstream_faults_total{{model="small",reason="{status}"}} 1.0' in metrics
    assert f'modelsat_fallbacks_total{{model="small",reason="{status}"}} 1.0' in metrics
    assert 'modelsat_upstream_out{model="small"} 1.0' in metrics
    out = ask.client.get("/readyz").json()["upstreams_out"]["small"]  # type: ignore[attr-defined]
    assert (out["reason"], out["failures"]) == (str(status), 1)
    assert [record.message.count("is out for 30 s") for record in caplog.records].count(1) == 1
    assert SECRET not in caplog.text


@pytest.mark.parametrize("model", ["auto", "small"])
def test_bodies_of_refused_keys_never_reach_a_client(
    ask: Callable[..., httpx.Response], providers: Providers, model: str
) -> None:
    providers.faults = {name: (401, error(f"Incorrect API key provided: {SECRET}")) for name in CHANCES}

    answer = ask(model=model)

    assert answer.status_code == 502
    assert answer.json()["error"]["message"].startswith("no upstream answered: small (401)")
    assert SECRET not in answer.text


def test_too_long_a_conversation_goes_to_a_candidate_that_reads_more(
    ask: Callable[..., httpx.Response], providers: Providers
) -> None:
    too_long = (400, error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded"))
    providers.faults = {"small": too_long}

    answer = ask()

    assert answer.headers["x-modelsat-reason"] == "small: context_length_exceeded"
    assert providers.asked == ["small", "seeing"]
    providers.faults["seeing"] = too_long
    providers.asked.clear()
    last = ask(modelsat={"candidates": ["s*", "plain"]})
    # `plain` is known to read less than `seeing`, which found it too long.
    assert providers.asked == ["small", "seeing"]
    assert (last.status_code, last.content) == too_long
    assert "upstreams_out" not in ask.client.get("/readyz").json()  # type: ignore[attr-defined]


def test_what_one_model_does_not_support_another_may(ask: Callable[..., httpx.Response], providers: Providers) -> None:
    providers.faults["small"] = (400, error("response_format is not supported by this model"))

    assert ask(response_format={"type": "json_object"}).headers["x-modelsat-reason"] == "small: unsupported"


def test_fault_of_the_client_reaches_it_with_the_providers_sentence(
    ask: Callable[..., httpx.Response], providers: Providers
) -> None:
    providers.faults["small"] = (400, error("'temperature' must be at most 2", code="invalid_value"))

    answer = ask(temperature=3)

    assert (answer.status_code, answer.content) == providers.faults["small"]
    assert providers.asked == ["small"]


def test_clients_hear_what_is_meant_for_them_where_nobody_answers(
    ask: Callable[..., httpx.Response], providers: Providers
) -> None:
    providers.faults = {name: (401, error(SECRET)) for name in CHANCES}
    providers.faults["small"] = (429, error("slow down"))

    answer = ask()

    assert (answer.status_code, answer.content) == providers.faults["small"]
    assert answer.headers["x-modelsat-reason"] == "seeing: 401; plain: 401"


@pytest.mark.parametrize(
    "fault",
    [
        (200, error("Provider returned error", code=502)),
        (200, b"<html>Welcome to the proxy</html>"),
        (200, b'{"choices": null, "error": {"message": "Overloaded"}}'),
        [OVERLOADED],
        [b": PROCESSING\n\n", ROLE, OVERLOADED],
        [ROLE[:20], ROLE[20:] + OVERLOADED[:10], OVERLOADED[10:]],
        [b'event: error\r\ndata: {"message": "Overloaded"}\r\n\r\n'],
        [b"data: [DONE]\n\n"],
        [ROLE],
        [],
    ],
)
def test_error_within_a_200_is_no_answer(
    ask: Callable[..., httpx.Response], providers: Providers, fault: tuple[int, bytes] | list[bytes]
) -> None:
    providers.faults["small"] = fault
    streams = isinstance(fault, list)

    answer = ask(stream=streams)

    assert answer.headers["x-modelsat-selected-model"] == "seeing"
    assert answer.headers["x-modelsat-reason"] in ("small: 200 with an error", "small: no chat completion")
    assert not streams or answer.content == b"".join(EVENTS)


def test_stream_that_begins_without_content_is_passed_on_byte_for_byte(
    ask: Callable[..., httpx.Response], providers: Providers
) -> None:
    events = [b": PROCESSING\n\n", ROLE, *EVENTS]
    providers.faults["small"] = events

    answer = ask(stream=True)

    assert answer.content == b"".join(events)
    assert answer.headers["x-modelsat-selected-model"] == "small"


def test_error_after_content_is_the_clients_to_see(ask: Callable[..., httpx.Response], providers: Providers) -> None:
    providers.faults["small"] = [EVENTS[0], OVERLOADED]

    assert ask(stream=True).content == EVENTS[0] + OVERLOADED


def test_error_within_a_200_of_every_upstream_is_a_502(
    ask: Callable[..., httpx.Response], providers: Providers
) -> None:
    providers.faults = {name: (200, error(SECRET)) for name in CHANCES}

    answer = ask()

    assert answer.status_code == 502
    assert SECRET not in answer.text


def test_account_of_the_operator_is_not_told(ask: Callable[..., httpx.Response]) -> None:
    assert "openai-organization" not in ask().headers


def request(**fields: Any) -> ChatRequest:
    wanted = fields.pop("preferences", Preferences())
    return ChatRequest("auto", fields.get("messages", said(QUESTION)), fields, wanted)


def test_tokens_are_estimated_rather_high() -> None:
    """1.15 tokens for four letters of ASCII; a letter beyond counts as one."""
    assert needs.tokens_of(["a" * 4000]) == 1150
    assert needs.tokens_of(["日本語"]) == 3
    assert needs.tokens_of(["aaaa", "ü"]) == 3
    assert needs.of_request(request(messages=said(IMAGE))).tokens == needs.TOKENS_PER_MESSAGE + needs.TOKENS_PER_IMAGE


def test_needs_are_those_of_the_request_and_of_its_preferences() -> None:
    wanted = Preferences(modalities=("audio",), tools=True, min_context_length=50_000, region="eu")

    assert needs.of_request(request(messages=said(IMAGE), preferences=wanted)) == RequestNeeds(
        frozenset({"image", "audio"}), True, 50_000, 0, "eu"
    )


def test_longest_candidates_are_kept_where_all_seem_too_short() -> None:
    assert needs.able(["small", "seeing", "plain"], RequestNeeds(tokens=10**6), FACTS) == ["seeing"]
    assert needs.able(["small", "stranger"], RequestNeeds(tokens=10**6), FACTS) == ["stranger"]


def test_answer_longer_than_any_context_does_not_count() -> None:
    assert needs.able(["small", "seeing"], RequestNeeds(tokens=10_000, answer_tokens=10**6), FACTS) == ["seeing"]
    assert needs.able(["small", "seeing"], RequestNeeds(tokens=100, answer_tokens=10**6), FACTS) == ["small", "seeing"]
    assert needs.able(["small", "seeing"], RequestNeeds(tokens=100, answer_tokens=8_100), FACTS) == ["seeing"]


def test_nothing_known_leaves_every_candidate() -> None:
    assert needs.able(["a", "b"], RequestNeeds(frozenset({"image"}), True, 10**6, 0, "eu"), {}) == ["a", "b"]


def test_region_is_bound_like_a_modality() -> None:
    facts = {"a": CandidateFacts(regions=frozenset({"us"})), "b": CandidateFacts(regions=frozenset({"eu"}))}

    assert needs.able(["a", "b"], RequestNeeds(region="eu"), facts) == ["b"]
    assert needs.able(["a"], RequestNeeds(region="eu"), facts) == []
    assert needs.lacking(RequestNeeds(region="eu")).startswith("the request needs eu, which no allowed candidate")


def test_catalogue_of_an_older_endpoint_leaves_everything_unknown() -> None:
    read = catalogue.read({"parameters": {"router_version": "v", "best_single": "b", "candidates": ["a", "b"]}})

    assert read.order == ("b", "a")
    assert read.facts == {"a": CandidateFacts(), "b": CandidateFacts()}


def test_metadata_tells_what_is_known_of_the_candidates(knowing: Endpoint, tmp_path: Path) -> None:
    read = catalogue.read(knowing.get("/v2/models/router").json)

    assert read.order == tuple(CHANCES)
    assert read.facts["unknown"] == CandidateFacts()
    assert {name: read.facts[name] for name in FACTS} == FACTS
