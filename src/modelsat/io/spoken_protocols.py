"""Which protocols a candidate's endpoint speaks, as people write it: names, or names with fields of every request.

protocols: [chat, responses]
protocols: {chat: {reasoning_effort: low}, responses: {reasoning: {effort: low}}}
"""

import json
import re
from collections.abc import Mapping
from typing import Any

CHAT, RESPONSES, MESSAGES = "chat", "responses", "messages"
NAMES = (CHAT, RESPONSES, MESSAGES)
"""OpenAI's chat completions and responses, and Anthropic's messages."""
_NEVER = ("messages", "input", "model", "stream", "modelsat")


def read(told: object) -> dict[str, dict[str, Any]]:
    """Return the fields of every request by protocol, for each that is spoken.

    Args:
        told: A list of names, a mapping from names to fields, or either as JSON; names may be separated by `|`, `;` or
            `,`, too.

    Raises:
        ValueError: It is neither, with the reason as a sentence that repeats no value.
    """
    if isinstance(told, str):
        told = _decoded(told)
    if isinstance(told, list | tuple):
        told = {name if isinstance(name, str) else "?": {} for name in told}
    if not isinstance(told, Mapping) or not told:
        raise ValueError(f"this is no list of protocols; write some of {', '.join(NAMES)}")
    for name, fields in told.items():
        if name not in NAMES:
            raise ValueError(f"{str(name)[:40]!r} is no protocol that is known; known are {', '.join(NAMES)}")
        fault = fault_in_fields(fields if fields is not None else {})
        if fault is not None:
            raise ValueError(f"the fields of {name!r} {fault}")
    return {str(name): dict(fields or {}) for name, fields in told.items()}


def fault_in_fields(fields: object) -> str | None:
    """Say what is wrong with fields of every request, as the end of a sentence; None where nothing is."""
    if not isinstance(fields, Mapping):
        return "are no object; write names and values in braces"
    taken = [name for name in _NEVER if fields.get(name)]
    return f"hold {taken[0]!r}, which the client says; leave it out" if taken else None


def _decoded(text: str) -> object:
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return None
    return [one.strip() for one in re.split(r"[|;,]", text) if one.strip()]
