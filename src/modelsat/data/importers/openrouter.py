"""Imports a model list as OpenRouter's `GET /api/v1/models` gives it: prices in USD per token, written as text."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from modelsat.data import contracts
from modelsat.data.candidate_names import fault_in_candidate, suggest_candidate
from modelsat.data.importers import Import
from modelsat.errors import InputError

ENDPOINT = "https://openrouter.ai/api/v1"
API_KEY_ENV = "OPENROUTER_API_KEY"


def read(listed: object, endpoint: str = ENDPOINT, api_key_env: str | None = API_KEY_ENV) -> Import:
    """Turn a model list into candidates; models that write no text are left out.

    Args:
        listed: The decoded JSON: `{"data": [...]}` or the list itself.
        endpoint: Where these models answer.
        api_key_env: Environment variable that holds the key there.

    Raises:
        InputError: It is no model list.
    """
    models = listed.get("data") if isinstance(listed, Mapping) else listed
    if not isinstance(models, list) or not models:
        raise InputError("this is no model list; save what GET /api/v1/models answers, an object with a list 'data'")
    rows: dict[str, dict[str, Any]] = {}
    notes = []
    for number, model in enumerate(models, start=1):
        try:
            row = _candidate(model)
        except (TypeError, ValueError, InvalidOperation, OverflowError, OSError) as error:
            notes.append(f"model {number} of the list is left out: {error or type(error).__name__}")
            continue
        if row["candidate"] in rows:
            notes.append(f"model {number} of the list is left out: {row['candidate']!r} stands there twice")
        else:
            rows[row["candidate"]] = row | {"endpoint": endpoint, "api_key_env": api_key_env}
    # A name that two models share tells neither from the other.
    shared = Counter(alias for row in rows.values() for alias in row["aliases"])
    for row in rows.values():
        row["aliases"] = [alias for alias in row["aliases"] if shared[alias] == 1 and alias not in rows] or None
    return Import(contracts.from_rows(list(rows.values()), contracts.CANDIDATES), tuple(notes))


def _candidate(model: object) -> dict[str, Any]:
    if not isinstance(model, Mapping) or not isinstance(model.get("id"), str):
        raise ValueError("it has no id")
    name = model["id"]
    architecture, pricing = _part(model, "architecture"), _part(model, "pricing")
    if "text" not in (architecture.get("output_modalities") or ["text"]):
        raise ValueError(f"{name!r} writes no text")
    usable = name if fault_in_candidate(name) is None else suggest_candidate(name)
    others = {model.get(key) for key in ("canonical_slug", "hugging_face_id")} | {name}
    created, supported = model.get("created"), model.get("supported_parameters")
    return {
        "candidate": usable,
        "family": name.partition("/")[0] if "/" in name else None,
        "released_at": datetime.fromtimestamp(created, UTC).date() if created else None,
        "context_length": model.get("context_length") or None,
        "price_in": _per_million(pricing.get("prompt")),
        "price_out": _per_million(pricing.get("completion")),
        "modalities": [kind for kind in architecture.get("input_modalities") or [] if kind != "text"],
        "tools": "tools" in supported if isinstance(supported, list) else None,
        "served_as": name,
        "aliases": sorted(str(other) for other in others - {usable, None, ""}),
    }


def _part(model: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = model.get(name)
    return part if isinstance(part, Mapping) else {}


def _per_million(per_token: object) -> float | None:
    """Return the price of a million tokens; below 0 the list means that it depends, so nothing is known."""
    if per_token is None or per_token == "":
        return None
    price = Decimal(str(per_token)) * 1_000_000
    return float(price) if price.is_finite() and price >= 0 else None
