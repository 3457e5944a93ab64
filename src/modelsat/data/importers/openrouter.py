"""Imports a model list as OpenRouter's `GET /api/v1/models` gives it: prices in USD per token, written as text.

Left out are entries that are no model of their own: moving aliases, routers, and models that were retired.
"""

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
    part,
    per_million,
    whole,
)
from modelsat.data.remarks import Remark
from modelsat.errors import InputError

ENDPOINT = "https://openrouter.ai/api/v1"
API_KEY_ENV = "OPENROUTER_API_KEY"

_NO_LIST = "this is no model list; save what GET /api/v1/models answers, an object with a list 'data'"


def claims(listed: object) -> bool:
    """Say whether a model list is OpenRouter's: its entries have permanent names, or prices as text per token."""
    models = _models(listed)
    own = ("canonical_slug", "supported_parameters", "top_provider", "alias_target")
    return any(
        isinstance(model, Mapping)
        and (any(name in model for name in own) or bool({"prompt", "completion"} & part(model, "pricing").keys()))
        for model in models
    )


def read(
    listed: object, endpoint: str = ENDPOINT, api_key_env: str | None = API_KEY_ENV, today: date | None = None
) -> Import:
    """Turn a model list into candidates; entries that are no model which writes text are left out.

    Args:
        listed: The decoded JSON: `{"data": [...]}` or the list itself.
        endpoint: Where these models answer.
        api_key_env: Environment variable that holds the key there.
        today: Models that expired by this day are left out; default: the current day.

    Raises:
        InputError: It is no model list.
    """
    models = _models(listed)
    if not models:
        raise InputError(_NO_LIST)
    listing = Listing()
    if isinstance(listed, Mapping):
        listing.notes += further_pages(listed, len(models))
    now = today or datetime.now(UTC).date()

    def candidate(model: object, remark: Callable[[str], None]) -> dict[str, Any]:
        return _candidate(model, now, remark) | {"endpoint": endpoint, "api_key_env": api_key_env}

    listing.take(models, candidate, "the list")
    return listing.import_()


def further_pages(listed: Mapping[str, Any], n: int) -> list[str]:
    """Return a sentence where a list is one page of several."""
    total, following = listed.get("total_count"), part(listed, "links").get("next") or listed.get("next")
    is_part = bool(following) or listed.get("has_more") is True or (isinstance(total, int) and total > n)
    if not is_part:
        return []
    of = f" of {total}" if isinstance(total, int) else ""
    where = f" at {following}" if following else ""
    sentence = f"the list holds {n}{of} models and goes on{where}; save the other pages, too, and import each"
    return [Remark.LIST_GOES_ON.of(sentence)]


def _models(listed: object) -> list[Any]:
    models = listed.get("data") if isinstance(listed, Mapping) else listed
    return models if isinstance(models, list) else []


def _candidate(model: object, today: date, remark: Callable[[str], None]) -> dict[str, Any]:
    if not isinstance(model, Mapping) or not isinstance(model.get("id"), str):
        raise LeftOutError("it has no id")
    name = model["id"]
    architecture, pricing = part(model, "architecture"), part(model, "pricing")
    if model.get("alias_target") or (name.startswith("~") and name.endswith("latest")):
        target = f" of {model['alias_target']!r}" if model.get("alias_target") else ""
        raise LeftOutError(f"{name!r} is a moving alias{target}: the model behind it changes under its name")
    _check_text(name, architecture)
    prices = [pricing.get(kind) for kind in ("prompt", "completion")]
    if architecture.get("tokenizer") == "Router" or all(_is_negative(price) for price in prices):
        raise LeftOutError(f"{name!r} is a router: which model answers, and at which price, depends on the request")
    retires = day(model.get("expiration_date"))
    check_not_retired(retires, today, name)
    if model.get("deprecated") is True:
        raise LeftOutError(f"{name!r} is deprecated")
    if name.endswith(":free"):
        remark(
            Remark.FREE_VARIANT.of("a free variant answers few requests a day; its price of 0 makes a router prefer it")
        )
    if name.endswith("-latest"):
        remark(
            Remark.MODEL_MOVES.of("the model behind this name may change; its results are then those of another model")
        )
    supported = model.get("supported_parameters")
    return {
        **names(name, (model.get("canonical_slug"), model.get("hugging_face_id"))),
        "released_at": day(model.get("created")),
        "retires_at": retires,
        "context_length": whole(model.get("context_length"), part(model, "top_provider").get("context_length")),
        **_prices(pricing, remark),
        "modalities": [kind for kind in _modalities(architecture, "input") if kind != "text"],
        "tools": "tools" in supported if isinstance(supported, list) else None,
        "reasoning": "reasoning" in supported if isinstance(supported, list) else None,
    }


def _prices(pricing: Mapping[str, Any], remark: Callable[[str], None]) -> dict[str, float | None]:
    """Return prices per million tokens, unknown where a call costs more than its tokens."""
    price_in, price_out = per_million(pricing.get("prompt")), per_million(pricing.get("completion"))
    cached = per_million(pricing.get("input_cache_read"))
    request, thinking = amount(pricing.get("request")), per_million(pricing.get("internal_reasoning"))
    if any(_is_negative(pricing.get(kind)) for kind in ("prompt", "completion")):
        remark(Remark.PRICE_UNKNOWN.of("its price depends on the request and is left unknown where the list says so"))
    other = [kind for kind in ("image", "audio", "image_output", "audio_output") if amount(pricing.get(kind))]
    if price_in == price_out == 0 and other:
        remark(
            Remark.PRICE_UNKNOWN.of(
                f"it charges by {' and '.join(other)} and nothing for tokens, so its price is left unknown"
            )
        )
        return {"price_in": None, "price_out": None, "price_cached_in": None}
    if request:
        remark(
            Remark.PRICE_UNKNOWN.of(
                f"it charges {request} USD per request beside its tokens, so its price is left unknown"
            )
        )
        return {"price_in": None, "price_out": None, "price_cached_in": None}
    if thinking and thinking != price_out:
        remark(
            Remark.PRICE_UNKNOWN.of(
                f"it charges {thinking:g} USD per million reasoning tokens, so its output price is left unknown"
            )
        )
        price_out = None
    return {"price_in": price_in, "price_out": price_out, "price_cached_in": cached}


def _is_negative(price: object) -> bool:
    try:
        return float(str(price)) < 0
    except ValueError:
        return False


def _modalities(architecture: Mapping[str, Any], side: str) -> list[str]:
    listed = architecture.get(f"{side}_modalities")
    if isinstance(listed, list):
        return [str(kind) for kind in listed]
    before, arrow, after = str(architecture.get("modality") or "").partition("->")
    return (before if side == "input" else after).split("+") if arrow else []


def _check_text(name: str, architecture: Mapping[str, Any]) -> None:
    if "text" not in (_modalities(architecture, "output") or ["text"]):
        raise LeftOutError(f"{name!r} writes no text")
    if "text" not in (_modalities(architecture, "input") or ["text"]):
        raise LeftOutError(f"{name!r} reads no text")
