"""Imports the registered models of an MLflow server that say where they answer.

A registered model is a candidate if it has the tag `modelsat.endpoint`. Further tags are the columns of a catalogue
under the same prefix: `modelsat.price_in`, `modelsat.served_as`, `modelsat.api_key_env` and so on. Its revision is the
version that the alias `champion` names, else the newest.
"""

from typing import Any

from modelsat.data import candidate_facts, contracts
from modelsat.data.candidate_names import fault_in_candidate, suggest_candidate
from modelsat.data.importers import Import

PREFIX = "modelsat."
ALIAS = "champion"


def read(client: Any) -> Import:
    """Turn registered models into candidates.

    Args:
        client: An `MlflowClient`, such as `registry.client(uri)`.
    """
    rows: dict[str, dict[str, object]] = {}
    notes = []
    for model in _registered(client):
        cells = {key.removeprefix(PREFIX): value for key, value in model.tags.items() if key.startswith(PREFIX)}
        if not cells.get("endpoint"):
            continue
        name = model.name if fault_in_candidate(model.name) is None else suggest_candidate(model.name)
        try:
            facts = candidate_facts.parse({"revision": _revision(client, model)} | cells)
        except ValueError as error:
            notes.append(f"registered model {model.name!r} is left out, a tag is not readable ({error}); correct it")
            continue
        if name in rows:
            notes.append(f"registered model {model.name!r} is left out, another one is called {name!r} too; rename it")
            continue
        aliases = facts.get("aliases")
        names = {model.name, *(aliases if isinstance(aliases, list) else [])} - {name}
        rows[name] = {"candidate": name, **facts, "aliases": sorted(names) or None}
    return Import(contracts.from_rows(list(rows.values()), contracts.CANDIDATES), tuple(notes))


def _registered(client: Any) -> list[Any]:
    found, token = [], None
    while True:
        page = client.search_registered_models(page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _revision(client: Any, model: Any) -> str | None:
    if ALIAS in model.aliases:
        return str(model.aliases[ALIAS])
    versions = [int(one.version) for one in client.search_model_versions(f"name = '{_quoted(model.name)}'")]
    return str(max(versions)) if versions else None


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")
