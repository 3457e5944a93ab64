"""The recipe of the light mode, which fits a router on words in closed form and trains nothing."""

from typing import Literal

import pydantic


class LightRecipe(pydantic.BaseModel):
    """Settings of the light mode; unknown keys are an error."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    mode: Literal["lexical"] = pydantic.Field("lexical", description="what tells this recipe from those that train")
    max_tokens: int = pydantic.Field(
        256, ge=16, le=8192, description="tokens read of a prompt: its beginning and its end"
    )
