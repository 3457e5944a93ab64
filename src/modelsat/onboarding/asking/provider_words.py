"""What a provider says when it refuses a request, fit to be shown, and what helps against it.

A provider's own sentence is the best explanation there is. It may repeat the key or the question, which are never
shown: a sentence with words of the question is dropped, and whatever could be a key is blotted out.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST = 240
_SHORTEST_QUOTE = 16
"""A shared run of so many characters is a quote of the question."""
_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|key|api)[-_][^\s,;'\"]{4,}|\bBearer\s+\S+", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9_+/=-]{24,}")
_BLOT = "***"


@dataclass(frozen=True)
class Refusal:
    """Why a request was refused.

    Attributes:
        sentence: Of the provider, "" where it says nothing that can be shown.
        field: The field of the request that it objects to, "" where it names none.
    """

    sentence: str
    field: str = ""

    @property
    def quoted(self) -> str:
        """Return the provider's sentence as the end of ours, "" where there is none."""
        return f": “{self.sentence}”" if self.sentence else ""


def refusal(content: bytes, question: str, key: str, model: str, fields: Iterable[str]) -> Refusal:
    """Read a refusal.

    Args:
        content: Body of the answer.
        question: What was sent; nothing of it is repeated.
        key: What was sent as key; never repeated.
        model: Name of the model at the provider, which may be repeated.
        fields: Names of the fields that were sent, beside the messages.
    """
    error = _error(content)
    sentence = _shown(_text(error), question, key, model)
    param = error.get("param")
    own = sorted({*fields, "model"}, key=len, reverse=True)
    named = [name for name in own if param == name] or [
        name for name in own if name != "model" and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", sentence)
    ]
    return Refusal(sentence, named[0] if named else "")


def remedy(refused: Refusal) -> str:
    """Return what helps against a refusal of a field, as the end of a sentence; "" where nothing certain does."""
    where = "in the row's request_body or with --body"
    if not refused.field:
        return ""
    if refused.field == "model":
        return "check the model's name (served_as)"
    if refused.field == "max_tokens" and "max_completion_tokens" in refused.sentence:
        return f'set {{"max_completion_tokens": 16384}} {where}; max_tokens is left out then'
    if refused.field in ("max_tokens", "max_completion_tokens"):
        return "set a lower max_tokens in its row or with --max-tokens"
    return f'leave the field out with {{"{refused.field}": null}}, or set another value, {where}'


def remedy_for_status(status: int) -> str:
    """Return what to check for a status that all questions would get, "" where nothing certain helps."""
    if status in (401, 403):
        return "check the key (api_key_env) and what it may use"
    if status == 402:
        return "check the credit of the account"
    if status in (404, 405) or 300 <= status < 400:
        return "check its address (it mostly ends in /v1) and the model's name (served_as)"
    return ""


def _error(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else body


def _text(error: Mapping[str, Any]) -> str:
    texts = (error.get(name) for name in ("message", "detail", "msg"))
    return next((text for text in texts if isinstance(text, str)), "")


def _shown(text: str, question: str, key: str, model: str) -> str:
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    if _quotes(line, " ".join(question.split())):
        return ""
    if key:
        line = line.replace(key, _BLOT)
    line = _TOKEN.sub(lambda found: found[0] if found[0] in model or not _is_odd(found[0]) else _BLOT, line)
    line = _KEY.sub(lambda found: found[0] if found[0] in model else _BLOT, line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _is_odd(word: str) -> bool:
    return any(letter.isdigit() for letter in word)


def _quotes(line: str, question: str) -> bool:
    size = min(_SHORTEST_QUOTE, len(question))
    return size > 0 and any(line[start : start + size] in question for start in range(len(line) - size + 1))
