"""The prompt in what a trace calls the input of a call: text, or messages in one of the usual forms."""

import json
from collections.abc import Mapping
from typing import Any

from modelsat.text.conversation import routed_text

_HOLDERS = ("messages", "input", "prompt", "question", "query", "text", "contents")


def text_of_input(given: Any) -> str:
    """Return what a router reads of the input of a call; empty where it holds no text of a user.

    Args:
        given: Text, JSON text, a list of messages (OpenAI's `content`, OpenTelemetry's `parts`), or an object that
            holds one of these.
    """
    if isinstance(given, str):
        parsed = _json(given)
        return text_of_input(parsed) if isinstance(parsed, list | Mapping) else given.strip()
    if isinstance(given, Mapping):
        if "role" in given:
            return text_of_input([given])
        held = next((given[name] for name in _HOLDERS if given.get(name)), None)
        if held is None and len(given) == 1:
            held = next(iter(given.values()))
        return "" if held is None else text_of_input(held)
    if isinstance(given, list):
        if given and all(isinstance(one, str) for one in given):
            return "\n".join(given).strip()
        return routed_text([_message(one) for one in given if isinstance(one, Mapping)])
    return ""


def _message(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message in OpenAI's form."""
    content = told.get("content")
    parts = told.get("parts") if content is None else content
    if isinstance(parts, list):
        content = [
            {"type": "text", "text": part.get("content", part.get("text"))}
            for part in parts
            if isinstance(part, Mapping) and part.get("type", "text") in ("text", "input_text")
        ]
    role = told.get("role") or told.get("type")
    return {"role": "user" if role in (None, "user", "human") else role, "content": content}


def _json(text: str) -> Any:
    if text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
