"""A recipe says every knob, or in one sentence what is wrong with it."""

import json
import sys
from pathlib import Path

import pydantic
import pytest

from modelsat.aptitude.instructions import Instructions
from modelsat.errors import InputError
from training import finetune, recipe

RECIPES = Path(recipe.__file__).parent / "recipes"


@pytest.fixture
def write(tmp_path: Path):
    def write_one(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write_one


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_usable_by_name_and_by_path(path: Path) -> None:
    assert recipe.load(path.stem) == recipe.load(str(path))


def test_what_a_recipe_leaves_out_has_its_default(write) -> None:
    assert recipe.load(write("batch: 4\n")) == recipe.Recipe(batch=4)
    assert recipe.load(write("")) == recipe.Recipe()


def test_every_knob_has_a_description() -> None:
    assert all(field.description for field in recipe.Recipe.model_fields.values())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("learning_rat: 0.1\n", "learning_rat"),
        ("zero_stage: 4\n", "zero_stage"),
        ("zero_stage: -1\n", "zero_stage"),
        ("max_tokens: 8\n", "max_tokens"),
        ("max_tokens: 1024\n", "max_tokens"),
        ("entry_layer: -1\n", "entry_layer"),
        ("soft_tokens: 0\n", "soft_tokens"),
        ("lora_rank: -1\n", "lora_rank"),
        ("accumulation: 0\n", "accumulation"),
        ("precision: float16\n", "precision"),
        ("precision: bfloat16\nzero_stage: 0\n", "precision: without ZeRO nothing keeps the bfloat16 weights"),
        ("accumulation: 17\n", "accumulation: 17 micro-batches cannot be cut from 16 prompts"),
        ("accumulation: 2\nwithin: 1\n", "within: this term compares the prompts of one micro-batch"),
        ("batch: 0\n", "batch"),
        ("batch: many\n", "batch"),
        ("learning_rate: 0\n", "learning_rate"),
        ("dropout: 1\n", "dropout"),
        ("warm_up: 1.0\n", "warm_up"),
        ("epochs: -1\n", "epochs"),
        ("across: -0.1\n", "across"),
        ("checkpoint_seconds: -1\n", "checkpoint_seconds"),
        ("learning_rate: .nan\n", "learning_rate"),
        ("head_learning_rate: .inf\n", "head_learning_rate"),
        ("epochs: .inf\n", "epochs"),
    ],
)
def test_fault_is_named_with_its_file_and_key(write, text: str, key: str) -> None:
    path = write(text)

    with pytest.raises(InputError) as caught:
        recipe.load(path)

    assert path in str(caught.value)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_are_named_at_once(write) -> None:
    with pytest.raises(InputError, match=r"batch.*clip.*shoe_size"):
        recipe.load(write("batch: 0\nclip: 0\nshoe_size: 43\n"))


@pytest.mark.parametrize("text", ["- batch\n", "batch", "batch: [1\n", "1: 2\n", "\x00"])
def test_file_that_is_no_mapping_of_settings_is_refused_by_name(write, text: str) -> None:
    path = write(text)

    with pytest.raises(InputError) as caught:
        recipe.load(path)

    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00batch")

    with pytest.raises(InputError, match=r"mine\.yaml"):
        recipe.load(str(tmp_path / "mine.yaml"))


def test_fault_by_hand(write) -> None:
    path = write("batch: 0\nshoe_size: 43\n")

    with pytest.raises(InputError) as caught:
        recipe.load(path)

    faults = "batch: Input should be greater than or equal to 1; shoe_size: Extra inputs are not permitted"
    assert str(caught.value) == f"recipe {path!r} is not usable: {faults}"


def test_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(
        InputError, match=r"^there is no recipe 'gpu9'; name one of \['auto', 'cpu', .*'tiny'.*\] or a YAML file$"
    ):
        recipe.load("gpu9")


def test_path_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no recipe '.*absent\.yaml'"):
        recipe.load(str(tmp_path / "absent.yaml"))


def test_recipe_that_does_not_fit_the_backbone_is_refused(instructions: Instructions, backbone: Path) -> None:
    with pytest.raises(
        InputError, match="the recipe does not fit the backbone: entry_layer 4 is outside the 3 layers of the"
    ):
        finetune.build(instructions, backbone, recipe.Recipe())


def test_causal_language_model_is_named_to_the_recipe_that_cannot_train_it(
    instructions: Instructions, models: Path
) -> None:
    with pytest.raises(InputError, match=r"candidates join a BERT-shaped language model, and this one is phi3"):
        finetune.build(instructions, models / "phi3", recipe.Recipe())


def test_recipe_cannot_be_changed_once_it_is_read() -> None:
    with pytest.raises(pydantic.ValidationError):
        recipe.Recipe().batch = 3


def test_printed_recipe_is_what_was_read_and_the_digest_of_the_code(
    write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["recipe", write("batch: 4\n")])

    recipe.main()

    printed = json.loads(capsys.readouterr().out)
    assert printed == {"settings": recipe.Recipe(batch=4).model_dump(), "code": recipe.code_digest()}
    assert len(printed["code"]) == 32


def test_fault_is_printed_as_one_line_and_ends_with_the_code_of_input_errors(
    write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["recipe", write("batch: 0\nclip: 0\n")])

    with pytest.raises(SystemExit) as ended:
        recipe.main()

    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
