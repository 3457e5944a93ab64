"""A chat completion as it was asked for: what the gateway reads of it; other fields go to the upstream untouched."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.gateway.errors import Refused

AUTO = "auto"
_ADDITIONS = ("cost_weight", "candidates")
_MOST_PATTERNS = 200


@dataclass(frozen=True)
class ChatRequest:
    """One request.

    Attributes:
        model: `auto` or a candidate.
        messages: The conversation.
        forwarded: Every field but `modelsat`, for the upstream.
        cost_weight: How much probability one would give up for the cost of the dearest candidate, in [0, 1].
        candidates: Patterns such as `qwen*` of which a candidate has to match one; None allows all.
    """

    model: str
    messages: list[dict[str, Any]]
    forwarded: dict[str, Any]
    cost_weight: float = 0.0
    candidates: tuple[str, ...] | None = None

    def body_for(self, model: str) -> bytes:
        """Return the body for an upstream that calls the chosen candidate `model`."""
        return json.dumps({**self.forwarded, "model": model}, separators=(",", ":")).encode()


def parse(body: bytes, model: str | None = None) -> ChatRequest:
    """Read a request body.

    Args:
        body: JSON of an OpenAI chat completion, with an object `modelsat` or without.
        model: What is asked for where the body names no model; None requires one.

    Raises:
        Refused: Something that the gateway has to read is malformed (400).
    """
    try:
        fields = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is no JSON; send an object with 'model' and 'messages'") from None
    if not isinstance(fields, dict):
        raise Refused(400, "the body is no JSON object; send one with 'model' and 'messages'")
    name = fields.get("model", model)
    if not isinstance(name, str) or not name:
        raise Refused(400, "'model' is missing or no text; send 'auto' or the name of a candidate")
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise Refused(400, "'messages' is no list of messages; send at least one, with 'role' and 'content'")
    additions = fields.pop("modelsat", None)
    return ChatRequest(name, messages, fields, *_read_additions({} if additions is None else additions))


def _read_additions(additions: Any) -> tuple[float, tuple[str, ...] | None]:
    unknown = sorted(set(additions) - set(_ADDITIONS)) if isinstance(additions, Mapping) else ["?"]
    if unknown:
        raise Refused(400, f"'modelsat' is an object that knows {' and '.join(_ADDITIONS)}; remove everything else")
    weight, patterns = additions.get("cost_weight", 0.0), additions.get("candidates")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise Refused(400, "'cost_weight' is no number in [0, 1]; 0 ignores costs")
    if patterns is not None and not (
        isinstance(patterns, list)
        and 0 < len(patterns) <= _MOST_PATTERNS
        and all(isinstance(one, str) and len(one) <= _MOST_PATTERNS for one in patterns)
    ):
        raise Refused(400, f"'candidates' is no list of at most {_MOST_PATTERNS} names or patterns such as 'qwen*'")
    return float(weight), None if patterns is None else tuple(patterns)


def _refuse_constant(_: str) -> float:
    raise ValueError


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError
    return value
