"""The hook for LiteLLM's proxy, against a real gateway; LiteLLM itself is no dependency, so its interface stands in."""

import asyncio
import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from endpoint_process import Endpoint
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from local_servers import closed_port, served

from serving import tokens
from serving.gateway import litellm_hook
from serving.gateway.app import create_app
from serving.gateway.gateway_settings import GatewaySettings
from serving.gateway.upstreams import Upstream

MESSAGES = [{"role": "user", "content": "What is 2 + 2?"}]


@pytest.fixture
def gateway(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a gateway, which the environment names with a token."""
    catalogue = {name: Upstream("http://127.0.0.1:1", name) for name in ("cheap", "strong")}
    with served(create_app(catalogue, endpoint.url, GatewaySettings(frozenset({tokens.digest("sesame")})))) as url:
        monkeypatch.setenv("MODELSAT_GATEWAY_URL", url)
        monkeypatch.setenv("MODELSAT_GATEWAY_TOKEN", "sesame")
        monkeypatch.delenv("MODELSAT_DEFAULT_MODEL", raising=False)
        yield url


def routed(data: dict[str, Any], call_type: str = "acompletion") -> Any:
    return asyncio.run(litellm_hook.routed(data, call_type))


def test_auto_becomes_the_candidate_that_modelsat_names(gateway: str) -> None:
    data = {"model": "auto", "messages": MESSAGES, "stream": True, "modelsat": {"cost_weight": 0.5}}

    assert routed(data) == {"model": "cheap", "messages": MESSAGES, "stream": True}


@pytest.mark.parametrize(
    ("call_type", "body"),
    [
        ("aresponses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "What is 2 + 2?"}]}]}),
        ("anthropic_messages", {"messages": MESSAGES, "system": "Be brief.", "max_tokens": 9}),
    ],
)
def test_responses_and_messages_are_routed_too(gateway: str, call_type: str, body: dict[str, Any]) -> None:
    assert routed({"model": "auto", "modelsat": {"cost_weight": 0.5}, **body}, call_type) == {"model": "cheap", **body}


def test_other_models_and_other_calls_are_left_alone(gateway: str) -> None:
    named = {"model": "strong", "messages": MESSAGES}
    embedding = {"model": "auto", "input": "text"}

    assert routed(named) is named
    assert routed(embedding, "aembedding") is embedding


def test_default_answers_where_the_gateway_does_not(gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as nobody:
        monkeypatch.setenv("MODELSAT_GATEWAY_URL", nobody)
        without = routed({"model": "auto", "messages": MESSAGES})
        monkeypatch.setenv("MODELSAT_DEFAULT_MODEL", "cheap")
        with_default = routed({"model": "auto", "messages": MESSAGES})

    assert (without["model"], with_default["model"]) == ("auto", "cheap")


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("MODELSAT_GATEWAY_TOKEN", "wrong", "refuses the token (HTTP 401); set MODELSAT_GATEWAY_TOKEN"),
        ("MODELSAT_GATEWAY_URL", "", "MODELSAT_GATEWAY_URL is not set"),
        ("MODELSAT_GATEWAY_URL", "{url}/v1", "has no /v1/route (HTTP 404)"),
        ("MODELSAT_GATEWAY_URL", "{nobody}", "does not answer (ConnectError); check MODELSAT_GATEWAY_URL"),
        ("MODELSAT_GATEWAY_URL", "{page}", "is no gateway of modelsat (JSONDecodeError); correct the address"),
    ],
)
def test_each_failure_is_logged_with_its_remedy_and_without_token_or_prompt(
    gateway: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    setting: str,
    value: str,
    remedy: str,
) -> None:
    page = FastAPI()
    page.add_api_route("/v1/route", lambda: HTMLResponse("<title>Log in</title>"), methods=["POST"])
    with closed_port() as nobody, served(page) as login:
        monkeypatch.setenv(setting, value.format(url=gateway, nobody=nobody, page=login))
        data = routed({"model": "auto", "messages": MESSAGES})

    assert data["model"] == "auto"
    (record,) = [one for one in caplog.records if one.name == "modelsat.litellm"]
    assert record.levelname == "ERROR"
    assert remedy in record.getMessage()
    assert "MODELSAT_DEFAULT_MODEL would name a stand-in" in record.getMessage()
    assert not [word for word in ("sesame", "wrong", "2 + 2") if word in record.getMessage()]


def test_refusal_of_the_gateway_is_logged_in_its_own_words(gateway: str, caplog: pytest.LogCaptureFixture) -> None:
    routed({"model": "auto", "messages": MESSAGES, "modelsat": {"cost_weight": 7}})

    assert "(HTTP 400): " in caplog.text
    assert "cost_weight" in caplog.text


def test_refused_token_is_no_answer(gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSAT_GATEWAY_TOKEN", "wrong")

    assert routed({"model": "auto", "messages": MESSAGES})["model"] == "auto"


def test_hook_is_a_custom_logger_that_litellm_calls_before_a_request(
    gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CustomLogger:
        pass

    stand_in = types.ModuleType("litellm.integrations.custom_logger")
    stand_in.CustomLogger = CustomLogger  # type: ignore[attr-defined]
    for name in ("litellm", "litellm.integrations"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)

    hook = importlib.import_module("serving.gateway.litellm_hook").hook
    data = asyncio.run(hook.async_pre_call_hook(None, None, {"model": "auto", "messages": MESSAGES}, "acompletion"))

    assert isinstance(hook, CustomLogger)
    assert data["model"] == "strong"
