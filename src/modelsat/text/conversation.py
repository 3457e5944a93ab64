"""What of a conversation the router reads: what the user asks now, as far as it stands on its own.

Routers are fitted to bare questions. System prompts, earlier turns and answers are the same for every candidate and
pull the choice away from the question; the evidence is in `docs/adr/0008-what-of-a-conversation-is-routed-on.md`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

ENOUGH_CHARACTERS = 120
"""From this length on a message is taken to stand on its own; a shorter one is read with what the user said before."""
MOST_CHARACTERS = 20_000
"""Beginning and end of a longer text are kept, as routers read them too."""


def routed_text(messages: Sequence[Mapping[str, Any]], enough_characters: int = ENOUGH_CHARACTERS) -> str:
    """Return what the router is asked about: the user's last messages, as many as make a question.

    Greetings, roles and the like around a question stay: the router finds its core (`modelsat.text.core`).

    Args:
        messages: Of an OpenAI chat completion; of a message in parts, the text parts count.
        enough_characters: At which the user's earlier messages are no longer read.

    Returns:
        Newest message last; empty where the user wrote no text.
    """
    asked: list[str] = []
    for message in reversed(messages):
        text = text_of(message) if message.get("role") == "user" else ""
        if text:
            asked.insert(0, text)
        if sum(map(len, asked)) >= max(enough_characters, 1):
            break
    return _bounded("\n".join(asked))


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message, without images and other parts, and without space around it."""
    content = message.get("content")
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping) and part.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str)).strip()


def _bounded(text: str) -> str:
    # JSON can spell half a surrogate pair, and no tokenizer can read one.
    whole = text.encode("utf-8", "replace").decode("utf-8")
    half = MOST_CHARACTERS // 2
    return whole if len(whole) <= MOST_CHARACTERS else whole[:half] + whole[-half:]
