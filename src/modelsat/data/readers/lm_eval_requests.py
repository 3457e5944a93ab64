"""What lm-evaluation-harness sent to the model for one document, in all shapes of its versions.

Since 0.4.3 `arguments` is an object of objects, before it was a list of lists. The first argument is the context: text,
or the messages of a chat, either as objects or as JSON text in a list of one (chat APIs). The second is the text whose
likelihood was measured, or an object with the settings of generation.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_USER, _ASSISTANT = "user", "assistant"


@dataclass(frozen=True)
class HarnessRequests:
    """The requests of one document.

    Attributes:
        contexts: What came before each answer; a single entry where all requests share it. Text, or chat messages as
            (role, text) pairs.
        continuations: The texts whose likelihoods were compared, empty for generation.
    """

    contexts: tuple[str | tuple[tuple[str, str], ...], ...]
    continuations: tuple[str, ...]


def read_requests(arguments: object) -> HarnessRequests:
    """Read the `arguments` of a samples row."""
    pairs = [items(request) for request in items(arguments)]
    pairs = [pair for pair in pairs if pair]
    contexts = [_context(pair[0]) for pair in pairs]
    continuations = [pair[1] for pair in pairs if len(pair) > 1 and isinstance(pair[1], str)]
    if len(continuations) != len(contexts):
        continuations = []
    half = len(contexts) // 2
    # The metric acc_mutual_info asks for every option once more, without any context.
    if half and continuations[:half] == continuations[half:] and any(contexts[:half]) and not any(contexts[half:]):
        contexts, continuations = contexts[:half], continuations[:half]
    shared = contexts[:1] if len(set(contexts)) == 1 else contexts
    return HarnessRequests(tuple(shared), tuple(continuations))


def is_unanswered(resps: object) -> bool:
    """Say whether every answer in the `resps` of a samples row is empty: an API that failed leaves such answers."""
    answers = [answer for repeats in items(resps) for answer in items(repeats)] if items(resps) else [""]
    return all(answer is None or (isinstance(answer, str) and not answer.strip()) for answer in answers)


def last_user_message(messages: tuple[tuple[str, str], ...]) -> str:
    """Return what the user said last, else the last message that is not the assistant's."""
    said = [text for role, text in messages if role == _USER]
    others = [text for role, text in messages if role != _ASSISTANT]
    return (said or others or [""])[-1]


def items(node: object) -> list[object]:
    """Return what a list holds, or an object such as `{"arg_0": ..., "arg_1": ...}`, as newer versions write lists."""
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []


def _context(value: object) -> str | tuple[tuple[str, str], ...]:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        value = _messages(value)
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "role" in item for item in value):
        return tuple((str(item["role"]), _content(item.get("content"))) for item in value)
    return value if isinstance(value, str) else ""


def _messages(text: str) -> object:
    """Return the chat messages in JSON text, or the text itself where it holds none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    is_chat = isinstance(value, list) and all(isinstance(item, dict) and "role" in item for item in value)
    return value if is_chat else text


def _content(content: object) -> str:
    """Return the text of a message, whose content may be a list of parts, some of them images."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in items(content) if isinstance(part, dict)]
    return "\n".join(part for part in parts if isinstance(part, str))
