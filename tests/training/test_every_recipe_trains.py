"""Real DeepSpeed processes: every recipe that ships trains every kind of language model it is for, at every ZeRO stage.

Only sizes are changed: fewer steps, shorter prompts and cards, thin random models. `MODELSAT_EVERY_STAGE=1` takes every
recipe through every stage, else each goes through its own and one through all.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelsat.aptitude.instructions import Instructions
from modelsat.bundle import bundle
from modelsat.challenger import joint, paper
from modelsat.cluster import launch_torchrun
from training import recipe

SHIPPED = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((Path(recipe.__file__).parent / "recipes").glob("*.yaml"))
}
RECIPES = {name: settings for name, settings in SHIPPED.items() if settings.get("mode") != "lexical"}
"""All that train; `light` fits in closed form (`test_light_recipe.py`)."""
BERT, CAUSAL = "bidirectional", "causal"
SMALL = {"max_tokens": 32, "warm_up": 0.0, "threads": 1}
SMALL_JOINT = {"entry_layer": 1, "connector_steps": 2, "connector_batch": 64, "epochs": 0.1, "batch": 8}
SMALL_PAPER = {"card_tokens": 256, "groups": 4, "group": 3, "connector_steps": 1, "steps": 2}
# The first test waits for the launch.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Case:
    """A recipe, the kind of its language model, and its ZeRO stage."""

    recipe: str
    kind: str
    zero_stage: int

    def __str__(self) -> str:
        return f"{self.recipe}, {self.kind}, ZeRO {self.zero_stage}"

    @property
    def settings(self) -> dict[str, Any]:
        shipped = RECIPES[self.recipe]
        paper = shipped.get("mode") == "paper"
        changes = SMALL | (SMALL_PAPER if paper else SMALL_JOINT) | {"zero_stage": self.zero_stage}
        if "capability_encoder" in shipped:
            changes["capability_encoder"] = "../xlmr"
        if shipped.get("capability") == "text":
            changes["connector_steps"] = 0
        return shipped | changes


def _cases() -> Iterator[Case]:
    for name, settings in RECIPES.items():
        # The network that reads all candidates in one pass is made of a bidirectional model.
        for kind in (BERT, CAUSAL) if settings.get("mode") == "paper" else (BERT,):
            # Without ZeRO nothing keeps bfloat16 weights in float32.
            for stage in range(1 if settings.get("precision") == "bfloat16" else 0, 4):
                yield Case(name, kind, stage)


CASES = list(_cases())
AS_SHIPPED = [case for case in CASES if case.zero_stage == RECIPES[case.recipe].get("zero_stage", 1)]
if "MODELSAT_EVERY_STAGE" not in os.environ:
    # The other stages differ in DeepSpeed's bookkeeping, which no kind of recipe but one with an empty group changes.
    CASES = [case for case in CASES if case in AS_SHIPPED or (case.recipe, case.kind) == ("paper-text", CAUSAL)]
# Recipes that differ in sizes alone leave networks of one make.
OF_EACH_MAKE = {(RECIPES[one.recipe].get("mode"), one.settings.get("capability"), one.kind): one for one in AS_SHIPPED}


@pytest.fixture(scope="module")
def folder(
    backbone: Path, models: Path, train_several: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    language_models = {BERT: models / "bert", CAUSAL: models / "phi3"}
    train_several(1, {folder / str(case): (language_models[case.kind], case.settings) for case in CASES})
    return folder


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recipe_teaches_at_every_step(folder: Path, case: Case) -> None:
    work = folder / str(case)
    facts = finished(work)
    history = launch_torchrun.history(work)

    planned = sum(facts["announced"][f"steps_of_stage_{stage}"] for stage in (1, 2))
    steps = facts["ended"]["steps"] if "ended" in facts else planned
    assert (history[0]["step"], history[-1]["step"]) == (1, steps)
    assert all(math.isfinite(row["loss"]) for row in history)
    assert history[0]["loss"] != history[-1]["loss"]


@pytest.mark.parametrize("case", OF_EACH_MAKE.values(), ids=str)
def test_what_a_recipe_leaves_becomes_a_router(
    folder: Path, case: Case, instructions: Instructions, tmp_path: Path
) -> None:
    work = folder / str(case)
    settings = case.settings
    challenger = paper if settings.get("mode") == "paper" else joint

    made = challenger.assemble(instructions, finished(work), work, settings)
    made.bundle.write(tmp_path / "router")
    told = bundle.read(tmp_path / "router").success_probability(["What is 17 * 23?", "Spell 'rhythm'."])

    assert told.shape == (2, len(instructions.names))
    assert ((told > 0) & (told < 1)).all()


def finished(work: Path) -> dict[str, Any]:
    facts = launch_torchrun.finished(work)
    assert facts is not None
    return facts
