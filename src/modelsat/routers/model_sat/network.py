"""The network of Model-SAT on a bidirectional language model: prompt once, then a few tokens per candidate.

Legend for the shapes in comments: n prompts, l prompt tokens, m candidates, t card lines, b = soft tokens + 1, d width.

Two readings of a card are added. The prompt, pooled, decides which lines of the card concern it and takes what they
say: an attention over the lines, whose values are the line's own deviation and a correction read off the soft tokens
that the connector makes from the capability vector. And the candidate joins the language model itself: at layer
`entry_layer` every candidate enters with its own block, those soft tokens and the performance inquiry; a two-way head
at the inquiry token answers.

A block sees the prompt and itself, never another block, and the prompt sees no block; so one pass equals one pass per
candidate. P(Yes) is the sigmoid of what the network returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from modelsat.text.encoder import mean_pool

YES, NO = 0, 1
_HIDDEN = -1e9


@dataclass(frozen=True)
class Shape:
    """What has to be known to rebuild a network.

    Attributes:
        tasks: Lines of a card.
        capability_width: Length of a capability vector.
        entry_layer: At which layer of the language model candidates join, from 0.
        soft_tokens: Tokens per candidate, at least 1.
    """

    tasks: int
    capability_width: int
    entry_layer: int = 4
    soft_tokens: int = 1


class Network(nn.Module):
    """Scores candidates for prompts.

    Args:
        language_model: A BERT-shaped model without pooling layer.
        shape: Sizes of the parts that are ours.

    Raises:
        ValueError: The language model is not BERT-shaped, or has no such layer.
    """

    def __init__(self, language_model: Any, shape: Shape) -> None:
        super().__init__()
        width = int(language_model.config.hidden_size)
        if not hasattr(language_model, "encoder"):
            raise ValueError(
                f"candidates join a BERT-shaped language model, and this one is {language_model.config.model_type}; a "
                "recipe of the paper's mode trains it"
            )
        layers = language_model.encoder.layer
        if not 0 <= shape.entry_layer < len(layers):
            raise ValueError(
                f"entry_layer {shape.entry_layer} is outside the {len(layers)} layers of the language model"
            )
        self.shape = shape
        self.embeddings = language_model.embeddings
        self.lower = nn.ModuleList(layers[: shape.entry_layer])
        self.upper = nn.ModuleList(layers[shape.entry_layer :])
        self.reader = nn.Linear(width, shape.tasks)
        self.trust = nn.Parameter(torch.full((1,), 0.5))
        self.ability = nn.Linear(1, 1)
        self.difficulty = nn.Linear(width, 1)
        self.connector = nn.Linear(shape.capability_width, width * shape.soft_tokens)
        self.correction = nn.Linear(width * shape.soft_tokens, shape.tasks, bias=False)
        self.inquiry = nn.Parameter(torch.zeros(width))
        self.head = nn.Linear(width, 2)
        self._start_neutral()

    def _start_neutral(self) -> None:
        """Start where the card alone speaks: everything that is learned has to earn its place."""
        nn.init.zeros_(self.correction.weight)
        for layer in (self.head, self.difficulty):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.ones_(self.ability.weight)
        nn.init.zeros_(self.ability.bias)

    def enter(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Run prompts through the layers below the entry, which candidates never touch.

        Args:
            input_ids: (n, l).
            mask: 1 for tokens, 0 for padding, (n, l).

        Returns:
            Hidden states (n, l, d).
        """
        return next(islice(self.walk(input_ids, mask), self.shape.entry_layer, None))

    def walk(self, input_ids: torch.Tensor, mask: torch.Tensor) -> Iterator[torch.Tensor]:
        """Run prompts alone through the whole language model; yield the embeddings, then each layer's states."""
        states: torch.Tensor = self.embeddings(input_ids=input_ids)
        hidden = _additive(mask[:, None, None, :].bool(), states.dtype)
        yield states
        for layer in (*self.lower, *self.upper):
            states = layer(states, hidden)
            yield states

    def last(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Run prompts alone through the upper layers: (n, l, d) to the mean of the last states, (n, d)."""
        hidden = _additive(mask[:, None, None, :].bool(), states.dtype)
        for layer in self.upper:
            states = layer(states, hidden)
        return mean_pool(states, mask)

    def forward(self, states: torch.Tensor, mask: torch.Tensor, capability: torch.Tensor) -> torch.Tensor:
        """Score all candidates in one pass.

        Args:
            states: Hidden states at the entry layer (n, l, d).
            mask: 1 for tokens, 0 for padding, (n, l).
            capability: Capability vectors (m, capability_width); of other candidates for each prompt (n, m,
                capability_width).

        Returns:
            Log-odds of Yes, (n, m).
        """
        n, length, width = states.shape
        blocks = self._blocks(capability)  # (m, b, d) or (n, m, b, d)
        m, b = blocks.shape[-3:-1]
        joined = torch.cat([states, blocks.reshape(-1, m * b, width).expand(n, -1, -1).to(states.dtype)], dim=1)
        hidden = _additive(self._sight(mask, m, b), states.dtype)
        for layer in self.upper:
            joined = layer(joined, hidden)
        prompt = mean_pool(joined[:, :length], mask)
        answer = self.head(joined[:, length + b - 1 :: b])  # (n, m, 2) at the inquiry token of every block
        return self.read_card(prompt, capability) + answer[..., YES] - answer[..., NO]

    def read_card(self, prompt: torch.Tensor, capability: torch.Tensor) -> torch.Tensor:
        """Score from the prompts' vectors (n, d), as `last` makes them, and capability vectors as in `forward`.

        Returns:
            Log-odds of Yes, (n, m).
        """
        level, lines = capability[..., :1], capability[..., 1 : 1 + self.shape.tasks]
        values = self.trust * lines + self.correction(self.connector(capability))  # (m, t) or (n, m, t)
        attended = (values @ self.attention(prompt).exp()[..., None])[..., 0]
        return attended + self.ability(level)[..., 0] + self.difficulty(_normalised(prompt))

    def attention(self, prompt: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of how much each card line concerns each prompt, (n, t)."""
        return functional.log_softmax(self.reader(_normalised(prompt)), dim=-1)

    def _blocks(self, capability: torch.Tensor) -> torch.Tensor:
        soft = self.connector(capability).unflatten(-1, (self.shape.soft_tokens, -1))
        # Soft tokens are scaled to the norm of the states at the entry layer.
        soft = functional.normalize(soft, dim=-1) * self.inquiry.norm()
        inquiry = self.inquiry.expand(*capability.shape[:-1], 1, -1)
        return torch.cat([soft, inquiry], dim=-2)

    def _sight(self, mask: torch.Tensor, m: int, b: int) -> torch.Tensor:
        """Return the attention mask, boolean (n, 1, l + m*b, l + m*b): rows attend to columns."""
        n, length = mask.shape
        size = length + m * b
        sight = torch.zeros(n, 1, size, size, dtype=torch.bool, device=mask.device)
        sight[..., :length] = mask[:, None, None, :].bool()
        block = torch.arange(m * b, device=mask.device) // b
        sight[:, :, length:, length:] = block[:, None] == block[None, :]
        return sight


def _additive(sight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros(sight.shape, dtype=dtype, device=sight.device).masked_fill(~sight, _HIDDEN)


def _normalised(vectors: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(vectors, vectors.shape[-1:])
