"""Other people's lists of models become catalogues."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelsat.data import catalogue
from modelsat.data.importers import litellm, mlflow_models, model_lists, openrouter
from modelsat.errors import InputError
from modelsat.io import mlflow_registry

MODEL: Mapping[str, Any] = {
    "id": "openai/gpt-4o",
    "canonical_slug": "openai/gpt-4o-2024-05-13",
    "hugging_face_id": "",
    "name": "OpenAI: GPT-4o",
    "created": 1715558400,
    "context_length": 128000,
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "pricing": {"prompt": "0.0000025", "completion": "0.00001", "image": "0.003613"},
    "supported_parameters": ["temperature", "tools"],
}


def test_model_of_openrouter_becomes_a_candidate() -> None:
    (row,) = openrouter.read({"data": [MODEL]}).candidates.to_pylist()

    assert {name: value for name, value in row.items() if value is not None} == {
        "candidate": "openai/gpt-4o",
        "family": "openai",
        "released_at": date(2024, 5, 13),
        "context_length": 128000,
        "price_in": 2.5,
        "price_out": 10.0,
        "endpoint": "https://openrouter.ai/api/v1",
        "aliases": ["openai/gpt-4o-2024-05-13"],
        "modalities": ["image"],
        "tools": True,
        "served_as": "openai/gpt-4o",
        "api_key_env": "OPENROUTER_API_KEY",
        "reasoning": False,
    }


@pytest.mark.parametrize("price", ["-1", "", None, "NaN"])
def test_price_that_depends_is_not_known_and_never_free(price: object) -> None:
    (row,) = openrouter.read([{**MODEL, "pricing": {"prompt": price, "completion": "0"}}]).candidates.to_pylist()

    assert (row["price_in"], row["price_out"]) == (None, 0.0)


def test_entry_that_cannot_be_used_is_left_out_with_a_sentence() -> None:
    painter = {**MODEL, "id": "org/painter", "architecture": {"output_modalities": ["image"]}}

    found = openrouter.read({"data": [MODEL, painter, {"name": "no id"}, {**MODEL, "pricing": {"prompt": "cheap"}}]})

    assert found.candidates["candidate"].to_pylist() == ["openai/gpt-4o"]
    assert [note.partition(":")[0] for note in found.notes] == [
        "model 2 of the list is left out",
        "model 3 of the list is left out",
        "model 4 of the list is left out",
    ]
    assert "'org/painter' writes no text" in found.notes[0]


def test_alias_of_two_models_is_an_alias_of_none() -> None:
    twin = {**MODEL, "id": "openai/gpt-4o:free"}

    assert openrouter.read([MODEL, twin]).candidates["aliases"].to_pylist() == [None, None]


def test_id_that_is_no_usable_name_stays_as_an_alias_and_at_the_endpoint() -> None:
    (row,) = openrouter.read([{**MODEL, "id": "~org/some model"}]).candidates.to_pylist()

    assert (row["candidate"], row["served_as"]) == ("org/some-model", "~org/some model")
    assert "~org/some model" in row["aliases"]


@pytest.mark.parametrize("listed", [{}, [], {"data": "x"}, {"error": {"code": 401}}, None])
def test_what_is_no_model_list_is_refused(listed: object) -> None:
    with pytest.raises(InputError, match="this is no model list; save what GET /api/v1/models answers"):
        openrouter.read(listed)


@pytest.mark.parametrize("name", ["catalogue.yaml", "catalogue.parquet"])
def test_imported_catalogue_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    imported = openrouter.read([MODEL, {**MODEL, "id": "b/other", "canonical_slug": None, "created": None}]).candidates

    catalogue.write(imported, tmp_path / name)

    assert catalogue.read(str(tmp_path / name)).equals(imported)


class Registry:
    """What `MlflowClient` gives of registered models, one to a page."""

    def __init__(self, *models: SimpleNamespace, versions: Mapping[str, list[int]]) -> None:
        self.models, self.versions = models, versions

    def search_registered_models(self, page_token: str | None = None) -> Any:
        at = int(page_token or 0)
        page = Page(self.models[at : at + 1])
        page.token = str(at + 1) if at + 1 < len(self.models) else None
        return page

    def search_model_versions(self, filter_string: str, page_token: str | None = None) -> Any:
        name = filter_string.removeprefix("name = ")[1:-1]
        page = Page(SimpleNamespace(name=name, version=str(version)) for version in self.versions.get(name, []))
        page.token = page_token
        return page


class Page(list[SimpleNamespace]):
    token: str | None


def model(name: str, champion: str | None = None, **tags: str) -> SimpleNamespace:
    aliases = {} if champion is None else {"champion": champion}
    return SimpleNamespace(name=name, aliases=aliases, tags={f"modelsat.{key}": value for key, value in tags.items()})


def test_registered_models_with_an_endpoint_are_candidates() -> None:
    registry = Registry(
        model("churn-forest"),
        model("chat", endpoint="http://chat:8000/v1", price_in="0.2", tools="yes", served_as="org/chat"),
        model("bob's coder", "2", endpoint="http://coder:8000/v1", aliases="coder|bobs"),
        versions={"chat": [9, 10], "bob's coder": [1, 2, 3]},
    )

    chat, coder = mlflow_models.read(registry).candidates.to_pylist()

    assert (chat["candidate"], chat["revision"], chat["price_in"], chat["tools"]) == ("chat", "10", 0.2, True)
    assert (chat["endpoint"], chat["served_as"]) == ("http://chat:8000/v1", "org/chat")
    assert (coder["candidate"], coder["revision"]) == ("bob-s-coder", "2")
    assert coder["aliases"] == ["bob's coder", "bobs", "coder"]


def test_tag_that_cannot_be_read_leaves_its_model_out_with_a_sentence() -> None:
    found = mlflow_models.read(Registry(model("chat", endpoint="http://chat/v1", price_in="-1"), versions={}))

    assert found.candidates.num_rows == 0
    assert "registered model 'chat' is left out, a tag is not readable (price_in: '-1' is no price" in found.notes[0]


@pytest.mark.filterwarnings("ignore:.*noload")  # SQLAlchemy on MLflow's own tables
@pytest.mark.parametrize("name", ["plain-7b", "o'brien-7b", "back\\slash-7b", 'say "x"', 'it\'s "both"'])
def test_revision_is_found_on_a_real_registry_whatever_the_name_holds(tmp_path: Path, name: str) -> None:
    client = mlflow_registry.client(f"sqlite:///{tmp_path}/mlflow.db")
    for one in (name, "other-7b"):
        client.create_registered_model(one, tags={"modelsat.endpoint": "http://127.0.0.1:9/v1"})
    for _ in range(3):
        client.create_model_version(name, f"file://{tmp_path}/weights")

    found = mlflow_models.read(client).candidates.to_pylist()

    assert {row["revision"] for row in found if "other" not in row["candidate"]} == {"3"}


TODAY = date(2026, 11, 30)


def imported(*models: Mapping[str, Any], **more: Any) -> Any:
    return openrouter.read({"data": list(models), **more}, today=TODAY)


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "~lab/alpha-latest", "alias_target": "lab/alpha"},
        {"id": "~lab/alpha-latest"},
        {"id": "lab/newest", "alias_target": "lab/alpha"},
    ],
)
def test_moving_alias_is_left_out(entry: dict[str, Any]) -> None:
    found = imported(MODEL, {**MODEL, "canonical_slug": None, **entry})

    assert found.candidates["candidate"].to_pylist() == ["openai/gpt-4o"]
    assert "is a moving alias" in found.notes[0]


@pytest.mark.parametrize(
    "entry",
    [
        {"pricing": {"prompt": "-1", "completion": "-1"}},
        {"architecture": {"tokenizer": "Router", "output_modalities": ["text"]}},
    ],
)
def test_router_of_openrouter_is_no_candidate(entry: dict[str, Any]) -> None:
    found = imported(MODEL, {**MODEL, "id": "openrouter/auto", "canonical_slug": None, **entry})

    assert found.candidates.num_rows == 1
    assert "'openrouter/auto' is a router" in found.notes[0]


def test_expired_model_is_left_out_and_one_that_will_expire_says_when() -> None:
    gone = {**MODEL, "id": "lab/gone", "canonical_slug": None, "expiration_date": "2026-11-29"}
    going = {**MODEL, "id": "lab/going", "canonical_slug": None, "expiration_date": "2027-01-31"}

    found = imported(gone, going)

    assert found.candidates["candidate"].to_pylist() == ["lab/going"]
    assert found.candidates["retires_at"].to_pylist() == [date(2027, 1, 31)]
    assert found.notes == ("model 1 of the list is left out: 'lab/gone' was retired on 2026-11-29 [model-left-out]",)


def test_price_of_a_model_that_charges_per_request_is_left_unknown() -> None:
    search = {**MODEL, "pricing": {"prompt": "0.000001", "completion": "0.000001", "request": "0.012"}}
    whole = {
        **MODEL,
        "id": "b/c",
        "canonical_slug": None,
        "pricing": {"prompt": "0.000002", "completion": "0", "request": "0"},
    }

    found = imported(search, whole)

    assert found.candidates["price_in"].to_pylist() == [None, 2.0]
    assert found.candidates["price_out"].to_pylist() == [None, 0.0]
    assert "charges 0.012 USD per request" in found.notes[0]


def test_output_price_is_unknown_where_reasoning_costs_something_else() -> None:
    pricing = {"prompt": "0.000002", "completion": "0.000008", "internal_reasoning": "0.000003"}

    (row,) = imported({**MODEL, "pricing": pricing}).candidates.to_pylist()

    assert (row["price_in"], row["price_out"]) == (2.0, None)


def test_cache_price_and_reasoning_are_taken_over() -> None:
    pricing = {"prompt": "0.0000025", "completion": "0.00001", "input_cache_read": "0.00000125"}

    (row,) = imported({**MODEL, "pricing": pricing, "supported_parameters": ["reasoning"]}).candidates.to_pylist()

    assert (row["price_cached_in"], row["reasoning"], row["tools"]) == (1.25, True, False)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"links": {"next": "https://x/?offset=1"}, "total_count": 612},
            "1 of 612 models and goes on at https://x/?off",
        ),
        ({"total_count": 612}, "the list holds 1 of 612 models and goes on"),
        ({"has_more": True}, "the list holds 1 models and goes on"),
    ],
)
def test_page_of_a_list_says_that_it_goes_on(more: dict[str, Any], sentence: str) -> None:
    assert sentence in imported(MODEL, **more).notes[0]


def test_whole_list_says_nothing() -> None:
    assert imported(MODEL, links={"next": None}, total_count=1).notes == ()


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ({"modality": "text->image"}, "writes no text"),
        ({"input_modalities": ["audio"], "output_modalities": ["text"]}, "reads no text"),
    ],
)
def test_model_that_takes_or_gives_no_text_is_left_out(architecture: dict[str, Any], reason: str) -> None:
    assert reason in imported(MODEL, {**MODEL, "id": "a/b", "architecture": architecture}).notes[0]


def test_modalities_of_the_older_form_are_read() -> None:
    (row,) = imported({**MODEL, "architecture": {"modality": "text+image->text"}}).candidates.to_pylist()

    assert row["modalities"] == ["image"]


def test_context_falls_back_to_the_provider_and_milliseconds_are_read() -> None:
    entry = {**MODEL, "context_length": None, "top_provider": {"context_length": 8192}, "created": 1715558400000}

    (row,) = imported(entry).candidates.to_pylist()

    assert (row["context_length"], row["released_at"]) == (8192, date(2024, 5, 13))


VLLM = {
    "id": "Qwen/Qwen2.5-7B-Instruct",
    "object": "model",
    "created": 1790000000,
    "owned_by": "vllm",
    "root": "/models/qwen",
    "parent": None,
    "max_model_len": 32768,
}
LOCAL = "http://127.0.0.1:8000/v1"


def listed(*models: Mapping[str, Any], **more: Any) -> Any:
    return model_lists.read({"object": "list", "data": list(models), **more}, LOCAL)


def test_list_of_a_server_has_its_context_and_no_release() -> None:
    """`created` of vLLM is the time of the request."""
    (row,) = listed(VLLM).candidates.to_pylist()

    assert {name: value for name, value in row.items() if value is not None} == {
        "candidate": "Qwen/Qwen2.5-7B-Instruct",
        "family": "Qwen",
        "context_length": 32768,
        "endpoint": LOCAL,
        "served_as": "Qwen/Qwen2.5-7B-Instruct",
    }


def test_list_that_does_not_say_where_its_models_answer_asks_for_the_endpoint() -> None:
    with pytest.raises(InputError, match="this list of vllm does not say where its models answer; add --endpoint"):
        model_lists.read({"data": [VLLM]})


def test_adapter_has_the_context_of_its_parent() -> None:
    adapter = {**VLLM, "id": "sql-lora", "root": "/loras/sql", "parent": VLLM["id"], "max_model_len": None}

    found = listed(VLLM, adapter).candidates

    assert found["candidate"].to_pylist() == [VLLM["id"], "sql-lora"]
    assert found["context_length"].to_pylist() == [32768, 32768]


def test_second_served_name_of_a_model_is_an_alias() -> None:
    found = listed(VLLM, {**VLLM, "id": "qwen"})

    assert found.candidates["candidate"].to_pylist() == [VLLM["id"]]
    assert found.candidates["aliases"].to_pylist() == [["qwen"]]
    assert found.notes == (
        "model 2 of the list is left out: 'qwen' is another name of 'Qwen/Qwen2.5-7B-Instruct' [model-left-out]",
    )


def test_list_of_groq_leaves_out_what_is_not_active_or_answers_no_chat() -> None:
    groq = {"object": "model", "created": 1693721698, "owned_by": "Meta", "active": True, "context_window": 131072}

    found = listed(
        {**groq, "id": "llama-3.3-70b-versatile", "public_apps": None},
        {**groq, "id": "llama-2-70b", "active": False},
        {**groq, "id": "whisper-large-v3"},
        {**groq, "id": "playai-tts"},
        {**groq, "id": "meta-llama/llama-guard-4-12b"},
    )

    (row,) = found.candidates.to_pylist()
    assert (row["candidate"], row["context_length"], row["released_at"]) == (
        "llama-3.3-70b-versatile",
        131072,
        date(2023, 9, 3),
    )
    assert [note.partition(": ")[2].removesuffix(" [model-left-out]") for note in found.notes] == [
        "'llama-2-70b' is not active",
        "'whisper-large-v3' answers no chat, by its name ('whisper')",
        "'playai-tts' answers no chat, by its name ('tts')",
        "'meta-llama/llama-guard-4-12b' answers no chat, by its name ('guard')",
    ]


def test_list_of_mistral_has_its_capabilities_and_each_model_once() -> None:
    able = {"completion_chat": True, "function_calling": True, "vision": False}
    model = {"created": 1715558400, "owned_by": "mistralai", "max_context_length": 32768, "capabilities": able}

    found = listed(
        {**model, "id": "mistral-small-latest", "aliases": ["mistral-small-2409"]},
        {**model, "id": "mistral-small-2409", "aliases": ["mistral-small-latest"]},
        {**model, "id": "mistral-embed", "capabilities": {"completion_chat": False}},
        {**model, "id": "mistral-old", "deprecation": "2025-03-30T12:00:00Z"},
    )

    (row,) = found.candidates.to_pylist()
    assert (row["candidate"], row["aliases"]) == ("mistral-small-2409", ["mistral-small-latest"])
    assert (row["context_length"], row["tools"], row["modalities"]) == (32768, True, [])
    assert len(found.notes) == 3


def test_prices_of_together_are_per_million_already() -> None:
    priced = {
        "id": "a/b",
        "type": "chat",
        "context_length": 8192,
        "pricing": {"input": 0.2, "output": 0.6, "hourly": 0},
    }

    found = model_lists.read([priced, {"id": "a/flux", "type": "image"}], LOCAL)

    (row,) = found.candidates.to_pylist()
    assert (row["price_in"], row["price_out"], row["context_length"]) == (0.2, 0.6, 8192)
    assert "its type is 'image'" in found.notes[0]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"models": [{"name": "llama3:latest"}]}, "a format of the provider's own"),
        ({"error": {"code": 401}}, "an error message"),
        ({"data": []}, "this is no model list"),
    ],
)
def test_other_json_is_refused_with_what_to_save(wrong: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        model_lists.read(wrong, LOCAL)


PRICED: Mapping[str, Any] = {
    "litellm_provider": "openai",
    "mode": "chat",
    "max_tokens": 16384,
    "max_input_tokens": 128000,
    "max_output_tokens": 16384,
    "input_cost_per_token": 2.5e-06,
    "output_cost_per_token": 1e-05,
    "cache_read_input_token_cost": 1.25e-06,
    "supports_function_calling": True,
    "supports_vision": True,
    "supports_pdf_input": True,
    "supports_reasoning": False,
}


def priced(**entries: Mapping[str, Any]) -> Any:
    return litellm.read(entries, LOCAL, today=TODAY)


def test_entry_of_the_price_map_becomes_a_candidate() -> None:
    (row,) = priced(**{"gpt-4o": {**PRICED, "deprecation_date": "2027-05-01"}}).candidates.to_pylist()

    assert {name: value for name, value in row.items() if value is not None} == {
        "candidate": "gpt-4o",
        "family": "openai",
        "context_length": 128000,
        "price_in": 2.5,
        "price_out": 10.0,
        "price_cached_in": 1.25,
        "endpoint": LOCAL,
        "modalities": ["image", "file"],
        "tools": True,
        "reasoning": False,
        "retires_at": date(2027, 5, 1),
        "served_as": "gpt-4o",
    }


@pytest.mark.parametrize(
    ("name", "entry", "reason"),
    [
        ("sample_spec", {}, "is the example that explains the fields"),
        ("embed", {"mode": "embedding"}, "answers no chat: its mode is 'embedding'"),
        ("old", {"deprecation_date": "2026-11-30"}, "was retired on 2026-11-30"),
        ("bad", {"deprecation_date": "date when the model becomes deprecated"}, "Invalid isoformat"),
        ("painter", {"supported_output_modalities": ["image"]}, "writes no text"),
    ],
)
def test_entry_of_the_price_map_that_is_no_candidate_is_named(name: str, entry: dict[str, Any], reason: str) -> None:
    found = priced(**{name: {**PRICED, **entry}})

    assert found.candidates.num_rows == 0
    assert reason in found.notes[0]


def test_price_in_other_units_is_unknown_and_a_tier_is_told() -> None:
    found = priced(
        a={**PRICED, "input_cost_per_request": 0.005},
        b={**PRICED, "input_cost_per_token_above_200k_tokens": 5e-06},
    )

    assert found.candidates["price_in"].to_pylist() == [None, 2.5]
    assert "charges 0.005 USD per call" in found.notes[0]
    assert "prompts above 200k tokens cost more" in found.notes[1]


def test_price_map_without_an_endpoint_says_so_and_the_limit_of_the_output_is_no_context() -> None:
    found = litellm.read({"a": {"litellm_provider": "x", "mode": "chat", "max_tokens": 4096}}, today=TODAY)

    (row,) = found.candidates.to_pylist()
    assert (row["context_length"], row["endpoint"], row["tools"]) == (None, None, None)
    assert "add --endpoint" in found.notes[0]


def test_imported_price_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = priced(**{"gpt-4o": {**PRICED, "deprecation_date": "2027-05-01"}}).candidates

    catalogue.write(found, tmp_path / "catalogue.yaml")

    assert catalogue.read(str(tmp_path / "catalogue.yaml")).equals(found)


def test_long_names_of_the_price_map_stay_apart() -> None:
    names = ["a/accounts/a/models/x", "a/accounts/a/models/y", "a/x", "a/ /x"]

    found = priced(**dict.fromkeys(names, PRICED))

    assert found.candidates["candidate"].to_pylist() == ["a/accounts/a/models-x", "a/accounts/a/models-y", "a/x"]
    assert "'a/ /x' would be called 'a/x' here, as 'a/x' is" in found.notes[0]


def test_every_entry_that_is_left_out_is_named() -> None:
    found = imported(
        {**MODEL, "id": "a/soon", "expiration_date": "soon"},
        {**MODEL, "id": "a/cheap", "pricing": {"prompt": "cheap"}},
        {**MODEL, "id": "a/old", "deprecated": True},
    )
    patterns = priced(**{"bedrock/*/x": PRICED})

    assert found.candidates.num_rows == 0
    assert all(name in note for name, note in zip(("'a/soon'", "'a/cheap'", "'a/old'"), found.notes, strict=True))
    assert "'bedrock/*/x' is a pattern of names" in patterns.notes[0]


def test_model_that_charges_by_image_alone_is_not_free() -> None:
    found = imported({**MODEL, "pricing": {"prompt": "0", "completion": "0", "image": "0.04"}})

    assert (found.candidates["price_in"].to_pylist(), "charges by image" in found.notes[0]) == ([None], True)


def test_free_variant_is_told() -> None:
    free = {**MODEL, "id": "openai/gpt-4o:free", "pricing": {"prompt": "0", "completion": "0"}}

    assert "a free variant answers few requests a day" in imported(MODEL, free).notes[0]


def test_models_of_mistral_that_chat_are_taken_whatever_their_type() -> None:
    chat = {"completion_chat": True, "function_calling": True, "vision": False}
    listed = {
        "object": "list",
        "data": [
            {"id": "mistral-small-2501", "type": "base", "capabilities": chat, "max_context_length": 32768},
            {"id": "ft:mistral-small:mine", "type": "fine-tuned", "capabilities": chat, "max_context_length": 32768},
            {"id": "mistral-embed", "type": "base", "capabilities": {"completion_chat": False}},
        ],
    }

    imported = model_lists.read(listed, "https://api.mistral.ai/v1")

    assert imported.candidates["candidate"].to_pylist() == ["mistral-small-2501", "ft:mistral-small:mine"]


def test_vision_model_of_lm_studio_reads_images() -> None:
    listed = {"data": [{"id": "qwen2-vl-7b", "object": "model", "type": "vlm", "max_context_length": 32768}]}

    (row,) = model_lists.read(listed, "http://localhost:1234/v1").candidates.to_pylist()

    assert row["modalities"] == ["image"]


def test_price_of_a_provider_that_searches_in_every_call_is_unknown() -> None:
    entry = {"mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    search = {"search_context_cost_per_query": {"search_context_size_low": 0.005}}
    prices = {
        "perplexity/sonar": entry | search | {"litellm_provider": "perplexity"},
        "gpt-4o": entry | search | {"litellm_provider": "openai"},
    }

    imported = litellm.read(prices, "http://host/v1")

    assert [row["price_in"] for row in imported.candidates.to_pylist()] == [None, 1.0]
    assert any("search in every call" in note for note in imported.notes)
