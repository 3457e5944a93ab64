"""What of a conversation the router reads: what a person asks now, as far as it stands on its own.

Routers are fitted to bare questions. System prompts, earlier turns, answers and what agents' harnesses write are the
same for every candidate and pull the choice away from the question; the evidence is in
`docs/adr/0008-what-of-a-conversation-is-routed-on.md` and `docs/adr/0013-what-agents-conversations-are-routed-on.md`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from modelsat.text.harness import KNOWN, Harness, texts_of

ENOUGH_CHARACTERS = 120
"""From this length on a message is taken to stand on its own; a shorter one is read with what the user said before."""
FAMILIAR = 0.5
"""A shorter one stands on its own, too, where it is less foreign than this to a router's training prompts."""
MOST_CHARACTERS = 20_000
"""Beginning and end of a longer text are kept, as routers read them too."""
MOST_SCANNED = 400_000
"""Characters of the user's messages, the newest first, in which a question is looked for."""


def routed_text(
    messages: Sequence[Mapping[str, Any]], enough_characters: int = ENOUGH_CHARACTERS, harness: Harness = KNOWN
) -> str:
    """Return what the router is asked about where nothing is known of the newest message; see `routed_texts`."""
    return routed_texts(messages, enough_characters, harness)[0]


def stands_alone(foreign: float) -> bool:
    """Say whether a message is a question of its own, by how foreign it is to a router's training prompts, in [0, 1].

    "Are you sure?" is like none of them, "What is 17 * 23?" like many, and both are short.
    """
    return foreign < FAMILIAR


def routed_texts(
    messages: Sequence[Mapping[str, Any]], enough_characters: int = ENOUGH_CHARACTERS, harness: Harness = KNOWN
) -> tuple[str, str]:
    """Return what the router is asked about: what people last asked, as many messages of it as make a question.

    Greetings, roles and the like around a question stay: the router finds its core (`modelsat.text.core`).

    Args:
        messages: Of an OpenAI chat completion; of a message in parts, the text parts count.
        enough_characters: At which the user's earlier messages are no longer read.
        harness: Tells a person's words from those of an agent's harness.

    Returns:
        - The text, newest message last; empty where no person wrote a text.
        - Of several messages the newest alone, to be read instead where it `stands_alone`; of one, nothing.
    """
    asked: list[str] = []
    left = MOST_SCANNED
    for message in reversed(messages):
        if message.get("role") != "user":
            continue
        size = sum(map(len, texts_of(message)))
        text = harness.asked(message if size <= left else {"content": _ends(text_of(message), left)})
        left -= size
        if text:
            asked.insert(0, text)
        if left <= 0 or sum(map(len, asked)) >= max(enough_characters, 1):
            break
    # JSON can spell half a surrogate pair, and no tokenizer can read one.
    readable = [text.encode("utf-8", "replace").decode("utf-8") for text in asked]
    return _ends("\n".join(readable), MOST_CHARACTERS), readable[-1] if len(readable) > 1 else ""


def awaits_tool(messages: Sequence[Mapping[str, Any]], harness: Harness = KNOWN) -> bool:
    """Say whether the last message is the result of a tool that the candidate called, or the harness's own words.

    System messages, which agents put in anywhere, do not count.
    """
    spoken = (one for one in reversed(messages) if one.get("role") not in ("system", "developer"))
    last: Mapping[str, Any] = next(spoken, {})
    return last.get("role") in ("tool", "function") or (last.get("role") == "user" and harness.is_alone(last))


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message, without images and other parts, and without space around it."""
    return "\n".join(texts_of(message))


def _ends(text: str, most: int) -> str:
    half = most // 2
    return text if len(text) <= most else text[:half] + text[len(text) - half :]
