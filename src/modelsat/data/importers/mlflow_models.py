"""Imports the registered models of an MLflow server that say where they answer.

A registered model is a candidate if it has the tag `modelsat.endpoint`. Further tags are the columns of a catalogue
under the same prefix: `modelsat.price_in`, `modelsat.served_as`, `modelsat.api_key_env` and so on. Its revision is the
version that the alias `champion` names, else the newest.
"""

from collections.abc import Callable
from typing import Any

from modelsat.data import candidate_facts, contracts
from modelsat.data.candidate_names import fault_in_candidate, suggest_candidate
from modelsat.data.importers import Import
from modelsat.data.remarks import Remark

PREFIX = "modelsat."
ALIAS = "champion"


def read(client: Any) -> Import:
    """Turn registered models into candidates.

    Args:
        client: An `MlflowClient`, such as `registry.client(uri)`.
    """
    rows: dict[str, dict[str, object]] = {}
    notes = []
    for model in _pages(client.search_registered_models):
        cells = {key.removeprefix(PREFIX): value for key, value in model.tags.items() if key.startswith(PREFIX)}
        if not cells.get("endpoint"):
            continue
        name = model.name if fault_in_candidate(model.name) is None else suggest_candidate(model.name)
        try:
            facts = candidate_facts.parse({"revision": _revision(client, model)} | cells)
        except ValueError as error:
            notes.append(
                Remark.MODEL_LEFT_OUT.of(
                    f"registered model {model.name!r} is left out, a tag is not readable ({error}); correct it"
                )
            )
            continue
        if name in rows:
            notes.append(
                Remark.MODEL_LEFT_OUT.of(
                    f"registered model {model.name!r} is left out, another one is called {name!r} too; rename it"
                )
            )
            continue
        aliases = facts.get("aliases")
        names = {model.name, *(aliases if isinstance(aliases, list) else [])} - {name}
        rows[name] = {"candidate": name, **facts, "aliases": sorted(names) or None}
    return Import(contracts.from_rows(list(rows.values()), contracts.CANDIDATES), tuple(notes))


def _revision(client: Any, model: Any) -> str | None:
    if ALIAS in model.aliases:
        return str(model.aliases[ALIAS])
    found = _pages(client.search_model_versions, **_query(model.name))
    versions = [int(one.version) for one in found if one.name == model.name]
    return str(max(versions)) if versions else None


def _query(name: str) -> dict[str, str]:
    """Return what asks for the versions of one model: MLflow 3.17 knows no escapes, but two kinds of quotes.

    No query holds a name with both kinds; its versions are picked out of those of all models.
    """
    if "'" in name and '"' in name:
        return {}
    quote = '"' if "'" in name else "'"
    return {"filter_string": f"name = {quote}{name}{quote}"}


def _pages(search: Callable[..., Any], **query: str) -> list[Any]:
    found, token = [], None
    while True:
        page = search(page_token=token, **query)
        found += page
        token = page.token
        if not token:
            return found
