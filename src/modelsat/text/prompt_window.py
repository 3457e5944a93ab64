"""Selects the part of a long prompt that is read: its beginning and end, where instructions and questions usually are.

A text of many windows is treated as a document followed by a question. Only its last paragraphs are read, or its last
lines if it has no blank line, so that the document does not determine the routing.
"""

import re
from collections.abc import Sequence
from typing import Any

DOCUMENT = 4
"""A text of more windows than this is treated as a document with a question."""
LEAST_QUESTION = 40
"""Characters; a shorter last part, such as "Thanks!", is read together with the part before it."""
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
    ids = tokenizer(list(texts), verbose=False)["input_ids"]
    documents = [i for i, row in enumerate(ids) if len(row) > DOCUMENT * max_tokens]
    for division in (_PARAGRAPH, _LINE):
        documents = [i for i in documents if len(ids[i]) > DOCUMENT * max_tokens]
        if documents:
            questions = tokenizer([last_part(texts[i], division) for i in documents], verbose=False)["input_ids"]
            replaced = dict(zip(documents, questions, strict=True))
            ids = [replaced.get(i, row) for i, row in enumerate(ids)]
    return [window(row, max_tokens) for row in ids]


def last_part(text: str, division: re.Pattern[str] = _PARAGRAPH) -> str:
    """Return the last parts of a text that together have at least 40 characters, without a leading "Question:"."""
    starts = [0, *(gap.end() for gap in division.finditer(text))]
    last = next((text[start:] for start in reversed(starts) if len(text) - start >= LEAST_QUESTION), text)
    return _LABEL.sub("", last)


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
