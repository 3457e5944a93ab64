"""Selects the part of a long prompt that is read: its beginning and end, where instructions and questions usually are.

A text of many windows is treated as a document followed by a question. Only its last paragraphs are read, or its last
lines if it has no blank line, so that the document does not determine the routing.

Tokenizers take time for every character. A text with more characters than texts of that many tokens have is shortened
in its middle before it is tokenised. The window holds the same tokens as without, unless tokens are unusually long.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

DOCUMENT = 4
"""A text of more windows than this is treated as a document with a question."""
LEAST_QUESTION = 40
"""Characters; a shorter last part, such as "Thanks!", is read together with the part before it."""
CHARACTERS_PER_TOKEN = 16
"""More than texts have on average in any language; English prose has four to five."""
_BLOCK, _LONGEST_GAP = 1 << 16, 1 << 10
"""Characters that are searched for a division at once, and how many of the next block one may reach into."""
_PARAGRAPH = re.compile(r"\n\s*\n")
_LINE = re.compile(r"\n(?!\(?[A-Z][.)] )")
"""A lettered option belongs to the line before it."""
_LABEL = re.compile(r"\A(?:question|query|q)\s*:\s*", re.IGNORECASE)


def token_ids(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Return the token ids that a language model reads of each text; the same in training and serving.

    Args:
        tokenizer: Of the language model.
        texts: Prompts.
        max_tokens: At least 4, special tokens included.
    """
    if not len(texts):
        return []
    ids = _tokenised(tokenizer, texts, max_tokens)
    documents = [i for i, row in enumerate(ids) if len(row) > DOCUMENT * max_tokens]
    for division in (_PARAGRAPH, _LINE):
        documents = [i for i in documents if len(ids[i]) > DOCUMENT * max_tokens]
        if documents:
            questions = _tokenised(tokenizer, [last_part(texts[i], division) for i in documents], max_tokens)
            replaced = dict(zip(documents, questions, strict=True))
            ids = [replaced.get(i, row) for i, row in enumerate(ids)]
    return [window(row, max_tokens) for row in ids]


def truncated(tokenizer: Any, texts: Sequence[str], max_tokens: int, **options: Any) -> np.ndarray:
    """Return which texts a window does not hold whole, as a boolean array (texts,).

    Args:
        tokenizer: Of the language model.
        texts: Prompts.
        max_tokens: As of `token_ids`.
        options: Of the tokenizer.
    """
    long = [len(text) > most_characters(max_tokens) for text in texts]
    short = [text for text, is_long in zip(texts, long, strict=True) if not is_long]
    lengths = map(len, tokenizer(short, verbose=False, **options)["input_ids"] if short else [])
    return np.asarray([is_long or next(lengths) > max_tokens for is_long in long], dtype=bool)


def shortened(text: str, max_tokens: int) -> str:
    """Return a text without the middle that a window of its tokens cannot reach.

    What is left has enough tokens for the window and to be recognised as a document: four windows of 16 characters
    per token.
    """
    most = most_characters(max_tokens)
    return text if len(text) <= most else text[: most // 2] + text[-(most // 2) :]


def last_part(text: str, division: re.Pattern[str] = _PARAGRAPH) -> str:
    """Return the last parts of a text that together have at least 40 characters, without a leading "Question:"."""
    end, start = len(text), 0
    while end > 0 and not start:
        begin = max(0, end - _BLOCK)
        gaps = division.finditer(text, begin, end + _LONGEST_GAP)
        starts = [gap.end() for gap in gaps if gap.start() < end and len(text) - gap.end() >= LEAST_QUESTION]
        start, end = starts[-1] if starts else 0, begin
    return _LABEL.sub("", text[start:])


def _tokenised(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    ids: list[list[int]] = tokenizer([shortened(text, max_tokens) for text in texts], verbose=False)["input_ids"]
    return ids


def most_characters(max_tokens: int) -> int:
    """Return the length in characters up to which a text is tokenised whole."""
    return CHARACTERS_PER_TOKEN * DOCUMENT * max_tokens


def window(ids: Sequence[int], max_tokens: int) -> list[int]:
    """Keep the first half and the last half of `max_tokens` token ids; shorter prompts are left as they are.

    Args:
        ids: Token ids with the special tokens at both ends.
        max_tokens: At least 4.
    """
    if len(ids) <= max_tokens:
        return list(ids)
    head = max_tokens // 2
    return [*ids[:head], *ids[len(ids) - (max_tokens - head) :]]
