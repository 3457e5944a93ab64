"""The one place that renders text for routers and computes the digest that identifies a question.

Training and serving call the same functions; a bundle carries `VERSION` and refuses to load under another.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

VERSION = 1

INQUIRY = "Can this model handle the instruction? Yes or No"
"""The performance inquiry that ends every capability instruction (Model-SAT, section 3)."""

_IN_PICTURES = "Text in the picture: "
_SHORT_STEM = 40


def render_prompt(prompt: str, choices: Sequence[str] | None = None) -> str:
    """Return the text a router sees: the prompt, then one lettered line per option.

    Args:
        prompt: The question or instruction as its source states it.
        choices: Options of a multiple-choice question, in order; None or empty for an open one.
    """
    if not choices:
        return prompt
    return "\n".join([prompt, *(f"{option_letter(i)}. {choice}" for i, choice in enumerate(choices))])


def with_picture_text(text: str, picture_text: str | None) -> str:
    """Return what a router reads of a prompt with pictures: the text in them, then the prompt.

    The question comes last, as routers look for it there.

    Args:
        text: The rendered prompt.
        picture_text: Text in its pictures, in one line; None or empty where none was read.
    """
    return f"{_IN_PICTURES}{picture_text}\n\n{text}" if picture_text else text


def option_letter(index: int) -> str:
    """Return A for 0, B for 1, ... Z for 25, AA for 26."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def render_card_line(keywords: Sequence[str], accuracy: float) -> str:
    """Return one entry of a capability representation: an accuracy in [0, 1] and the five keywords of its task."""
    return f'accuracy {accuracy:.1%} on "{", ".join(keywords)}"'


def render_card(lines: Sequence[str]) -> str:
    """Return the whole capability representation as text; no candidate is named (Model-SAT, section 2.2)."""
    return f"The model achieves {', '.join(lines)}."


def stem_digest(prompt: str, choices: Sequence[str] | None = None) -> str:
    """Return a digest that ignores typography, so that the same question has the same digest.

    Options are included only if the stem is too short to distinguish questions, and then as a set.

    Returns:
        32 hexadecimal characters.
    """
    stem = _normalise(prompt)
    if choices and len(stem) < _SHORT_STEM:
        stem = "\n".join([stem, *sorted(_normalise(choice) for choice in choices)])
    return digest(stem)


def digest(text: str) -> str:
    """Return the first 32 hexadecimal characters of the SHA-256 of `text`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _normalise(text: str) -> str:
    """Reduce a question to its words, numbers and operators: case, spacing and punctuation are typography."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_TYPOGRAPHY)
    words = " ".join(_TOKENS.findall(folded))
    return words or folded.strip()


class _Typography(dict[int, str]):
    """Maps every character to itself, to a plain minus, or to a space; decided once per character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if character in "\u2212\u2013\u2010\u2011":
            self[code] = "-"
        elif kind[0] in "LNM" or kind == "Sm" or character in _OPERATORS:
            self[code] = character
        else:
            self[code] = " "
        return self[code]


_OPERATORS = "-*/^%!&+<>=|~"
_TYPOGRAPHY = _Typography()
# A minus or star is an operator beside a digit, a hyphen or emphasis elsewhere; ! and % count after digits.
_TOKENS = re.compile(
    r"[^\s\-*/^%!&+<>=|~\u00ac-\u00d7\u00f7\u2190-\u2bff]+"
    r"|[+<>=|~^/&\u00ac\u00b1\u00d7\u00f7\u2190-\u2bff]+"
    r"|(?<=[\d ])[-*](?=\s?\d)|(?<=\d)\s?[-*%!]+"
)
