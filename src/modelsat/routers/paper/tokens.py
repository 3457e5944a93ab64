"""How much of a card and of a prompt is read; apart from the layout, so that a recipe is read without torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PaperTokens:
    """The parts of a card and of a prompt that are read; the same in training and serving.

    Attributes:
        capability: `vector`, one soft vector from the capability encoder; or `text`, the card as text.
        max_tokens: Tokens read of a prompt, its beginning and its end; at least 4.
        card_tokens: Tokens of a card at once: of a piece that the encoder reads, or of the card within the prompt.
        encoder_prefix: What the encoder wants in front of a text, such as `query: ` for E5.
    """

    capability: Literal["vector", "text"]
    max_tokens: int
    card_tokens: int
    encoder_prefix: str = ""
