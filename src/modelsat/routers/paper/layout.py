"""The capability instruction in tokens: capability first, then the user instruction, then the performance inquiry.

The capability is one slot that a soft vector fills, or, in the ablation, the card's own text. A card is longer than a
sentence encoder reads, so it is cut into pieces of whole lines, each a small card of its own: no line is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from modelsat.errors import InputError
from modelsat.routers.paper import packing
from modelsat.routers.paper.packing import Packed
from modelsat.routers.paper.tokens import PaperTokens
from modelsat.text.prompt_window import shortened, window
from modelsat.text.rendering import INQUIRY, render_card

SLOT = 1
"""Where the soft vector stands: right after the token that opens every sequence."""

_SEPARATOR = "\n"


@dataclass(frozen=True)
class Pieces:
    """The pieces of several cards, p in all: token ids and mask (p, l), and the card of each piece (p,)."""

    ids: torch.Tensor
    mask: torch.Tensor
    card: torch.Tensor


class Layout:
    """Writes capability instructions.

    Args:
        tokenizer: Of the language model.
        encoder_tokenizer: Of the capability encoder.
        reading: What is read.

    Raises:
        InputError: The language model's tokenizer names no token that opens a text.
    """

    def __init__(self, tokenizer: Any, encoder_tokenizer: Any, reading: PaperTokens) -> None:
        self.reading = reading
        self.tokenizer = tokenizer
        self._encoder_tokenizer = encoder_tokenizer
        start = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
        if start is None:
            raise InputError("the language model's tokenizer has neither a first token nor a classification token")
        self._padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else start
        self._start = [start]
        inquiry = self._ids(_SEPARATOR + INQUIRY)
        # Only a bidirectional model closes a text; a causal one is asked for what comes next.
        closes = tokenizer.cls_token_id is not None and tokenizer.sep_token_id is not None
        self._end = [*inquiry, tokenizer.sep_token_id] if closes else inquiry

    @property
    def longest(self) -> int:
        """Return the tokens of the longest instruction that there can be."""
        capability = 1 if self.reading.capability == "vector" else self.reading.card_tokens
        return len(self._start) + capability + self.reading.max_tokens + len(self._end)

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids read of each prompt."""
        most = self.reading.max_tokens
        return [window(self._ids(shortened(text, most)), most) for text in texts]

    def slot(self) -> list[int]:
        """Return the placeholder of a soft vector: one token whose embedding is not used."""
        return [self._padding]

    def in_words(self, lines: Sequence[str]) -> list[int]:
        """Return a card as token ids within the prompt; lines that do not fit, the last ones, are left out."""
        sizes = [len(self._ids(f", {line}")) for line in lines]
        opening = len(self._ids(render_card([]) + _SEPARATOR))
        return self._ids(render_card(in_runs(lines, sizes, self.reading.card_tokens - opening)[0]) + _SEPARATOR)

    def pieces(self, cards: Sequence[Sequence[str]]) -> Pieces:
        """Return what the encoder reads of cards, given as lines in their order."""
        texts, owner = [], []
        opening = len(self._encoder_tokenizer(self.reading.encoder_prefix + render_card([]))["input_ids"])
        for i, lines in enumerate(cards):
            listed = [f", {line}" for line in lines]
            sizes = [len(ids) for ids in self._encoder_tokenizer(listed, add_special_tokens=False)["input_ids"]]
            parts = in_runs(lines, sizes, self.reading.card_tokens - opening)
            texts += [self.reading.encoder_prefix + render_card(part) for part in parts]
            owner += [i] * len(parts)
        batch = self._encoder_tokenizer(texts, padding=True, return_tensors="pt")
        return Pieces(batch["input_ids"], batch["attention_mask"], torch.tensor(owner))

    def sequences(
        self, capabilities: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Join capability and prompt, row by row; return token ids and mask (n, l), padded at the right."""
        rows = self._joined(capabilities, prompts)
        longest = max(len(row) for row in rows)
        ids = torch.tensor([row + [self._padding] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return ids, mask

    def packed(self, capabilities: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]], most: int) -> Packed:
        """Join capability and prompt likewise, and lay the instructions into rows of at most `most` tokens, or one."""
        return packing.pack(self._joined(capabilities, prompts), most, self._padding)

    def _joined(self, capabilities: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        return [
            [*self._start, *capability, *prompt, *self._end]
            for capability, prompt in zip(capabilities, prompts, strict=True)
        ]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids


def in_runs(lines: Sequence[str], sizes: Sequence[int], budget: int) -> list[list[str]]:
    """Cut lines, in order, into as few runs as fit a budget each.

    Args:
        lines: At least one.
        sizes: Tokens of each line.
        budget: Tokens of a run.

    Raises:
        InputError: A line alone is larger than the budget.
    """
    runs: list[list[str]] = []
    left = 0
    for line, size in zip(lines, sizes, strict=True):
        if size > budget:
            raise InputError(
                f"the card line {line!r} takes {size} tokens where {budget} are left; raise the recipe's card_tokens"
            )
        if not runs or size > left:
            runs.append([])
            left = budget
        runs[-1].append(line)
        left -= size
    return runs
