"""The training recipe: every knob of fine-tuning with its unit, default and bounds, read from YAML.

`python -m training.recipe NAME` prints what a recipe comes to.
"""

import json
import sys
from importlib import resources
from pathlib import Path

import pydantic
import yaml

from modelsat.errors import InputError
from modelsat.io.code_digest import code_digest as digest_of_code
from training.light import LightRecipe
from training.optimisation import Optimisation
from training.paper.recipe import PaperRecipe

_BY_MODE = {"lexical": LightRecipe, "paper": PaperRecipe}
TRAINING = ("training.finetune", "training.paper.finetune")


class Recipe(Optimisation):
    """Settings of one fine-tuning; unknown keys are an error."""

    max_tokens: int = pydantic.Field(
        192, ge=16, le=512, description="tokens read of a prompt: its beginning and its end"
    )
    entry_layer: int = pydantic.Field(
        4, ge=0, description="layer at which candidates join; layers below are frozen and run once"
    )
    soft_tokens: int = pydantic.Field(1, ge=1, le=16, description="soft tokens per candidate")
    lora_rank: int = pydantic.Field(
        8, ge=0, description="rank of the adapters on query and value projections; 0 trains the upper layers whole"
    )
    connector_steps: int = pydantic.Field(
        1000, ge=0, description="steps of stage 1: the language model is frozen, only what reads cards learns"
    )
    connector_batch: int = pydantic.Field(128, ge=1, description="prompts per step in stage 1, over all ranks")
    connector_learning_rate: float = pydantic.Field(2e-3, gt=0, description="peak rate of stage 1")
    epochs: float = pydantic.Field(1.0, ge=0, description="epochs of stage 2: everything learns")
    batch: int = pydantic.Field(
        16, ge=1, description="prompts per step in stage 2, over all ranks; each with all candidates"
    )
    learning_rate: float = pydantic.Field(2e-4, gt=0, description="peak rate of the adapters in stage 2")
    head_learning_rate: float = pydantic.Field(3e-4, gt=0, description="peak rate of connector and head in stage 2")
    dropout: float = pydantic.Field(0.4, ge=0, lt=1, description="of the prompt's vector in stage 1")
    pointwise: float = pydantic.Field(1.0, ge=0, description="weight of the term that makes P(Yes) a probability")
    across: float = pydantic.Field(0.3, ge=0, description="weight of the term that ranks candidates on one prompt")
    category: float = pydantic.Field(1.0, ge=0, description="weight of the term that finds the card lines of a prompt")
    within: float = pydantic.Field(
        0.0, ge=0, description="weight of the paper's term: prompts of one candidate against each other"
    )

    checks: int = pydantic.Field(
        0,
        ge=0,
        description="how often, from the end of stage 1 on, it is measured whether the network adds to fusion on "
        "validation prompts; training ends where it does not; 0 never measures",
    )

    @pydantic.model_validator(mode="after")
    def _accumulates_what_adds_up(self) -> "Recipe":
        smallest = min(self.batch, self.connector_batch)
        if self.accumulation > smallest:
            raise ValueError(f"accumulation: {self.accumulation} micro-batches cannot be cut from {smallest} prompts")
        if self.accumulation > 1 and self.within:
            raise ValueError(
                "within: this term compares the prompts of one micro-batch, so accumulation would thin it out; set "
                "accumulation to 1 or within to 0"
            )
        return self


def code_digest() -> str:
    """Return a digest of the code that decides what training makes of its inputs: of both modes, and all below them.

    The challenger is put together anew from what training leaves, so its code is no part of this key.
    """
    return digest_of_code(TRAINING)


def load(name: str) -> Recipe | PaperRecipe | LightRecipe:
    """Read a recipe by the name of a file in `training/recipes` or by a path.

    Raises:
        InputError: There is no such recipe, or a value is out of bounds; all faults are named at once.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = Path(str(resources.files("training").joinpath("recipes", f"{name}.yaml")))
    if not path.is_file():
        known = sorted(p.name.removesuffix(".yaml") for p in path.parent.glob("*.yaml"))
        raise InputError(f"there is no recipe {name!r}; name one of {known} or a YAML file")
    try:
        contents = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        # The default's recipes name no mode.
        return (_BY_MODE.get(contents["mode"], PaperRecipe) if "mode" in contents else Recipe)(**contents)
    except pydantic.ValidationError as error:
        faults = "; ".join(sorted(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()))
        raise InputError(f"recipe {str(path)!r} is not usable: {faults}") from error
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise InputError(f"recipe {str(path)!r} is not usable: {' '.join(str(error).split())}") from error


def main() -> None:
    """Print a recipe's settings and the digest of the code as JSON."""
    try:
        settings = load(sys.argv[1])
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from error
    sys.stdout.write(json.dumps({"settings": settings.model_dump(), "code": code_digest()}))


if __name__ == "__main__":
    main()
