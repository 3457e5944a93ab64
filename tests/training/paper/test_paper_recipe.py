"""A recipe names its mode, and the paper's mode has knobs of its own."""

from pathlib import Path

import pytest

from modelsat.errors import InputError
from modelsat.routers.paper.tokens import PaperTokens
from training import recipe
from training.paper.recipe import PaperRecipe


def load(folder: Path, text: str) -> recipe.Recipe | PaperRecipe:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return recipe.load(str(path))


@pytest.mark.parametrize("name", ["paper", "paper-cpu", "paper-lora", "paper-text", "paper-text-cpu"])
def test_recipes_of_the_paper_are_of_its_mode(name: str) -> None:
    found = recipe.load(name)

    assert isinstance(found, PaperRecipe)
    assert (found.capability == "text") == ("text" in name)


def test_recipe_without_a_mode_is_the_default_s(tmp_path: Path) -> None:
    assert isinstance(load(tmp_path, "seed: 1\n"), recipe.Recipe)


def test_every_knob_has_a_description() -> None:
    assert all(field.description for field in PaperRecipe.model_fields.values())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("mode: papers\n", "mode"),
        ("mode: paper\nsoft_tokens: 2\n", "soft_tokens"),
        ("mode: paper\ngroup: 1\n", "group"),
        ("mode: paper\ncard_share: 0\n", "card_share"),
        ("mode: paper\ncapability: text\nconnector_steps: 5\n", "connector_steps"),
        ("group: 4\n", "group"),
        ("mode: paper\ngroups: 2\naccumulation: 3\n", "accumulation: 3 micro-batches cannot be cut from 2 groups"),
        ("mode: paper\nprecision: bfloat16\nzero_stage: 0\n", "precision: without ZeRO"),
        ("mode: paper\nattention: flash\n", "attention"),
        ("mode: paper\nattention: flash_attention_2\n", "attention: flash_attention_2 computes in bfloat16"),
    ],
)
def test_fault_is_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(InputError, match=key):
        load(tmp_path, text)


def test_published_recipe_reads_cards_as_e5_wants_them() -> None:
    found = recipe.load("paper")

    assert isinstance(found, PaperRecipe)
    assert found.capability_encoder == "../multilingual-e5-large"
    assert found.reading == PaperTokens("vector", 1024, 512, "query: ")
    assert found.encoder_learning_rate > found.learning_rate
