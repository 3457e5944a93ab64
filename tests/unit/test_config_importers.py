"""Configurations of other gateways become catalogues: LiteLLM's proxy and vLLM's semantic router."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from modelsat.data import catalogue
from modelsat.data.importers import litellm_proxy, model_lists, vllm_sr_config
from modelsat.errors import InputError

PROXY = """
model_list:
  - model_name: large
    litellm_params:
      model: hosted_vllm/Qwen/Qwen2.5-72B-Instruct
      api_base: https://llm.example.com/v1
      api_key: os.environ/QWEN_API_KEY
      input_cost_per_token: 9e-07
      timeout: 300
    model_info: {max_input_tokens: 131072, output_cost_per_token: 0.0000018, supports_vision: true}
  - model_name: large
    litellm_params: {model: hosted_vllm/Qwen/Qwen2.5-72B-Instruct, api_base: "https://second.example.com/v1"}
  - {model_name: small, litellm_params: {model: openai/gpt-4o-mini, api_key: sk-1234567890}}
  - {model_name: claude, litellm_params: {model: anthropic/claude-sonnet, api_key: os.environ/AWS_SECRET_ACCESS_KEY}}
  - {model_name: vectors, litellm_params: {model: openai/embed}, model_info: {mode: embedding}}
  - {model_name: "openai/*", litellm_params: {model: "openai/*"}}
litellm_settings: {callbacks: litellm_hook.hook}
"""


def read(text: str, **how: Any) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Return the candidates of a YAML file by name, without what is missing, and the sentences beside them."""
    found = model_lists.read(model_lists.decoded(text.encode(), "config.yaml"), **how)
    rows = [{name: value for name, value in row.items() if value is not None} for row in found.candidates.to_pylist()]
    return {row["candidate"]: row for row in rows}, found.notes


def test_deployment_of_litellm_is_asked_where_it_answers_by_its_name_there() -> None:
    rows, _ = read(PROXY)

    assert rows["large"] == {
        "candidate": "large",
        "served_as": "Qwen/Qwen2.5-72B-Instruct",
        "aliases": ["Qwen/Qwen2.5-72B-Instruct"],
        "endpoint": "https://llm.example.com/v1",
        "api_key_env": "QWEN_API_KEY",
        "price_in": 0.9,
        "price_out": 1.8,
        "context_length": 131072,
        "modalities": ["image"],
        "timeout_seconds": 300,
    }
    assert (rows["small"]["endpoint"], rows["small"]["served_as"]) == ("https://api.openai.com/v1", "gpt-4o-mini")


def test_what_is_not_taken_over_of_litellm_is_said_and_no_key_is_repeated() -> None:
    rows, notes = read(PROXY)

    assert list(rows) == ["large", "small", "claude"]
    assert "endpoint" not in rows["claude"]
    assert not any("api_key_env" in rows[name] for name in ("small", "claude"))
    assert [part for part in ("'large': it has 2 deployments", "'small': its key stands in the file",
                              "'claude': 'anthropic/claude-sonnet' is not known to answer over OpenAI's protocol",
                              "variables that begin with AWS_", "'vectors' answers no chat: its mode is 'embedding'",
                              "'openai/*' is a pattern") if not any(part in note for note in notes)] == []  # fmt: skip
    assert "sk-1234567890" not in " ".join(notes)


def test_proxy_itself_answers_for_all_its_names() -> None:
    rows, notes = read(PROXY, endpoint="http://proxy:4000/v1", api_key_env="LITELLM_API_KEY")

    told = {(row["served_as"], row["endpoint"], row["api_key_env"]) for row in rows.values()}
    assert told == {(name, "http://proxy:4000/v1", "LITELLM_API_KEY") for name in ("large", "small", "claude")}
    assert not any("deployments" in note for note in notes)


SEMANTIC_ROUTER = """
version: v0.3
providers:
  models:
    - name: qwen3-8b
      provider_model_id: qwen3-8b-instruct
      pricing: {currency: USD, prompt_per_1m: 0.18, cached_input_per_1m: 0.04, completion_per_1m: 0.42}
      backend_refs:
        - {endpoint: "127.0.0.1:8000", protocol: http, api_key_env: QWEN_API_KEY}
        - {endpoint: "127.0.0.1:8004", protocol: http}
    - name: remote
      api_format: anthropic
      pricing: {currency: EUR, prompt_per_1m: 1.0}
      backend_refs: [{base_url: "https://api.example.com/v1", api_key: static-demo-key}]
    - {name: painter, backend_refs: [{endpoint: "127.0.0.1:8003"}]}
    - {name: from-the-catalogue, catalog: vllm-sr/mom-v1-lite}
routing:
  modelCards:
    - {name: qwen3-8b, released_at: 2025-04-29, context_window_size: 131072, capabilities: [chat, tools]}
    - {name: painter, modality: diffusion}
"""


def test_model_of_the_semantic_router_brings_its_first_backend_its_prices_and_its_card() -> None:
    rows, notes = read(SEMANTIC_ROUTER)

    assert rows["qwen3-8b"] == {
        "candidate": "qwen3-8b",
        "served_as": "qwen3-8b-instruct",
        "aliases": ["qwen3-8b-instruct"],
        "endpoint": "http://127.0.0.1:8000/v1",
        "api_key_env": "QWEN_API_KEY",
        "price_in": 0.18,
        "price_out": 0.42,
        "price_cached_in": 0.04,
        "context_length": 131072,
        "released_at": date(2025, 4, 29),
        "tools": True,
    }
    assert any("'qwen3-8b': it has 2 backends" in note for note in notes)


def test_what_is_not_taken_over_of_the_semantic_router_is_said() -> None:
    rows, notes = read(SEMANTIC_ROUTER)

    assert list(rows) == ["qwen3-8b", "remote"]
    assert "price_in" not in rows["remote"]
    said = " ".join(notes)
    for part in ("prices are in EUR", "'painter' makes images", "'from-the-catalogue' has no backend", "key stands in"):
        assert part in said
    assert "static-demo-key" not in said


def test_older_shape_of_the_semantic_router_is_read_as_well() -> None:
    rows, _ = read(
        """
vllm_endpoints:
  - {name: one, address: 10.0.0.1, port: 8000}
  - {name: two, address: 10.0.0.2, port: 8001}
model_config:
  phi4: {preferred_endpoints: [two], pricing: {prompt_per_1m: 0.07, completion_per_1m: 0.35}}
"""
    )

    assert (rows["phi4"]["endpoint"], rows["phi4"]["price_out"]) == ("http://10.0.0.2:8001/v1", 0.35)


@pytest.mark.parametrize("text", [PROXY, SEMANTIC_ROUTER])
def test_import_is_a_catalogue_whose_every_row_can_be_used(text: str, tmp_path: Path) -> None:
    found = model_lists.read(model_lists.decoded(text.encode(), "config.yaml"))
    catalogue.write(found.candidates, tmp_path / "catalogue.yaml")

    again, faults = catalogue.usable(str(tmp_path / "catalogue.yaml"))

    assert faults == []
    assert again.to_pylist() == found.candidates.to_pylist()


def test_each_claims_its_own_configuration_alone() -> None:
    proxy, router = (model_lists.decoded(text.encode(), "c.yml") for text in (PROXY, SEMANTIC_ROUTER))

    assert (litellm_proxy.claims(proxy), litellm_proxy.claims(router)) == (True, False)
    assert (vllm_sr_config.claims(proxy), vllm_sr_config.claims(router)) == (False, True)
    assert not any(one.claims({"data": [{"id": "a"}]}) for one in (litellm_proxy, vllm_sr_config))


def test_broken_yaml_is_named() -> None:
    with pytest.raises(InputError, match=r"'config\.yaml' is not valid YAML"):
        model_lists.decoded(b"model_list: [", "config.yaml")
