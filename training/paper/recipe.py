"""The recipe of the paper's mode. The paper gives none of these numbers; the defaults are ours."""

from typing import Literal

import pydantic

from modelsat.routers.paper.tokens import PaperTokens
from training.optimisation import Optimisation


class PaperRecipe(Optimisation):
    """Settings of one fine-tuning as published; unknown keys are an error."""

    mode: Literal["paper"] = pydantic.Field("paper", description="what tells this recipe from those of the default")
    capability_encoder: str = pydantic.Field(
        "", description="folder of the capability encoder, relative to the backbone's; empty takes the backbone itself"
    )
    encoder_prefix: str = pydantic.Field("", description="what the encoder wants in front of a text")
    capability: Literal["vector", "text"] = pydantic.Field(
        "vector", description="one soft vector per candidate, or the card in words within the prompt (the ablation)"
    )
    max_tokens: int = pydantic.Field(
        192, ge=16, le=8192, description="tokens read of a prompt: its beginning and its end"
    )
    card_tokens: int = pydantic.Field(
        512, ge=64, le=8192, description="tokens of a card at once: of a piece for the encoder, or within the prompt"
    )
    card_share: float = pydantic.Field(
        50 / 57, gt=0, le=1, description="share of a card's lines that each group is told, drawn anew; 50 of 57"
    )
    group: int = pydantic.Field(8, ge=2, description="prompts per group: one positive, the others negatives")
    groups: int = pydantic.Field(4, ge=1, description="groups per step, over all ranks")
    connector_steps: int = pydantic.Field(
        500, ge=0, description="steps of stage 1: only the connector learns, from benchmarks of the aptitude test"
    )
    connector_learning_rate: float = pydantic.Field(1e-3, gt=0, description="peak rate of stage 1")
    steps: int = pydantic.Field(2000, ge=0, description="steps of stage 2: all parameters learn, from all benchmarks")
    encoder_learning_rate: float = pydantic.Field(
        5e-5, gt=0, description="peak rate of encoder and connector in stage 2"
    )
    learning_rate: float = pydantic.Field(1e-5, gt=0, description="peak rate of the language model in stage 2")
    lora_rank: int = pydantic.Field(
        0,
        ge=0,
        description="rank of the adapters on the attention of both backbones in stage 2; 0 trains all parameters, as "
        "published",
    )

    attention: Literal["sdpa", "eager", "flash_attention_2"] = pydantic.Field(
        "sdpa",
        description="how a causal language model computes attention: torch's fused kernels, plain products, or the "
        "package flash-attn, which takes a GPU and bfloat16; what is learned is the same",
    )

    packing: int = pydantic.Field(
        0,
        ge=0,
        description="tokens of a row in which instructions are laid end to end, each seeing itself alone: less padding "
        "is computed, and what is learned is the same; for causal language models; flash_attention_2 takes one row, "
        "however long; 0 pads each instruction to the longest",
    )

    @pydantic.model_validator(mode="after")
    def _flashes_in_bfloat16(self) -> "PaperRecipe":
        if self.attention == "flash_attention_2" and self.precision != "bfloat16":
            raise ValueError("attention: flash_attention_2 computes in bfloat16; set precision to bfloat16")
        return self

    @pydantic.model_validator(mode="after")
    def _accumulates_groups(self) -> "PaperRecipe":
        if self.accumulation > self.groups:
            raise ValueError(f"accumulation: {self.accumulation} micro-batches cannot be cut from {self.groups} groups")
        return self

    @pydantic.model_validator(mode="after")
    def _has_a_connector(self) -> "PaperRecipe":
        if self.capability == "text" and self.connector_steps:
            raise ValueError("connector_steps: a card in words has no connector to teach; set it to 0")
        return self

    @property
    def row_tokens(self) -> int:
        """Return the most tokens of a packed row; 0 where all instructions share one."""
        # flash_attention_2 finds the instructions of a single row only, and computes nothing between them.
        return 0 if self.attention == "flash_attention_2" else self.packing

    @property
    def reading(self) -> PaperTokens:
        """Return what is read of a card and of a prompt."""
        return PaperTokens(self.capability, self.max_tokens, self.card_tokens, self.encoder_prefix)
