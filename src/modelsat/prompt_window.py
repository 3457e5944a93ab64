"""Which part of a long prompt is read: its beginning and its end, where instructions and questions stand."""

from collections.abc import Sequence
from typing import Any


def token_ids(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Return what a language model reads of each text; training and serving must read the same.

    Args:
        tokenizer: Of the language model.
        texts: Prompts.
        max_tokens: At least 4, special tokens included.
    """
    if not len(texts):
        return []
    return [window(ids, max_tokens) for ids in tokenizer(list(texts), verbose=False)["input_ids"]]


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
