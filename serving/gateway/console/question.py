"""The form in which a person asks where a prompt would go: what was typed, and the request that it stands for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from serving.gateway.chat_request import AUTO, ChatRequest, parse
from serving.refusal import Refused

DIALS = {
    "auto": "Default: the router's promise",
    "best": "Quality: most likely to succeed",
    "cheap": "Cost: cheapest that is likely to succeed",
    "weight": "In between: the cost weight below",
}
MODALITIES = ("image", "audio", "file", "video")
_NUMBERS = {"max_cost_usd": float, "min_success_probability": float, "min_context_length": int}
_MOST_CHARACTERS = 100_000
_MOST_FIELDS = 40


@dataclass(frozen=True)
class Question:
    """What stands in the form, as it was typed.

    Attributes:
        prompt: To be routed.
        dial: A key of `DIALS`.
        cost_weight: Counts where the dial is `weight`.
        candidates: Names or patterns, separated by commas.
        max_cost_usd: Most that the prompt may cost.
        min_success_probability: Candidates that reach it rank first.
        min_context_length: In tokens.
        region: Where the candidate is served.
        modalities: What it reads beside text.
        tools: Whether it has to call tools.
    """

    prompt: str = ""
    dial: str = "auto"
    cost_weight: str = "0.2"
    candidates: str = ""
    max_cost_usd: str = ""
    min_success_probability: str = ""
    min_context_length: str = ""
    region: str = ""
    modalities: tuple[str, ...] = ()
    tools: bool = False

    @property
    def is_filtered(self) -> bool:
        """Return whether a filter is set."""
        filters = (
            self.candidates,
            *(getattr(self, name) for name in _NUMBERS),
            self.region,
            self.modalities,
            self.tools,
        )
        return any(filters)


def read(body: bytes) -> Question:
    """Read the form as a browser sends it; what is no field of it is ignored.

    Raises:
        Refused: It holds too much (413).
    """
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refused(413, f"the form has more than {_MOST_FIELDS} fields; send those of the page") from None
    texts = {
        name: _first(fields, name) for name in Question.__dataclass_fields__ if name not in ("modalities", "tools")
    }
    if len(texts["prompt"]) > _MOST_CHARACTERS:
        raise Refused(413, f"the prompt has more than {_MOST_CHARACTERS:,} characters; send a shorter one")
    texts["dial"] = texts["dial"] if texts["dial"] in DIALS else "auto"
    modalities = tuple(name for name in MODALITIES if name in fields.get("modalities", ()))
    return Question(**texts, modalities=modalities, tools="tools" in fields)


def as_request(question: Question) -> ChatRequest:
    """Return the request that a client would send.

    Raises:
        Refused: Something in it is malformed (400).
    """
    if not question.prompt.strip():
        raise Refused(400, "the prompt is empty; type what a user would ask")
    wanted: dict[str, Any] = {name: _number(name, getattr(question, name), kind) for name, kind in _NUMBERS.items()}
    if question.dial == "weight":
        wanted["cost_weight"] = _number("cost_weight", question.cost_weight, float)
    else:
        wanted["policy"] = question.dial
    wanted["candidates"] = [name.strip() for name in question.candidates.split(",") if name.strip()] or None
    wanted["region"] = question.region.strip() or None
    wanted["modalities"] = list(question.modalities) or None
    wanted["tools"] = question.tools or None
    wanted = {name: value for name, value in wanted.items() if value is not None}
    body = {"messages": [{"role": "user", "content": question.prompt}], "modelsat": wanted}
    return parse(json.dumps(body).encode(), AUTO)


def _first(fields: Mapping[str, Sequence[str]], name: str) -> str:
    return fields.get(name, [""])[0]


def _number(name: str, text: str, kind: type[float] | type[int]) -> float | int | None:
    if not text.strip():
        return None
    try:
        return kind(text)
    except ValueError:
        whole = "whole number" if kind is int else "number"
        raise Refused(400, f"{name} {text[:40]!r} is not a {whole}; correct it, or leave it empty") from None
