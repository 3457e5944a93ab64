"""Other people's lists of models become catalogues."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelsat.data import catalogue
from modelsat.data.importers import mlflow_models, openrouter
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
