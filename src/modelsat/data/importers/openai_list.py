"""Imports what `GET /v1/models` of an OpenAI-compatible server answers: vLLM, SGLang, Groq, Mistral, Together, others.

The API says no more than a name; what servers add goes by many names. Nothing says where the models answer.
"""

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
    part,
    whole,
)
from modelsat.data.importers.openrouter import further_pages
from modelsat.data.remarks import Remark
from modelsat.errors import InputError

_CONTEXT = (
    "max_model_len",
    "context_window",
    "context_length",
    "max_context_length",
    "max_input_tokens",
    "inputTokenLimit",
)
# `created` of these servers is when they started, or when a file was written, and no release.
_SERVERS = {"vllm", "sglang", "llamacpp", "library", "organization_owner", "localai", "ollama"}
_NO_CHAT = re.compile(
    r"(?:^|[/_.:-])(whisper|tts|transcribe|embed(?:ding)?s?|rerank(?:er)?|moderation|dall-e|image|sora|realtime|guard|"
    r"babbage-002|davinci-002|bge|speech|asr|orpheus)(?:[/_.:-]|$)",
    re.IGNORECASE,
)
_CHAT_TYPES = {"chat", "language", "llm", "vlm", "model", "code", "text", "text-generation"}


def claims(listed: object) -> bool:
    """Say whether the decoded JSON is a list of models with ids."""
    models = _models(listed)
    return bool(models) and any(isinstance(model, Mapping) and isinstance(model.get("id"), str) for model in models)


def read(listed: object, endpoint: str | None, api_key_env: str | None = None, today: date | None = None) -> Import:
    """Turn a model list into candidates.

    Args:
        listed: The decoded JSON: `{"data": [...]}` or the list itself.
        endpoint: Where these models answer.
        api_key_env: Environment variable that holds the key there.
        today: Models that were retired by this day are left out; default: the current day.

    Raises:
        InputError: It is no model list, or it is not said where its models answer.
    """
    models = _models(listed)
    if not endpoint:
        server = _server(models)
        raise InputError(
            f"this list{server} does not say where its models answer; add --endpoint, such as http://host:8000/v1"
        )
    listing = Listing()
    if isinstance(listed, Mapping):
        listing.notes += further_pages(listed, len(models))
    now = today or datetime.now(UTC).date()
    by_id = {model["id"]: model for model in models if isinstance(model, Mapping) and isinstance(model.get("id"), str)}
    same = _other_names(models)

    def candidate(model: object, remark: Callable[[str], None]) -> dict[str, Any]:
        return _candidate(model, by_id, same, now, remark) | {"endpoint": endpoint, "api_key_env": api_key_env}

    listing.take(models, candidate, "the list")
    return listing.import_()


def _models(listed: object) -> list[Any]:
    models = listed.get("data") if isinstance(listed, Mapping) else listed
    return models if isinstance(models, list) else []


def _server(models: list[Any]) -> str:
    owners = {model.get("owned_by") for model in models if isinstance(model, Mapping)}
    return f" of {owners.pop()}" if len(owners) == 1 and owners != {None} else ""


def _other_names(models: list[Any]) -> dict[str, str]:
    """Return ids that are other names of a listed model, and which.

    vLLM lists every served name of a model with the same `root`, Mistral the `aliases`.
    """
    entries = [model for model in models if isinstance(model, Mapping) and isinstance(model.get("id"), str)]
    # A dated name stays the same model.
    entries.sort(key=lambda model: model["id"].endswith("latest"))
    first: dict[str, str] = {}
    same: dict[str, str] = {}
    for model in entries:
        name = model["id"]
        if name in same:
            continue
        root = model.get("root")
        if model.get("owned_by") in _SERVERS and root and not model.get("parent"):
            kept = first.setdefault(str(root), name)
            if kept != name:
                same[name] = kept
                continue
        aliases = model.get("aliases")
        for alias in aliases if isinstance(aliases, list) else []:
            if alias != name and alias not in same.values():
                same[str(alias)] = name
    return {name: kept for name, kept in same.items() if kept not in same}


def _candidate(
    model: object, by_id: Mapping[str, Any], same: Mapping[str, str], today: date, remark: Callable[[str], None]
) -> dict[str, Any]:
    if not isinstance(model, Mapping) or not isinstance(model.get("id"), str) or not model["id"]:
        raise LeftOutError("it has no id")
    name = model["id"]
    if name in same and same[name] in by_id:
        raise LeftOutError(f"{name!r} is another name of {same[name]!r}")
    _check_chat(name, model)
    retires = day(model.get("deprecation") or model.get("deprecation_date") or model.get("expiration_date"))
    check_not_retired(retires, today, name)
    if name.endswith("-latest"):
        remark(
            Remark.MODEL_MOVES.of("the model behind this name may change; its results are then those of another model")
        )
    parent, capabilities = by_id.get(str(model.get("parent")), {}), part(model, "capabilities")
    meta, root = {**part(model, "meta"), **part(model, "metadata")}, str(model.get("root") or "")
    others = [other for other, kept in same.items() if kept == name]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", root) and not root.startswith("."):
        others.append(root)
    is_local = str(model.get("owned_by")).lower() in _SERVERS
    sees = model.get("supports_image_input", capabilities.get("vision"))
    # LM Studio's word for a model that sees.
    sees = True if model.get("type") == "vlm" else sees
    return {
        **names(name, others),
        "released_at": None if is_local else day(model.get("created") or model.get("created_at")),
        "retires_at": retires,
        "context_length": whole(
            *(model.get(field) for field in _CONTEXT),
            *(meta.get(field) for field in (*_CONTEXT, "n_ctx", "n_ctx_train")),
            *(parent.get(field) for field in _CONTEXT),
        ),
        **_prices(model, meta, remark),
        "modalities": ["image"] if sees is True else [] if sees is False else None,
        "tools": _truth(model.get("supports_tools", capabilities.get("function_calling"))),
        "reasoning": _truth(capabilities.get("reasoning")),
    }


def _check_chat(name: str, model: Mapping[str, Any]) -> None:
    if model.get("active") is False:
        raise LeftOutError(f"{name!r} is not active")
    if model.get("deprecated") is True:
        raise LeftOutError(f"{name!r} is deprecated")
    kind, chat = model.get("type"), part(model, "capabilities").get("completion_chat", model.get("supports_chat"))
    # Mistral's type is `base` or `fine-tuned`, of models that chat, too.
    if isinstance(kind, str) and kind.lower() not in _CHAT_TYPES and chat is not True:
        raise LeftOutError(f"{name!r} answers no chat: its type is {kind!r}")
    if chat is False:
        raise LeftOutError(f"{name!r} answers no chat")
    if kind is None and chat is None and (found := _NO_CHAT.search(name)):
        raise LeftOutError(f"{name!r} answers no chat, by its name ({found[1]!r})")


def _prices(
    model: Mapping[str, Any], meta: Mapping[str, Any], remark: Callable[[str], None]
) -> dict[str, float | None]:
    """Return prices where a list has them per million tokens, as Together's and DeepInfra's."""
    pricing = part(model, "pricing") or part(meta, "pricing")
    price_in = amount(pricing.get("input", pricing.get("input_tokens")))
    price_out = amount(pricing.get("output", pricing.get("output_tokens")))
    if price_in is None or price_out is None:
        return {"price_in": None, "price_out": None}
    if amount(pricing.get("hourly")):
        remark(Remark.PRICE_UNKNOWN.of("it is charged by the hour, so its price is left unknown"))
        return {"price_in": None, "price_out": None}
    return {"price_in": float(price_in), "price_out": float(price_out)}


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
