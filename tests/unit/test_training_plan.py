"""A run whose settings cannot train together is refused before it starts: recipe, backbone, ranks, GPUs, nodes."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from modelsat.cluster import launch_torchrun, training_plan
from modelsat.errors import InputError
from modelsat.steps import prerequisites
from modelsat.text.backbone import default_backbone

resolve_once = functools.cache(launch_torchrun.resolve)
OVERLAYS = sorted((Path(__file__).parents[2] / "infra" / "overlays").glob("*/run-defaults.json"))


@pytest.fixture(autouse=True)
def _each_recipe_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the process that resolves a recipe once for all tests."""
    monkeypatch.setattr(launch_torchrun, "resolve", resolve_once)


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.parent.name)
def test_run_defaults_of_every_overlay_can_train(path: Path) -> None:
    assert "recipe auto" in training_plan.check(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"train_recipe": "papr"}, "there is no recipe 'papr'"),
        ({"train_recipe": "paper"}, "'paper' needs train_backbone, the folder of a language model, with"),
        ({"train_recipe": "paper-text"}, "reads 3584 tokens at once and the packaged backbone 512"),
        ({"train_gpu_limit": "1", "train_ranks": 2}, "train_ranks is 2 and train_gpu_limit 1"),
        ({"train_nodes": 2, "train_node_gpus": 4, "train_ranks": 8}, "train_ranks is 8 and train_node_gpus 4"),
        ({"train_node_gpus": 8}, "train_node_gpus is 8 and train_nodes 0"),
        ({"train_nodes": 1, "train_gpu_limit": "1"}, "set train_gpu_limit to 0"),
        ({"train_gpu_limit": "one"}, "train_gpu_limit is 'one': write a number"),
        ({"train_nodes": 2, "train_work_root": "/tmp/work"}, "is not on /mnt/modelsat"),  # noqa: S108
    ],
)
def test_settings_that_cannot_train_are_named_with_what_to_do(chosen: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        training_plan.check(chosen)

    assert sentence in str(refused.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(InputError) as refused:
        training_plan.check({"train_recipe": "paper", "train_gpu_limit": "1", "train_ranks": 2})

    assert "needs train_backbone" in str(refused.value)
    assert "each rank needs a GPU of its own" in str(refused.value)


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"train_ranks": 4},
        {"train_recipe": "paper-cpu"},
        {"train_recipe": "paper-text-cpu"},
        {"train_recipe": "paper", "train_backbone": "/mnt/modelsat/models/phi", "train_nodes": 2, "train_node_gpus": 8},
        {"train_recipe": "/mnt/modelsat/own.yaml", "train_gpu_limit": "2", "train_ranks": 2},
    ],
)
def test_settings_that_can_train_are_let_through(chosen: dict[str, Any]) -> None:
    assert training_plan.check(chosen)


def test_the_packaged_backbone_reads_as_many_tokens_as_is_said() -> None:
    config = json.loads((default_backbone() / "config.json").read_text(encoding="utf-8"))

    assert config["max_position_embeddings"] == training_plan.PACKAGED_TOKENS


def asked(chosen: dict[str, Any], root: Path) -> prerequisites.Prerequisite:
    """Return what the check of prerequisites says of a run's training."""
    found = prerequisites.check(chosen, [], "file:///nowhere", str(root / "c"), str(root / "b"), str(root / "work"))
    (training,) = [one for one in found if one.title == "training"]
    return training


def test_check_of_prerequisites_says_how_it_will_train(tmp_path: Path) -> None:
    training = asked({"train_recipe": "cpu"}, tmp_path)

    assert training.holds
    assert training.detail == "recipe cpu, 1 ranks in the step's own pod, the packaged backbone"


def test_check_of_prerequisites_finds_what_cannot_train(tmp_path: Path) -> None:
    training = asked({"train_recipe": "paper"}, tmp_path)

    assert not training.holds
    assert "needs train_backbone" in training.detail


@pytest.mark.parametrize("lacking", ["config.json", "model.safetensors"])
def test_check_of_prerequisites_looks_into_the_backbone_s_folder(tmp_path: Path, lacking: str) -> None:
    for name in {"config.json", "model.safetensors"} - {lacking}:
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / name).touch()

    training = asked({"train_backbone": str(tmp_path / "model")}, tmp_path)

    assert not training.holds
    assert f"of train_backbone has no {lacking}" in training.detail


def test_backbone_that_only_the_training_image_has_is_believed(tmp_path: Path) -> None:
    assert asked({"train_backbone": "/models/phi"}, tmp_path).detail.endswith(
        "/models/phi as the training image has it"
    )
    assert not asked({"train_backbone": "/mnt/modelsat/models/phi-of-nobody"}, tmp_path).holds


def test_prerequisites_refuse_a_recipe_that_is_not_on_the_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_plan, "VOLUME", str(tmp_path))
    recipe = tmp_path / "mine.yaml"

    absent = asked({"train_recipe": str(recipe)}, tmp_path)

    assert not absent.holds
    assert "on the volume; copy it there" in absent.detail
