"""What every recipe says, whatever it trains: the optimiser, the ranks and the checkpoints."""

import pydantic


class Optimisation(pydantic.BaseModel):
    """Settings that all modes of training share; unknown keys are an error."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    zero_stage: int = pydantic.Field(1, ge=0, le=3, description="DeepSpeed ZeRO stage")
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
