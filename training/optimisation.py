"""What every recipe says, whatever it trains: the optimiser, its memory, the ranks and the checkpoints."""

from typing import Literal

import pydantic


class Optimisation(pydantic.BaseModel):
    """Settings that all modes of training share; unknown keys are an error."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    zero_stage: int = pydantic.Field(
        1,
        ge=0,
        le=3,
        description="what the ranks share out: 0 nothing, 1 the optimiser's state, 2 gradients too, 3 weights too",
    )
    accumulation: int = pydantic.Field(
        1, ge=1, description="micro-batches per step and rank, one after the other: less memory for the same step"
    )
    gradient_checkpointing: bool = pydantic.Field(
        False, description="whether layers forget their activations and compute them again: less memory, more time"
    )
    precision: Literal["float32", "bfloat16"] = pydantic.Field(
        "float32", description="of weights and activations in training; the optimiser keeps its own in float32"
    )
    seed: int = pydantic.Field(0, ge=0, description="of initialisation and order of the prompts")
    weight_decay: float = pydantic.Field(0.1, ge=0, description="of AdamW")
    warm_up: float = pydantic.Field(0.1, ge=0, lt=1, description="share of each stage's steps in which the rate rises")
    clip: float = pydantic.Field(1.0, gt=0, description="largest norm of the gradient")
    checkpoint_seconds: float = pydantic.Field(
        60, ge=0, description="time between checkpoints; 0 saves after every step"
    )
    threads: int = pydantic.Field(
        0, ge=0, description="processor threads per rank; 0 shares all cores between the ranks"
    )

    @pydantic.model_validator(mode="after")
    def _keeps_float32_beside_bfloat16(self) -> "Optimisation":
        if self.precision == "bfloat16" and self.zero_stage == 0:
            raise ValueError(
                "precision: without ZeRO nothing keeps the bfloat16 weights in float32, and small steps would be "
                "rounded away; set zero_stage to 1, 2 or 3"
            )
        return self
