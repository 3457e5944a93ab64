"""Which part of a long prompt is read: its beginning and its end, where instructions and questions stand.

A text of many windows is a document with a question behind it. Of that, the last paragraphs alone are read, or the last
lines where no blank line divides it, so that the document does not decide who answers.
"""

import re
from collections.abc import Sequence
from typing import Any

DOCUMENT = 4
"""From how many windows on a text is taken for a document with a question."""
LEAST_QUESTION = 40
"""Characters; what is shorter, such as "Thanks!", is read with what stands before it."""
_PARAGRAPH = re.compile(r"\n\s*\n")
_LINE = re.compile(r"\n(?!\(?[A-Z][.)] )")
"""A lettered option belongs to the line before it."""
_LABEL = re.compile(r"\A(?:question|query|q)\s*:\s*", re.IGNORECASE)


def token_ids(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Return what a language model reads of each text; training and serving must read the same.

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
    """Return as many last parts of a text as it takes to come to 40 characters, without the label of a question."""
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
