"""The gateway between a client, a real endpoint and a real upstream: bytes, choices, fallbacks, silence about prompts.

The endpoint's router says 0.8 for `strong`, 0.7 for `cheap` and 0.3 for `weak`, whatever the prompt.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from endpoint_process import Endpoint
from local_servers import EVENTS, TOO_LONG, Upstream, closed_port, mute_port, served

from serving import tokens
from serving.gateway import upstreams
from serving.gateway.app import create_app
from serving.gateway.gateway_settings import GatewaySettings

NAMES = ("cheap", "strong", "weak")
SECRET = "the capital of Atlantis"
Ask = Callable[..., httpx.Response]


@pytest.fixture
def called(upstream: tuple[Upstream, str]) -> Upstream:
    """The upstream as if it were new."""
    one = upstream[0]
    one.bodies.clear()
    one.headers.clear()
    one.faults.clear()
    return one


@pytest.fixture
def start(upstream: tuple[Upstream, str], endpoint: Endpoint) -> Iterator[Callable[..., Ask]]:
    """Return a function that starts a gateway and returns one that asks it; all end with the test."""
    with ExitStack() as stack:

        def begin(
            url: str = endpoint.url, address: dict[str, str] | None = None, stream_usage: bool = False, **more: Any
        ) -> Ask:
            catalogue = {
                name: upstreams.Upstream(
                    (address or {}).get(name, upstream[1]) + "/v1",
                    f"org/{name}",
                    key=f"key-of-{name}",
                    timeout_seconds=0.5,
                    stream_usage=stream_usage,
                )
                for name in NAMES
            }
            base = stack.enter_context(served(create_app(catalogue, url, GatewaySettings(**more))))
            client = stack.enter_context(httpx.Client(base_url=base, timeout=30))

            def ask(
                content: str = "What is 2 + 2?", model: str = "auto", headers: dict[str, str] | None = None, **body: Any
            ) -> httpx.Response:
                body = {"model": model, "messages": [{"role": "user", "content": content}]} | body
                return client.post("/v1/chat/completions", json=body, headers=headers)

            ask.client = client  # type: ignore[attr-defined]
            return ask

        yield begin


def test_auto_is_answered_by_the_candidate_that_the_router_names(start: Callable[..., Ask], called: Upstream) -> None:
    answer = start()()

    assert answer.status_code == 200
    assert called.models == ["org/strong"]
    assert answer.headers["x-modelsat-selected-model"] == "strong"
    assert answer.headers["x-modelsat-outcome"] == "routed"
    assert answer.headers["x-modelsat-success-probability"] == "0.8"
    assert answer.headers["x-modelsat-foreign"] == "0"
    assert len(answer.headers["x-modelsat-router-version"]) == 12


@pytest.mark.parametrize("stream", [False, True])
def test_bytes_are_those_of_a_direct_call(
    start: Callable[..., Ask], called: Upstream, upstream: tuple[Upstream, str], stream: bool
) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    direct = httpx.post(f"{upstream[1]}/v1/chat/completions", json={"model": "org/strong", **body})

    through = start()(**body)

    assert through.content == direct.content
    assert through.headers["content-type"] == direct.headers["content-type"]
    assert through.headers["x-ratelimit"] == "9"
    assert "set-cookie" not in through.headers


def test_stream_arrives_event_by_event(start: Callable[..., Ask], called: Upstream) -> None:
    ask = start()
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "stream": True}

    with ask.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        chunks = list(answer.iter_raw())

    assert chunks == list(EVENTS)


def test_fields_that_the_gateway_does_not_know_reach_the_upstream(start: Callable[..., Ask], called: Upstream) -> None:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    sent = {
        "messages": [{"role": "user", "content": parts}],
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "temperature": 0.30000000000000004,
        "seed": 12345678901234567890,
        "an_invention": {"ü": None},
    }

    start()(**sent, modelsat={"cost_weight": 0.1})

    assert called.bodies == [{"model": "org/strong", **sent}]


def test_keys_go_to_their_upstream_and_the_clients_login_goes_nowhere(
    start: Callable[..., Ask], called: Upstream
) -> None:
    start()(headers={"authorization": "Bearer mine", "x-request-id": "id-1"})

    assert called.headers[0]["authorization"] == "Bearer key-of-strong"
    assert called.headers[0]["x-request-id"] == "id-1"
    assert "mine" not in json.dumps(called.headers)


def test_cost_weight_and_patterns_of_candidates_are_the_clients_choice(
    start: Callable[..., Ask], called: Upstream
) -> None:
    ask = start()

    assert ask(modelsat={"cost_weight": 0.5}).headers["x-modelsat-selected-model"] == "cheap"
    assert ask(modelsat={"candidates": ["w*", "ch?ap"]}).headers["x-modelsat-selected-model"] == "cheap"
    assert ask(modelsat={"candidates": ["gpt*"]}).status_code == 400


def test_named_candidate_answers_without_the_router(start: Callable[..., Ask], called: Upstream) -> None:
    with closed_port() as nobody:
        answer = start(nobody)(model="weak")

    assert called.models == ["org/weak"]
    assert answer.headers["x-modelsat-outcome"] == "explicit"


def test_named_candidate_that_fails_is_not_replaced(start: Callable[..., Ask], called: Upstream) -> None:
    called.faults["org/weak"] = "500"

    answer = start()(model="weak")

    assert (answer.status_code, answer.content) == (500, b'{"error": {"message":"no"}}')
    assert called.models == ["org/weak"]


@pytest.mark.parametrize("fault", ["500", "503", "429", "408", "silent"])
def test_next_best_answers_where_the_best_fails(start: Callable[..., Ask], called: Upstream, fault: str) -> None:
    called.faults["org/strong"] = fault

    answer = start()()

    assert answer.status_code == 200
    assert called.models == ["org/strong", "org/cheap"]
    assert answer.headers["x-modelsat-selected-model"] == "cheap"
    assert answer.headers["x-modelsat-outcome"] == "fallback"
    assert answer.headers["x-modelsat-success-probability"] == "0.7"
    assert answer.headers["x-modelsat-reason"] == f"strong: {fault if fault.isdigit() else 'ReadTimeout'}"


def test_next_best_answers_where_the_best_refuses_connections(start: Callable[..., Ask], called: Upstream) -> None:
    with closed_port() as nobody:
        answer = start(address={"strong": nobody})()

    assert called.models == ["org/cheap"]
    assert answer.headers["x-modelsat-reason"] == "strong: ConnectError"


def test_stream_that_breaks_before_its_first_byte_is_answered_by_the_next(
    start: Callable[..., Ask], called: Upstream
) -> None:
    called.faults["org/strong"] = "breaks before 0"

    answer = start()(stream=True)

    assert answer.content == b"".join(EVENTS)
    assert answer.headers["x-modelsat-selected-model"] == "cheap"


def test_stream_that_breaks_later_is_broken_for_the_client_too(start: Callable[..., Ask], called: Upstream) -> None:
    called.faults["org/strong"] = "breaks before 2"

    with pytest.raises(httpx.RemoteProtocolError):
        start()(stream=True)

    assert called.models == ["org/strong"]


@pytest.mark.parametrize("fault", ["400", "422"])
def test_refusal_of_the_request_itself_is_passed_on(start: Callable[..., Ask], called: Upstream, fault: str) -> None:
    called.faults["org/strong"] = fault

    answer = start()()

    assert (answer.status_code, answer.content) == (int(fault), b'{"error": {"message":"no"}}')
    assert called.models == ["org/strong"]


def limits(called: Upstream) -> list[tuple[Any, Any]]:
    return [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in called.bodies]


def test_limit_goes_by_its_new_name_where_an_upstream_asks_for_it_and_from_then_on(
    start: Callable[..., Ask], called: Upstream
) -> None:
    called.faults["org/strong"] = "new name"
    ask = start()

    answers = [ask(max_tokens=7), ask(max_tokens=8)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert called.models == ["org/strong"] * 3
    assert limits(called) == [(7, None), (None, 7), (None, 8)]


def test_upstream_that_no_longer_takes_the_new_name_gets_the_old_one(
    start: Callable[..., Ask], called: Upstream
) -> None:
    called.faults["org/strong"] = "new name"
    ask = start()
    ask(max_tokens=7)
    called.bodies.clear()
    called.faults["org/strong"] = "old name"

    assert [ask(max_tokens=8).status_code, ask(max_tokens=9).status_code] == [200, 200]
    assert limits(called) == [(None, 8), (8, None), (9, None)]


def test_other_refusal_of_an_upstream_that_takes_the_new_name_is_judged_as_it_is(
    start: Callable[..., Ask], called: Upstream
) -> None:
    called.faults["org/strong"] = "new name"
    ask = start()
    ask(max_tokens=7)
    called.bodies.clear()
    called.faults["org/strong"] = "new name, too long"

    named, routed = ask(model="strong", max_tokens=8), ask(max_tokens=9)

    assert (named.status_code, named.json()["error"]["message"]) == (400, TOO_LONG)
    assert (routed.status_code, routed.headers["x-modelsat-selected-model"]) == (200, "cheap")
    assert called.models == ["org/strong", "org/strong", "org/cheap"]
    assert limits(called) == [(None, 8), (None, 9), (9, None)]


def test_last_failure_is_passed_on_with_its_advice(start: Callable[..., Ask], called: Upstream) -> None:
    called.faults |= {"org/strong": "500", "org/cheap": "500", "org/weak": "429"}

    answer = start()()

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_upstreams_that_nobody_reaches_are_a_502_with_a_sentence(start: Callable[..., Ask]) -> None:
    with closed_port() as nobody:
        answer = start(address=dict.fromkeys(NAMES, nobody))()

    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == (
        "no upstream answered: strong (ConnectError), cheap (ConnectError), weak (ConnectError); "
        "try again, or name another model"
    )


@pytest.mark.parametrize("address", [closed_port, mute_port])
def test_router_that_never_answered_is_a_503_with_retry_after(
    start: Callable[..., Ask], called: Upstream, address: Any
) -> None:
    with address() as nobody:
        answer = start(nobody, deadline_seconds=0.2)()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["type"] == "service_unavailable"
    assert called.models == []


def test_best_single_answers_while_the_router_is_away(
    start: Callable[..., Ask], called: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = start()
    ask()
    monkeypatch.setattr("serving.gateway.endpoint._INFER", "/away")

    answer = ask("Another question?")

    assert called.models == ["org/strong", "org/strong"]
    assert answer.headers["x-modelsat-outcome"] == "fallback"
    assert answer.headers["x-modelsat-reason"] == "router endpoint answered 404"


def test_conversation_stays_with_its_candidate_unless_the_gain_is_worth_a_switch(
    start: Callable[..., Ask], called: Upstream
) -> None:
    first = [{"role": "user", "content": "What is 2 + 2?"}]
    more = [*first, {"role": "assistant", "content": "4"}, {"role": "user", "content": "And 3 + 3?"}]
    patient, eager = start(switch_gain=0.15), start(switch_gain=0.05)

    for ask in (patient, eager):
        ask(messages=first, modelsat={"candidates": ["cheap"]})
    stays, leaves = patient(messages=more), eager(messages=more)

    assert (stays.headers["x-modelsat-selected-model"], stays.headers["x-modelsat-outcome"]) == ("cheap", "stayed")
    assert (leaves.headers["x-modelsat-selected-model"], leaves.headers["x-modelsat-outcome"]) == ("strong", "routed")


def test_result_of_a_tool_goes_to_the_candidate_that_called_it(start: Callable[..., Ask], called: Upstream) -> None:
    ask = start(switch_gain=0.0)
    first = [{"role": "user", "content": "What is the weather?"}]
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}

    ask(messages=first, modelsat={"candidates": ["weak"]})
    answer = ask(messages=[*first, call, {"role": "tool", "tool_call_id": "1", "content": "rain"}])

    assert answer.headers["x-modelsat-selected-model"] == "weak"


def test_decision_alone_calls_nobody(start: Callable[..., Ask], called: Upstream) -> None:
    answer = start().client.post("/v1/route", json={"messages": [{"role": "user", "content": "Hi"}]})

    assert called.models == []
    assert answer.json()["model"] == "strong"
    assert answer.json()["order"] == ["strong", "cheap", "weak"]
    assert [row["success_probability"] for row in answer.json()["candidates"]] == pytest.approx([0.8, 0.7, 0.3])


def test_models_are_auto_and_the_candidates(start: Callable[..., Ask]) -> None:
    answer = start().client.get("/v1/models")

    assert [row["id"] for row in answer.json()["data"]] == ["auto", "auto:best", "auto:cheap", *NAMES]


def test_debug_headers_come_when_asked_for(start: Callable[..., Ask], called: Upstream) -> None:
    ask = start()

    shown = ask(headers={"x-modelsat-debug": "true"}).headers

    assert shown["x-modelsat-candidates"].startswith("strong;success=0.8;usd=")
    assert float(shown["x-modelsat-routing-milliseconds"]) > 0
    assert "x-modelsat-candidates" not in ask().headers


def test_only_known_tokens_are_let_in(start: Callable[..., Ask], called: Upstream) -> None:
    ask = start(clients=frozenset({tokens.digest("sesame")}))

    refused = [ask(headers=headers) for headers in ({}, {"authorization": "Bearer open"}, {"authorization": "sesame"})]

    assert [answer.status_code for answer in refused] == [401, 401, 401]
    assert refused[0].json()["error"]["type"] == "authentication_error"
    assert ask.client.get("/v1/models").status_code == 401
    assert ask.client.get("/healthz").json() == {"status": "ok"}
    assert ask(headers={"authorization": "Bearer sesame"}).status_code == 200
    assert called.models == ["org/strong"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the request body is not valid JSON"),
        (b"{", "the request body is not valid JSON"),
        (b"[" * 100_000, "the body nests deeper than 64"),
        (b'{"model": "auto", "messages": [{"role": "user"}], "top_p": NaN}', "the request body is not valid JSON"),
        (b'{"model": "auto", "messages": [{"role": "user"}], "top_p": 1e999}', "the request body is not valid JSON"),
        (b"[]", "the request body is not a JSON object"),
        (b'{"messages": []}', "'model' must be a string"),
        (b'{"model": "auto"}', "'messages' is no list"),
        (b'{"model": "auto", "messages": []}', "'messages' is no list"),
        (b'{"model": "auto", "messages": ["Hi"]}', "'messages' is no list"),
        (
            b'{"model": "auto", "messages": [{}], "modelsat": {"weight": 1}}',
            "'modelsat' does not know 'weight'; it knows",
        ),
        (
            b'{"model": "auto", "messages": [{}], "modelsat": {"cost_weight": true}}',
            "'modelsat': cost_weight True is not",
        ),
        (
            b'{"model": "auto", "messages": [{}], "modelsat": {"cost_weight": 2}}',
            "'modelsat': cost_weight 2 is outside",
        ),
        (b'{"model": "auto", "messages": [{}], "modelsat": {"candidates": []}}', "'candidates' is no list"),
        (
            b'{"model": "auto", "messages": [{}], "modelsat": {"candidates": 7}}',
            "'modelsat': candidates 7 is not a list",
        ),
        (
            b'{"model": "auto", "messages": [{}], "modelsat": {"top_k": 7}}',
            "'modelsat' does not know 'top_k'; it knows",
        ),
    ],
)
def test_malformed_body_is_a_400_with_a_sentence(start: Callable[..., Ask], body: bytes, fault: str) -> None:
    answer = start().client.post("/v1/chat/completions", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["message"].startswith(fault)
    assert answer.headers["x-modelsat-request-id"]


@pytest.mark.parametrize("depth", [100, 300, 450, 480, 900, 940, 960, 980, 2000])
def test_nested_body_is_passed_on_or_refused(start: Callable[..., Ask], called: Upstream, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    content = b'{"model": "auto", "messages": [{"role": "user", "content": "Hi", "x": ' + nested + b"}]}"

    answer = start().client.post("/v1/chat/completions", content=content)

    assert answer.status_code in (200, 400)
    assert (answer.status_code == 200) == bool(called.models)


def test_header_that_no_upstream_can_be_sent_is_left_out(start: Callable[..., Ask], called: Upstream) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}

    answer = start().client.post("/v1/chat/completions", json=body, headers=[(b"accept", b"text/\xe9")])

    assert answer.status_code == 200
    assert called.headers[0]["accept"] == "*/*"


def test_unknown_model_and_path_are_sentences(start: Callable[..., Ask]) -> None:
    ask = start()

    assert ask(model="gpt-9").json()["error"]["message"].startswith("model 'gpt-9' is unknown here")
    assert ask.client.get("/v1/nothing").json()["error"]["message"].startswith("Not Found; this gateway has")


def test_body_beyond_the_limit_is_a_413(
    start: Callable[..., Ask], called: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.gateway.app.MOST_BYTES", 1000)

    assert start()("x" * 1001).status_code == 413
    assert called.models == []


def test_half_a_surrogate_pair_is_routed_and_passed_on(start: Callable[..., Ask], called: Upstream) -> None:
    content = b'{"model": "auto", "messages": [{"role": "user", "content": "What is \\ud83d?"}]}'

    answer = start().client.post("/v1/chat/completions", content=content)

    assert answer.status_code == 200
    assert called.bodies[0]["messages"][0]["content"] == "What is \ud83d?"


def test_neither_prompts_nor_keys_are_in_the_log(
    start: Callable[..., Ask], called: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ask = start(clients=frozenset({tokens.digest("sesame")}))
    called.faults["org/strong"] = "500"

    ask(SECRET, headers={"authorization": "Bearer sesame"})
    ask(SECRET, headers={"authorization": "Bearer wrong"})
    ask(SECRET, headers={"authorization": "Bearer sesame"}, modelsat={"cost_weight": SECRET})

    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("modelsat", "uvicorn"))]
    assert any("fallback cheap 200 strong: 500" in line for line in ours)
    assert not any(word in caplog.text for word in (SECRET, "key-of-", "sesame"))


def test_counters_tell_candidates_and_outcomes(start: Callable[..., Ask], called: Upstream) -> None:
    ask = start()
    called.faults["org/strong"] = "500"

    ask()
    lines = ask.client.get("/metrics").text.splitlines()

    assert 'modelsat_requests_total{model="cheap",outcome="fallback"} 1.0' in lines
    assert 'modelsat_fallbacks_total{model="strong",reason="500"} 1.0' in lines
    assert "modelsat_routing_seconds_count 1.0" in lines


def test_requests_beyond_those_in_flight_are_a_503(
    start: Callable[..., Ask], called: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.gateway.app.MOST_IN_FLIGHT", 0)
    ask = start()

    answer = ask()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert ask.client.get("/healthz").status_code == 200


def test_wish_that_nobody_fulfils_is_the_routers_sentence(start: Callable[..., Ask], called: Upstream) -> None:
    answer = start()(modelsat={"tools": True})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        "no candidate is known to fulfil all that the request asks for; ask for less"
    )
    assert called.models == []


def test_every_preference_is_the_routers_to_weigh(start: Callable[..., Ask], called: Upstream) -> None:
    ask = start()

    chosen = [
        ask(modelsat=wish).headers["x-modelsat-selected-model"]
        for wish in (
            {"policy": "cheapest"},
            {"policy": "cheapest", "min_success_probability": 0.75},
            {"max_cost_usd": 5e-4},
        )
    ]

    assert chosen == ["cheap", "strong", "cheap"]


@pytest.mark.parametrize("query", ["", "=true"])
def test_decision_is_explained_where_that_is_asked_for(start: Callable[..., Ask], called: Upstream, query: str) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    client = start().client

    told = client.post(f"/v1/route?explain{query}", json=body).json()

    assert told["explanation"]["reason"].startswith("strong: 10.0 points more likely to succeed than cheap")
    plain = client.post("/v1/route", json=body).json()
    assert "explanation" not in plain
    assert plain["foreign"] == told["explanation"]["foreign"] == 0.0


def test_gateway_is_ready_with_its_endpoint_or_with_a_best_single(
    start: Callable[..., Ask], called: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = start()
    with closed_port() as nobody:
        waiting = start(nobody, deadline_seconds=0.2).client.get("/readyz")

    assert (waiting.status_code, waiting.headers["retry-after"]) == (503, "1")
    assert ask.client.get("/readyz").status_code == 200
    ask()
    monkeypatch.setattr("serving.gateway.endpoint._READY", "/away")
    assert ask.client.get("/readyz").status_code == 200


@pytest.mark.parametrize("preferences", [{}, {"cost_weight": 0.5}])
def test_gateway_whose_upstreams_the_router_does_not_know_is_not_ready_and_answers_503(
    endpoint: Endpoint, preferences: dict[str, float]
) -> None:
    """A cost weight makes the gateway name its candidates, and the endpoint find fault with them: not the client's."""
    stranger = {"stranger": upstreams.Upstream("http://127.0.0.1:1/v1", "stranger")}
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "modelsat": preferences}

    with served(create_app(stranger, endpoint.url)) as base:
        ready = httpx.get(f"{base}/readyz")
        answer = httpx.post(f"{base}/v1/chat/completions", json=body)
        still = httpx.get(f"{base}/readyz")

    assert (ready.status_code, answer.status_code, still.status_code) == (503, 503, 503)
    for one in (ready, answer, still):
        sentence = one.json()["error"]["message"]
        assert sentence == "no allowed candidate of the router has an upstream; add one to the gateway's file"


def test_fault_of_a_client_s_own_preferences_stays_a_400(start: Callable[..., Ask], called: Upstream) -> None:
    assert start()(modelsat={"cost_weight": 0.5, "quality_floor": 5}).status_code == 400


def test_gateway_whose_token_the_endpoint_refuses_is_not_ready(
    start: Callable[..., Ask], start_endpoint: Callable[..., Endpoint], three: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = start_endpoint("--bundle", str(three[0]), environment={"MODELSAT_ENDPOINT_TOKENS": "sesame"})
    ask = start(closed.url)

    monkeypatch.setenv("MODELSAT_ENDPOINT_TOKEN", "wrong")
    refused = ask.client.get("/readyz")  # type: ignore[attr-defined]
    monkeypatch.setenv("MODELSAT_ENDPOINT_TOKEN", "sesame")
    let_in = ask.client.get("/readyz")  # type: ignore[attr-defined]

    assert (refused.status_code, let_in.status_code) == (503, 200)
    assert "set MODELSAT_ENDPOINT_TOKEN" in refused.json()["error"]["message"]


def test_client_beyond_its_pace_is_a_429(start: Callable[..., Ask], called: Upstream) -> None:
    ask = start(per_minute=6)

    answers = [ask() for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(answers[1].headers["retry-after"]) <= 10


def test_id_of_a_request_is_known_to_gateway_endpoint_and_upstream(
    start: Callable[..., Ask], called: Upstream, endpoint: Endpoint
) -> None:
    answer = start()(headers={"x-request-id": "seen-everywhere"})

    assert answer.headers.get_list("x-modelsat-request-id") == ["seen-everywhere"]
    assert called.headers[0]["x-request-id"] == "seen-everywhere"
    endpoint.wait_until_said("seen-everywhere")


def test_dearest_candidate_is_held_back_from_a_client_that_has_it_too_often(
    start: Callable[..., Ask], called: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.gateway.escalation.LEAST", 3)
    ask = start(max_premium_share=0.5)

    outcomes = [ask(f"Question {i}?").headers["x-modelsat-outcome"] for i in range(4)]
    lines = ask.client.get("/metrics").text.splitlines()

    assert outcomes == ["routed", "routed", "routed", "held back"]
    assert called.models[-1] == "org/cheap"
    assert "modelsat_dearest_share_max 1.0" in lines
    assert "modelsat_escalations_total 1.0" in lines


def test_expected_cost_stands_beside_that_of_the_best_single(start: Callable[..., Ask], called: Upstream) -> None:
    """`cheap` costs a tenth of `strong`, which is best on average."""
    ask = start()

    ask(modelsat={"candidates": ["cheap"]})
    ask()
    told = {
        line.split(" ")[0]: float(line.split(" ")[1])
        for line in ask.client.get("/metrics").text.splitlines()
        if line.startswith("modelsat_expected_cost")
    }

    strong = told['modelsat_expected_cost_usd_total{model="strong"}']
    assert 'modelsat_expected_cost_usd_total{model="cheap"}' not in told
    assert told["modelsat_expected_cost_of_best_single_usd_total"] == strong > 0


def test_stream_is_counted_where_its_upstream_may_be_asked_and_the_client_gets_the_same_bytes(
    start: Callable[..., Ask], called: Upstream
) -> None:
    ask = start(stream_usage=True)

    answer = ask(stream=True, headers={"accept-encoding": "gzip"})
    told = ask.client.get("/metrics").text.splitlines()

    assert answer.content == b"".join(EVENTS)
    assert called.bodies[-1]["stream_options"] == {"include_usage": True}
    assert 'modelsat_tokens_total{kind="answer",model="strong"} 200.0' in told


def test_stream_that_nobody_asks_for_usage_is_counted_as_such(start: Callable[..., Ask], called: Upstream) -> None:
    ask = start()

    ask(stream=True)

    assert "stream_options" not in called.bodies[-1]
    told = ask.client.get("/metrics").text.splitlines()
    assert 'modelsat_answers_without_usage_total{model="strong"} 1.0' in told
