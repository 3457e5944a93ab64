"""What a person asked in a user's message: without what the agent's harness wrote around it.

Agents put reminders, the state of the editor, contents of files and results of tools into messages of the user. Nothing
of that is a question, and much of it is longer than the question.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from modelsat.text import harness_shapes
from modelsat.text.harness_shapes import HarnessShapes

_TAG = re.compile(r"<(/?)([\w.:-]{1,80})(?=[\s>/])[^<>]{0,2000}>")
_MOST_TAGS = 20_000
"""Of a text; what comes behind as many is read as it is."""
_WRAPPERS = ("task", "feedback", "user_message", "command-args")
"""Tags that are taken off where a whole text stands in one; elsewhere they may be the person's own."""


class Harness:
    """Reads messages by the shapes of harnesses.

    Args:
        shapes: What harnesses write.
    """

    def __init__(self, shapes: HarnessShapes = harness_shapes.KNOWN) -> None:
        self._shapes = shapes
        self._drop_tags = frozenset(map(str.lower, shapes.drop_tags))
        self._ask_tags = frozenset(map(str.lower, shapes.ask_tags))

    def asked(self, message: Mapping[str, Any]) -> str:
        """Return what a person asked in a message of the user; empty where everything is the harness's.

        Args:
            message: As of a chat completion; of a message in parts, the text parts count.
        """
        texts = texts_of(message)
        if any(text.startswith(self._shapes.drop_messages) for text in texts[:1]):
            return ""
        asks = [ask for text in texts for ask in self._asks(text)]
        if asks:
            return "\n".join(filter(None, (self._kept(ask) for ask in asks)))
        return "\n".join(filter(None, map(self._kept, texts)))

    def is_alone(self, message: Mapping[str, Any]) -> bool:
        """Say whether a message of the user holds words of the harness and nothing else, images included."""
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        others = any(isinstance(part, Mapping) and part.get("type", "text") != "text" for part in parts)
        return not others and bool(texts_of(message)) and not self.asked(message)

    def _asks(self, text: str) -> list[str]:
        """Return what stands in tags around what a person asked, or behind a mark that says so."""
        found = [text[inner:end] for _, inner, end, _ in _blocks(text, self._ask_tags)]
        if found:
            return found
        marks = [(text.rfind(mark), mark) for mark in self._shapes.ask_after if mark in text]
        return [text[at + len(mark) :] for at, mark in [max(marks)]] if marks else []

    def _kept(self, text: str) -> str:
        if text.startswith(self._shapes.drop_parts):
            return ""
        kept, at = [], 0
        for begin, _, _, end in _blocks(text, self._drop_tags):
            kept.append(text[at:begin])
            at = end
        text = "".join([*kept, text[at:]])
        for begin_mark, end_mark in self._shapes.drop_between:
            text = _without(text, begin_mark, end_mark)
        return _unwrapped(text.strip())


KNOWN = Harness()
"""Reads by the shapes that are known."""


def texts_of(message: Mapping[str, Any]) -> list[str]:
    """Return the texts of a message, without images and other parts, and without space around them."""
    content = message.get("content")
    if isinstance(content, str):
        return [content.strip()] if content.strip() else []
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping) and part.get("type") == "text"]
    return [text.strip() for text in texts if isinstance(text, str) and text.strip()]


def _blocks(text: str, names: frozenset[str]) -> list[tuple[int, int, int, int]]:
    """Return the outermost blocks in tags that are closed: begin, begin and end of what is in them, end."""
    found = [tag for tag in islice(_TAG.finditer(text), _MOST_TAGS) if tag[2].lower() in names]
    last = {tag[2].lower(): tag.start() for tag in found if tag[1]}
    blocks: list[tuple[int, int, int, int]] = []
    opened: re.Match[str] | None = None
    depth = 0
    for tag in found:
        name, closes = tag[2].lower(), bool(tag[1])
        if opened is None:
            if not closes and last.get(name, -1) > tag.start():
                opened, depth = tag, 1
        elif name == opened[2].lower():
            depth += -1 if closes else 1
            if closes and (depth == 0 or tag.start() == last[name]):
                blocks.append((opened.start(), opened.end(), tag.start(), tag.end()))
                opened = None
    return blocks


def _without(text: str, begin: str, end: str) -> str:
    kept, at = [], 0
    while (start := text.find(begin, at)) >= 0 and (stop := text.find(end, start + len(begin))) >= 0:
        kept.append(text[at:start])
        at = stop + len(end)
    return "".join([*kept, text[at:]])


def _unwrapped(text: str) -> str:
    for name in _WRAPPERS:
        opening, closing = f"<{name}>", f"</{name}>"
        if text.startswith(opening) and text.endswith(closing) and text.count(opening) == 1:
            return text[len(opening) : -len(closing)].strip()
    return text
