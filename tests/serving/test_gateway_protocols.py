"""OpenAI's responses and Anthropic's messages through the gateway, with the clients that people use.

The endpoint's router says 0.8 for `strong`, 0.7 for `cheap` and 0.3 for `weak`, whatever the prompt; `strong` speaks
chat completions alone, so agents get `cheap`.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import httpx
import openai
import pytest
from agent_upstream import AgentUpstream
from endpoint_process import Endpoint
from local_servers import served

from serving import tokens
from serving.gateway import upstreams
from serving.gateway.app import create_app
from serving.gateway.gateway_settings import GatewaySettings

ASK = [{"role": "user", "content": "Greet me from the capital of Switzerland."}]
PLACE = {"type": "object", "properties": {"place": {"type": "string"}}}
TOOL = {"name": "weather", "description": "Weather of a place.", "input_schema": PLACE}
FUNCTION = {"type": "function", "name": "weather", "description": "Weather of a place.", "parameters": PLACE}
SPOKEN = {"strong": ("chat",), "cheap": ("chat", "messages", "responses"), "weak": ("messages", "responses")}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/messages": {"messages": ASK, "max_tokens": 100},
    "/v1/responses": {"input": ASK},
}
STREAM = pytest.mark.parametrize("stream", [False, True])
PATH = pytest.mark.parametrize("path", list(BODIES))


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[AgentUpstream, str]]:
    upstream = AgentUpstream()
    with served(upstream.app()) as url:
        yield upstream, url


@pytest.fixture
def called(running: tuple[AgentUpstream, str]) -> AgentUpstream:
    """The upstream as if it were new."""
    running[0].calls.clear()
    running[0].faults.clear()
    return running[0]


@pytest.fixture
def start(running: tuple[AgentUpstream, str], endpoint: Endpoint) -> Iterator[Callable[..., str]]:
    """Return a function that starts a gateway and returns its address."""
    with ExitStack() as stack:

        def begin(spoken: dict[str, tuple[str, ...]] = SPOKEN, **settings: Any) -> str:
            catalogue = {
                name: upstreams.Upstream(
                    f"{running[1]}/v1", name, f"key-of-{name}", 5.0, protocols={one: {} for one in protocols}
                )
                for name, protocols in spoken.items()
            }
            told = GatewaySettings(frozenset({tokens.digest("sesame")}), source="agents.yaml", **settings)
            return stack.enter_context(served(create_app(catalogue, endpoint.url, told)))

        yield begin


@pytest.fixture
def gateway(start: Callable[..., str]) -> str:
    return start()


def post(gateway: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    login = {"authorization": "Bearer sesame"} | (headers or {})
    return httpx.post(gateway + path, json={"model": "auto", **BODIES.get(path, {}), **body}, headers=login, timeout=30)


def metrics(gateway: str) -> dict[str, float]:
    lines = httpx.get(f"{gateway}/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def said(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@STREAM
def test_anthropics_client_is_answered_sync_and_async(gateway: str, called: AgentUpstream, stream: bool) -> None:
    sync = anthropic.Anthropic(base_url=gateway, api_key="sesame", max_retries=0)
    asked = {"model": "auto", "max_tokens": 100, "messages": ASK}

    def ask() -> Any:
        if not stream:
            return sync.messages.create(**asked)
        with sync.messages.stream(**asked) as events:
            assert "".join(events.text_stream) == "Grüße aus Bern"
            return events.get_final_message()

    async def ask_async() -> Any:
        async with anthropic.AsyncAnthropic(base_url=gateway, auth_token="sesame", max_retries=0) as client:
            if not stream:
                return await client.messages.create(**asked)
            async with client.messages.stream(**asked) as events:
                return await events.get_final_message()

    with sync:
        answers = [ask(), asyncio.run(ask_async())]

    assert [(said(one), one.model, one.usage.output_tokens) for one in answers] == [("Grüße aus Bern", "cheap", 7)] * 2
    assert [path for path, _, _ in called.calls] == ["/v1/messages"] * 2


@STREAM
def test_openais_client_gets_responses_sync_and_async(gateway: str, called: AgentUpstream, stream: bool) -> None:
    asked = {"model": "auto", "input": "Greet me from Bern."}

    def ask() -> Any:
        with openai.OpenAI(base_url=f"{gateway}/v1", api_key="sesame", max_retries=0) as client:
            if not stream:
                return client.responses.create(**asked)
            with client.responses.stream(**asked) as events:
                assert [one.delta for one in events if one.type == "response.output_text.delta"] == [
                    "Grüße",
                    " aus Bern",
                ]
                return events.get_final_response()

    async def ask_async() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{gateway}/v1", api_key="sesame", max_retries=0) as client:
            if not stream:
                return await client.responses.create(**asked)
            async with client.responses.stream(**asked) as events:
                return await events.get_final_response()

    answers = [ask(), asyncio.run(ask_async())]

    assert [(one.output_text, one.model, one.usage.output_tokens) for one in answers] == [
        ("Grüße aus Bern", "cheap", 7)
    ] * 2
    assert [path for path, _, _ in called.calls] == ["/v1/responses"] * 2


def test_tool_of_a_message_is_answered_by_who_called_it(gateway: str, called: AgentUpstream) -> None:
    with anthropic.Anthropic(base_url=gateway, api_key="sesame", max_retries=0) as client:
        asked = {"model": "auto", "max_tokens": 100, "tools": [TOOL]}
        first = client.messages.create(messages=ASK, extra_body={"modelsat": {"candidates": ["weak"]}}, **asked)
        (call,) = first.content
        # As Claude Code does: a mark that moves, a reminder behind the result, a system message at the end.
        result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "rain"}],
                  "cache_control": {"type": "ephemeral"}}  # fmt: skip
        history = [*ASK, {"role": "assistant", "content": [call.model_dump()]}, {"role": "user", "content": [result]}]
        second = client.messages.with_raw_response.create(messages=history, **asked)

    assert call.input == {"place": "Bern"}
    assert called.models == ["weak", "weak"]
    assert second.headers["x-modelsat-outcome"] == "stayed"
    assert called.calls[1][2]["messages"] == json.loads(json.dumps(history))


def test_tool_of_a_response_is_answered_by_who_called_it(gateway: str, called: AgentUpstream) -> None:
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key="sesame", max_retries=0) as client:
        asked: dict[str, Any] = {"model": "auto", "tools": [FUNCTION], "store": False}
        first = client.responses.create(input=ASK, extra_body={"modelsat": {"candidates": ["weak"]}}, **asked)
        (call,) = first.output
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        second = client.responses.create(input=[*ASK, call.model_dump(), result], **asked)

    assert (call.name, call.arguments) == ("weather", '{"place": "Bern"}')
    assert (second.output_text, called.models) == ("Grüße aus Bern", ["weak", "weak"])


@PATH
@STREAM
def test_bytes_are_those_of_a_direct_call(
    gateway: str, called: AgentUpstream, running: tuple[AgentUpstream, str], path: str, stream: bool
) -> None:
    direct = httpx.post(running[1] + path, json={"model": "cheap", **BODIES[path], "stream": stream})

    through = post(gateway, path, stream=stream)

    assert through.content == direct.content
    assert through.headers["content-type"] == direct.headers["content-type"]
    assert through.headers["x-modelsat-selected-model"] == "cheap"


def test_headers_of_a_protocol_reach_the_upstream_and_the_clients_token_does_not(
    gateway: str, called: AgentUpstream
) -> None:
    sent = {"x-api-key": "sesame", "anthropic-version": "2023-06-01", "anthropic-beta": "effort-2025-11-24"}

    answer = httpx.post(
        f"{gateway}/v1/messages?beta=true&x=1", json={"model": "auto", **BODIES["/v1/messages"]}, headers=sent
    )

    path, headers, _ = called.calls[0]
    assert answer.status_code == 200
    assert path == "/v1/messages?beta=true"
    assert (headers["anthropic-version"], headers["anthropic-beta"]) == ("2023-06-01", "effort-2025-11-24")
    assert (headers["x-api-key"], headers["authorization"]) == ("key-of-cheap", "Bearer key-of-cheap")
    assert "sesame" not in json.dumps(headers)


def test_anthropic_itself_gets_its_key_in_its_own_header_alone() -> None:
    from serving.gateway.protocols.known import BY_NAME

    login = BY_NAME["messages"].login

    assert login(upstreams.Upstream("https://api.anthropic.com/v1", "c").address, "k") == {"x-api-key": "k"}
    assert login(upstreams.Upstream("http://127.0.0.1:1/v1", "c").address, "") == {}


def test_tokens_are_counted_by_the_candidate_that_has_the_conversation(gateway: str, called: AgentUpstream) -> None:
    with anthropic.Anthropic(base_url=gateway, api_key="sesame", max_retries=0) as client:
        before = client.messages.count_tokens(model="auto", messages=ASK)
        client.messages.create(
            model="auto", max_tokens=9, messages=ASK, extra_body={"modelsat": {"candidates": ["weak"]}}
        )
        history = [*ASK, {"role": "assistant", "content": "Grüße aus Bern"}, *ASK]
        after = client.messages.with_raw_response.count_tokens(model="auto", messages=history)

    assert before.input_tokens == 20
    assert called.models == ["cheap", "weak", "weak"]
    assert after.headers["x-modelsat-outcome"] == "counted"
    assert metrics(gateway)['modelsat_tokens_total{kind="answer",model="weak"}'] == 7


def test_upstream_that_cannot_count_tokens_goes_on_answering(gateway: str, called: AgentUpstream) -> None:
    called.faults = {"cheap": "404", "weak": "404"}
    refused = post(gateway, "/v1/messages/count_tokens", messages=ASK)
    called.faults.clear()

    assert (refused.status_code, refused.json()["type"]) == (502, "error")
    assert post(gateway, "/v1/messages").headers["x-modelsat-selected-model"] == "cheap"


@PATH
@pytest.mark.parametrize("fault", ["529", "stream"])
def test_next_that_speaks_the_protocol_answers_where_one_fails(
    gateway: str, called: AgentUpstream, path: str, fault: str
) -> None:
    called.faults = {"cheap": fault}

    answer = post(gateway, path, stream=True)

    assert (answer.status_code, called.models) == (200, ["cheap", "weak"])
    assert answer.headers["x-modelsat-outcome"] == "fallback"
    assert "aus Bern" in answer.text


@PATH
@STREAM
def test_usage_is_counted_with_what_came_from_the_cache(
    gateway: str, called: AgentUpstream, path: str, stream: bool
) -> None:
    post(gateway, path, stream=stream)

    told = metrics(gateway)
    kinds = {
        kind: told[f'modelsat_tokens_total{{kind="{kind}",model="cheap"}}'] for kind in ("prompt", "cached", "answer")
    }
    assert kinds == {"prompt": 15, "cached": 5, "answer": 7}


@PATH
def test_protocol_that_nobody_speaks_is_a_sentence_that_names_the_file(
    start: Callable[..., str], called: AgentUpstream, path: str
) -> None:
    gateway = start({"strong": ("chat",), "cheap": ("chat",)})

    answers = [post(gateway, path), post(gateway, path, model="strong")]

    assert [one.status_code for one in answers] == [400, 400]
    name = path.removeprefix("/v1/")
    assert f"no allowed candidate speaks the protocol '{name}'" in answers[0].text
    assert f"'strong' does not speak the protocol '{name}'" in answers[1].text
    assert all("'protocols' of its entry in agents.yaml" in one.text for one in answers)


def test_refusals_are_the_exceptions_of_anthropics_client(gateway: str, called: AgentUpstream) -> None:
    def ask(model: str = "auto", key: str = "sesame", **more: Any) -> Any:
        with anthropic.Anthropic(base_url=gateway, api_key=key, max_retries=0) as client:
            return client.messages.create(**{"model": model, "max_tokens": 9, "messages": ASK} | more)

    with pytest.raises(anthropic.AuthenticationError) as unknown:
        ask(key="wrong")
    with pytest.raises(anthropic.NotFoundError) as missing:
        ask(model="nobody")
    with pytest.raises(anthropic.BadRequestError) as malformed:
        ask(messages=[])
    assert unknown.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]
    assert "nobody" in missing.value.body["error"]["message"]  # type: ignore[index]
    assert malformed.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]
    too_long = httpx.post(f"{gateway}/v1/messages", content=b" " * (20 * 2**20 + 1), headers={"x-api-key": "sesame"})
    assert (too_long.status_code, too_long.json()["error"]["type"]) == (413, "request_too_large")


def test_refusals_are_the_exceptions_of_openais_client(gateway: str, called: AgentUpstream) -> None:
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key="sesame", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="'input' is neither a text nor a list"):
            client.responses.create(model="auto", input=[])
        with pytest.raises(openai.BadRequestError, match="'background' needs"):
            client.responses.create(model="auto", input="Hi", background=True)
        with pytest.raises(openai.NotFoundError, match="nobody"):
            client.responses.create(model="nobody", input="Hi")


def test_models_are_listed_as_anthropics_client_reads_them(gateway: str) -> None:
    with anthropic.Anthropic(base_url=gateway, api_key="sesame", max_retries=0) as client:
        assert [one.id for one in client.models.list()] == ["auto", "auto:best", "auto:cheap", *SPOKEN]


@STREAM
def test_response_is_gone_on_with_by_who_keeps_it(gateway: str, called: AgentUpstream, stream: bool) -> None:
    first = post(gateway, "/v1/responses", modelsat={"candidates": ["weak"]}, stream=stream)
    second = post(gateway, "/v1/responses", previous_response_id="resp_weak", input="And now from Basel?")
    of_another_client = post(gateway, "/v1/responses", previous_response_id="resp_other")
    named = post(gateway, "/v1/responses", model="cheap", previous_response_id="resp_other")

    assert first.status_code == second.status_code == named.status_code == 200
    assert called.models == ["weak", "weak", "cheap"]
    assert second.headers["x-modelsat-outcome"] == "stayed"
    assert of_another_client.status_code == 400
    assert "send the whole conversation in 'input', or name the model" in of_another_client.json()["error"]["message"]


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("messages", {"messages": ASK, "system": "Be brief."}),
        ("responses", {"input": ASK}),
        ("chat", {"messages": ASK}),
    ],
)
def test_decision_alone_reads_each_protocol_and_leaves_the_call_to_others(
    gateway: str, called: AgentUpstream, protocol: str, body: dict[str, Any]
) -> None:
    answer = post(gateway, f"/v1/route?protocol={protocol}", **body)

    assert answer.json()["model"] == "strong"
    assert called.calls == []
    assert "'protocol' is one of chat, responses, messages" in post(gateway, "/v1/route?protocol=soap", **body).text
