"""Small talk around a question: greetings, thanks and apologies, which say nothing of what is asked.

English only, and by a list of words: what it does not know stays in the text, as before.
"""

import re

_WORDS = re.compile(
    r"\b(hi|hello|hey|dear|good (morning|afternoon|evening)|hope you|thanks(?! to)|thank you|thx|appreciated?|grateful"
    r"|regards|cheers|sorry|let me know)\b",
    re.IGNORECASE,
)
_GAPS = re.compile(r"((?<=[.!?:])\s+|\n\s*)")
_LONGEST = 200


def without_small_talk(text: str) -> str:
    """Return a text without the sentences of small talk at its beginning and its end; all of it where nothing is left.

    A sentence with a digit in it, or of more than 200 characters, is never small talk.
    """
    # Sentences, with the gaps between them at the odd places.
    pieces = _GAPS.split(text)
    first, last = 0, len(pieces) - 1
    while first <= last and _is_small_talk(pieces[first]):
        first += 2
    while first <= last and _is_small_talk(pieces[last]):
        last -= 2
    return "".join(pieces[first : last + 1]) or text


def _is_small_talk(sentence: str) -> bool:
    short = len(sentence) <= _LONGEST and not any(character.isdigit() for character in sentence)
    return not sentence or (short and _WORDS.search(sentence) is not None)
