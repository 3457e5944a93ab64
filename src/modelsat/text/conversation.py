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
MOST_CHARACTERS = 20_000
"""Beginning and end of a longer text are kept, as routers read them too."""
MOST_SCANNED = 400_000
"""Characters of the user's messages, the newest first, in which a question is looked for."""


def routed_text(
    messages: Sequence[Mapping[str, Any]], enough_characters: int = ENOUGH_CHARACTERS, harness: Harness = KNOWN
) -> str:
    """Return what the router is asked about: what people last asked, as many messages of it as make a question.

    Greetings, roles and the like around a question stay: the router finds its core (`modelsat.text.core`).

    Args:
        messages: Of an OpenAI chat completion; of a message in parts, the text parts count.
        enough_characters: At which the user's earlier messages are no longer read.
        harness: Tells a person's words from those of an agent's harness.

    Returns:
        Newest message last; empty where no person wrote a text.
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
    return _ends("\n".join(asked).encode("utf-8", "replace").decode("utf-8"), MOST_CHARACTERS)


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
