"""Imports the configuration of vLLM's semantic router: `providers.models` with `routing.modelCards` (v0.3).

The shape before it, `model_config` with `vllm_endpoints`, is read as well. Keys that stand in the file are never taken
over.
"""

from collections.abc import Callable, Mapping
from typing import Any

from modelsat.data.importers import Import
from modelsat.data.importers.listing import LeftOutError, Listing, amount, day, names, part, whole
from modelsat.data.remarks import Remark
from modelsat.io.key_variables import fault_in_key_variable

_PROTOCOLS = {"anthropic": '{"messages": {}}'}


def claims(listed: object) -> bool:
    """Say whether the decoded YAML or JSON is such a configuration."""
    return isinstance(listed, Mapping) and bool(_models(listed))


def read(listed: object, endpoint: str | None = None, api_key_env: str | None = None) -> Import:
    """Turn the configured models into candidates.

    Args:
        listed: The decoded configuration.
        endpoint: Where all of them answer; None takes each model's first backend.
        api_key_env: Environment variable that holds the key there; None takes the backends' own.
    """
    listing = Listing()
    configured: Mapping[str, Any] = listed if isinstance(listed, Mapping) else {}
    cards = {
        one["name"]: one
        for one in part(configured, "routing").get("modelCards") or ()
        if isinstance(one, Mapping) and isinstance(one.get("name"), str)
    }

    def candidate(entry: object, remark: Callable[[str], None]) -> dict[str, Any]:
        if not isinstance(entry, Mapping):
            raise LeftOutError("it is no mapping")
        row = _candidate(entry, cards.get(entry.get("name"), {}), remark)
        return row | ({"endpoint": endpoint, "api_key_env": api_key_env} if endpoint else {})

    listing.take(_models(configured), candidate, "the configuration")
    return listing.import_()


def _models(configured: Mapping[str, Any]) -> list[Any]:
    """Return the entries of models in the present shape, whichever the file has."""
    listed = part(configured, "providers").get("models")
    if isinstance(listed, list):
        return listed
    known = {
        one["name"]: one for one in configured.get("vllm_endpoints") or () if isinstance(one, Mapping) and "name" in one
    }
    models = part(configured, "model_config") if known else {}
    return [{"name": name, **_backends(entry, known)} for name, entry in models.items() if isinstance(entry, Mapping)]


def _backends(entry: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return an entry of `model_config` with the backends that it prefers, else with all."""
    preferred = [known[name] for name in entry.get("preferred_endpoints") or known if name in known]
    serving = [one for one in preferred if isinstance(one.get("address"), str)]
    return {**entry, "backend_refs": [{"endpoint": f"{one['address']}:{one.get('port', 80)}"} for one in serving]}


def _candidate(entry: Mapping[str, Any], card: Mapping[str, Any], remark: Callable[[str], None]) -> dict[str, Any]:
    name, served_as = entry.get("name"), entry.get("provider_model_id")
    can = [str(one) for one in card.get("capabilities") or ()]
    if card.get("modality") == "diffusion" or "image_generation" in can:
        raise LeftOutError(f"{name!r} makes images and writes no text")
    backends = [one for one in entry.get("backend_refs") or () if isinstance(one, Mapping)]
    if not backends:
        raise LeftOutError(f"{name!r} has no backend")
    if len(backends) > 1:
        remark(f"it has {len(backends)} backends and a candidate has one, so the first is taken over")
    row = names(name)
    told = served_as if isinstance(served_as, str) and served_as else row["served_as"]
    return {
        **row,
        "served_as": told,
        "aliases": sorted({*row["aliases"], told} - {row["candidate"]}),
        "family": card.get("family") if isinstance(card.get("family"), str) else row["family"],
        "released_at": day(str(card["released_at"])) if card.get("released_at") else None,
        "context_length": whole(card.get("context_window_size")),
        "tools": True if "tools" in can else None,
        "reasoning": True if "reasoning" in can else None,
        "modalities": ["image"] if {"vision", "multimodal"} & set(can) else None,
        "endpoint": _address(backends[0]),
        "api_key_env": _key(backends[0], remark),
        "protocols": _PROTOCOLS.get(str(entry.get("api_format"))),
        **_prices(part(entry, "pricing"), remark),
    }


def _address(backend: Mapping[str, Any]) -> str:
    base, endpoint = backend.get("base_url"), backend.get("endpoint")
    if isinstance(base, str) and base:
        return base
    if not isinstance(endpoint, str) or not endpoint:
        raise LeftOutError("its first backend has neither base_url nor endpoint")
    return endpoint if "://" in endpoint else f"{backend.get('protocol') or 'http'}://{endpoint}/v1"


def _key(backend: Mapping[str, Any], remark: Callable[[str], None]) -> str | None:
    if backend.get("api_key"):
        remark("its key stands in the file and is not taken over; put it into a variable and name that as api_key_env")
    variable = backend.get("api_key_env")
    fault = fault_in_key_variable(variable) if variable else None
    if fault is not None:
        remark(f"its api_key_env is not taken over: {fault}")
    return variable if variable and fault is None else None


def _prices(pricing: Mapping[str, Any], remark: Callable[[str], None]) -> dict[str, float | None]:
    if str(pricing.get("currency", "USD")).upper() != "USD":
        remark(Remark.PRICE_UNKNOWN.of(f"its prices are in {pricing['currency']}, so they are left unknown"))
        pricing = {}
    fields = {"price_in": "prompt_per_1m", "price_out": "completion_per_1m", "price_cached_in": "cached_input_per_1m"}
    found = {column: amount(pricing.get(name)) for column, name in fields.items()}
    return {column: None if value is None else float(value) for column, value in found.items()}
