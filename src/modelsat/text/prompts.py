"""Prompts as clients give them: a string, or a mapping with a prompt and its choices."""

from collections.abc import Mapping
from typing import Any

from modelsat.errors import InputError
from modelsat.text.rendering import render_prompt


def rendered(given: Any, place: str) -> str:
    """Return the text that a router reads of one prompt.

    Args:
        given: A string, or a mapping with a string `prompt` and optionally `choices`, a list of strings.
        place: Where it stands, for the error message, such as "instance 3".

    Raises:
        InputError: It is something else.
    """
    fields = {"prompt": given} if isinstance(given, str) else given
    if not isinstance(fields, Mapping) or not isinstance(fields.get("prompt"), str):
        raise InputError(f'{place} is neither a string nor an object with a string "prompt"')
    choices = fields.get("choices")
    if choices is not None and not (isinstance(choices, list) and all(isinstance(choice, str) for choice in choices)):
        raise InputError(f'"choices" of {place} is not a list of strings')
    return render_prompt(fields["prompt"], choices)


def require_characters(text: str, place: str) -> None:
    """Refuse half a surrogate pair, which JSON can spell and no tokenizer or answer can.

    Args:
        text: A rendered prompt.
        place: As of `rendered`.

    Raises:
        InputError: There is one.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{place} contains half a surrogate pair; send whole Unicode characters") from None
