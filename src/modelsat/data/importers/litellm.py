"""Imports LiteLLM's price map, `model_prices_and_context_window.json`: an object by name, prices in USD per token."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from modelsat.data.importers import Import
from modelsat.data.importers.listing import (
    LeftOutError,
    Listing,
    amount,
    check_not_retired,
    day,
    names,
    per_million,
    whole,
)
from modelsat.data.remarks import Remark

_EXAMPLE = "sample_spec"
_MODALITIES = {
    "supports_vision": "image",
    "supports_audio_input": "audio",
    "supports_video_input": "video",
    "supports_pdf_input": "file",
}
_TIER = re.compile(r"input_cost_per_token_above_(\w+?)_tokens")
_PER_CALL = ("input_cost_per_request", "input_cost_per_query")
_ALWAYS_SEARCH = ("perplexity",)
"""Providers that charge `search_context_cost_per_query` whenever they answer, not only where a request asks for it."""
_OTHER_UNITS = re.compile(r"(?:input|output)_cost_per_(character|second)")


def claims(listed: object) -> bool:
    """Say whether the decoded JSON is LiteLLM's price map."""
    return isinstance(listed, Mapping) and any(
        isinstance(entry, Mapping) and ("litellm_provider" in entry or "input_cost_per_token" in entry)
        for entry in listed.values()
    )


def read(
    listed: Mapping[str, Any], endpoint: str | None = None, api_key_env: str | None = None, today: date | None = None
) -> Import:
    """Turn the price map into candidates: models whose mode is chat and that are still served.

    Args:
        listed: The decoded JSON.
        endpoint: Where these models answer, such as a LiteLLM proxy; the map does not say.
        api_key_env: Environment variable that holds the key there.
        today: Models that were retired by this day are left out; default: the current day.
    """
    listing = Listing()
    if not endpoint:
        listing.notes.append(
            Remark.NO_ENDPOINT.of("the price map does not say where its models answer; add --endpoint to ask them")
        )
    now = today or datetime.now(UTC).date()

    def candidate(entry: tuple[str, Any], remark: Callable[[str], None]) -> dict[str, Any]:
        return _candidate(*entry, now, remark) | {"endpoint": endpoint, "api_key_env": api_key_env}

    listing.take(listed.items(), candidate, "the price map")
    return listing.import_()


def _candidate(name: str, entry: object, today: date, remark: Callable[[str], None]) -> dict[str, Any]:
    if name == _EXAMPLE:
        raise LeftOutError(f"{name!r} is the example that explains the fields")
    if not isinstance(entry, Mapping):
        raise LeftOutError(f"{name!r} is no object")
    if "*" in name:
        raise LeftOutError(f"{name!r} is a pattern of names and no model")
    mode = entry.get("mode")
    if mode != "chat":
        raise LeftOutError(f"{name!r} answers no chat: {f'its mode is {mode!r}' if mode else 'it has no mode'}")
    return {
        **names(name),
        "family": entry.get("litellm_provider") if isinstance(entry.get("litellm_provider"), str) else None,
        **facts(name, entry, today, remark),
    }


def facts(name: str, entry: Mapping[str, Any], today: date, remark: Callable[[str], None]) -> dict[str, Any]:
    """Return what an entry says of a model, in the map or as `model_info` of a proxy's configuration.

    Args:
        name: Of the model.
        entry: Its fields.
        today: As of `read`.
        remark: Called with sentences on prices.

    Raises:
        LeftOutError: It is retired, or writes no text.
    """
    retires = day(entry.get("deprecation_date"))
    check_not_retired(retires, today, name)
    outputs = entry.get("supported_output_modalities")
    if isinstance(outputs, list) and "text" not in outputs:
        raise LeftOutError(f"{name!r} writes no text")
    return {
        "retires_at": retires,
        # `max_tokens` is the limit of the output in some entries and that of the input in others.
        "context_length": whole(entry.get("max_input_tokens")),
        **_prices(entry, remark),
        "modalities": _modalities(entry),
        "tools": _truth(entry.get("supports_function_calling")),
        "reasoning": _truth(entry.get("supports_reasoning")),
        "regions": _regions(entry.get("supported_regions")),
    }


def _prices(entry: Mapping[str, Any], remark: Callable[[str], None]) -> dict[str, float | None]:
    per_call = next((name for name in _PER_CALL if amount(entry.get(name))), None)
    if per_call:
        remark(
            Remark.PRICE_UNKNOWN.of(
                f"it charges {amount(entry[per_call])} USD per call beside its tokens, so its price is left unknown"
            )
        )
        return {"price_in": None, "price_out": None, "price_cached_in": None}
    if entry.get("litellm_provider") in _ALWAYS_SEARCH and entry.get("search_context_cost_per_query"):
        remark(
            Remark.PRICE_UNKNOWN.of(
                "it charges for a search in every call beside its tokens, so its price is left unknown"
            )
        )
        return {"price_in": None, "price_out": None, "price_cached_in": None}
    price_in, price_out = (per_million(entry.get(f"{side}_cost_per_token")) for side in ("input", "output"))
    units = sorted({unit[1] for name in entry if (unit := _OTHER_UNITS.fullmatch(name)) and amount(entry[name])})
    if units and price_in is None:
        remark(Remark.PRICE_UNKNOWN.of(f"it is charged per {' and '.join(units)}, so its price is left unknown"))
    thinking = per_million(entry.get("output_cost_per_reasoning_token"))
    if thinking and thinking != price_out:
        remark(
            Remark.PRICE_UNKNOWN.of(
                f"it charges {thinking:g} USD per million reasoning tokens, so its output price is left unknown"
            )
        )
        price_out = None
    tiers = sorted({tier[1] for name in entry if (tier := _TIER.fullmatch(name)) and entry[name]})
    if tiers:
        remark(
            Remark.TIERED_PRICE.of(
                f"prompts above {' and '.join(tiers)} tokens cost more than the price that is taken over"
            )
        )
    cached = per_million(entry.get("cache_read_input_token_cost"))
    return {"price_in": price_in, "price_out": price_out, "price_cached_in": cached}


def _modalities(entry: Mapping[str, Any]) -> list[str] | None:
    listed = entry.get("supported_modalities")
    found = [kind for field, kind in _MODALITIES.items() if entry.get(field) is True]
    found += [str(kind) for kind in listed if kind not in ("text", *found)] if isinstance(listed, list) else []
    return found if found or isinstance(listed, list) or any(field in entry for field in _MODALITIES) else None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _regions(listed: object) -> list[str] | None:
    return [str(one) for one in listed] if isinstance(listed, list) and listed else None
