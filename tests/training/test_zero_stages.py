"""Real DeepSpeed processes: whatever the ranks share out and however they save memory, the same is learned.

Trainings of one number of ranks are one launch. Some stop twice on the way and go on with another number of ranks.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from modelsat.aptitude.instructions import Instructions
from modelsat.cluster import launch_torchrun
from modelsat.data import splits

RECIPE = {
    "entry_layer": 1,
    "max_tokens": 32,
    "lora_rank": 2,
    "connector_steps": 4,
    "connector_batch": 51,
    "epochs": 1,
    "batch": 15,
    "learning_rate": 0.003,
    "dropout": 0.0,
    "threads": 1,
}
STEPS, STOPS = 15, (6, 11)
RECOMPUTED, ROUNDED, WHOLE = {"gradient_checkpointing": True}, {"precision": "bfloat16"}, {"lora_rank": 0}
ALONE: dict[str, dict[str, Any]] = {"adapters": {}, "whole layers": WHOLE, "bfloat16": ROUNDED}
TOGETHER: dict[str, dict[str, Any]] = {
    "adapters, ZeRO 0": {"zero_stage": 0},
    "adapters, ZeRO 1, two micro-batches": {"zero_stage": 1, "accumulation": 2},
    "adapters, ZeRO 2, three micro-batches, recomputed": {"zero_stage": 2, "accumulation": 3} | RECOMPUTED,
    "adapters, ZeRO 3, two micro-batches, recomputed": {"zero_stage": 3, "accumulation": 2} | RECOMPUTED,
    "whole layers, ZeRO 2, recomputed": {"zero_stage": 2} | WHOLE | RECOMPUTED,
    "bfloat16, ZeRO 1, two micro-batches": {"zero_stage": 1, "accumulation": 2} | ROUNDED,
    "bfloat16, ZeRO 3, two micro-batches, recomputed": {"zero_stage": 3, "accumulation": 2} | ROUNDED | RECOMPUTED,
}
EVERY_STEP = {"checkpoint_seconds": 0}
REGROUPED: dict[str, dict[str, Any]] = {
    f"adapters, ZeRO {stage}, two, one, two ranks": {"zero_stage": stage} | EVERY_STEP for stage in range(4)
}
REGROUPED["bfloat16, ZeRO 1, two, one, two ranks"] = {"zero_stage": 1} | ROUNDED | EVERY_STEP
# Micro-batches round differently in bfloat16, and so do shares.
TOLERANCE = {"adapters": 1e-5, "whole layers": 1e-5, "bfloat16": 5e-3}
# The first test waits for every launch.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def folder(backbone: Path, train_several: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")

    def runs(of: dict[str, dict[str, Any]]) -> dict[Path, tuple[Path, dict[str, Any]]]:
        return {folder / name: (backbone, RECIPE | changes) for name, changes in of.items()}

    # Those that save at their last step alone run through.
    train_several(2, runs(TOGETHER | REGROUPED), STOPS[0])
    train_several(1, runs(ALONE | REGROUPED), STOPS[1])
    train_several(2, runs(REGROUPED), 0)
    return folder


def losses_of(work: Path) -> dict[int, float]:
    return {int(row["step"]): row["loss"] for row in launch_torchrun.history(work)}


def tensors_of(work: Path) -> dict[str, torch.Tensor]:
    return load((work / "network.safetensors").read_bytes())


@pytest.mark.parametrize("name", TOGETHER | REGROUPED)
def test_what_one_rank_learns_is_learned(folder: Path, name: str) -> None:
    alone = name.split(", ")[0]
    losses, reference = losses_of(folder / name), losses_of(folder / alone)
    found, expected = tensors_of(folder / name), tensors_of(folder / alone)

    for step in (1, STEPS):
        assert losses[step] == pytest.approx(reference[step], abs=TOLERANCE[alone])
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(
            found[key], value, atol=TOLERANCE[alone], rtol=0, msg=lambda text, key=key: f"{key}: {text}"
        )


@pytest.mark.parametrize("name", TOGETHER | REGROUPED)
def test_each_prompt_teaches_once_per_epoch(
    folder: Path, name: str, instructions: Instructions, taught: Callable[[Path], dict[int, list[int]]]
) -> None:
    steps = taught(folder / name)

    prompts = range(len(instructions.part(splits.TRAIN).ids))
    connector = RECIPE["connector_steps"]
    assert sorted(steps) == list(range(1, STEPS + 1))
    for first, last in ((1, connector), (connector + 1, STEPS)):
        assert sorted(row for step in range(first, last + 1) for row in steps[step]) == list(prompts)


def test_bfloat16_learns_what_float32_learns(folder: Path) -> None:
    rounded, reference = losses_of(folder / "bfloat16"), losses_of(folder / "adapters")

    assert rounded[1] != reference[1]
    for step in (1, STEPS):
        assert rounded[step] == pytest.approx(reference[step], abs=5e-3)
    assert rounded[STEPS] < 0.5 * rounded[1]


def test_adapters_change_query_and_value_and_whole_layers_everything(folder: Path) -> None:
    before = tensors_of(folder / "adapters")
    found = tensors_of(folder / "whole layers")

    moved = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, found[name])}
    assert {"upper", "head", "connector"} <= moved
    assert not {"embeddings", "lower"} & moved
    dense = "upper.0.intermediate.dense.weight"
    started = load((folder / "adapters" / "backbone" / "model.safetensors").read_bytes())
    untouched = started["encoder.layer.1.intermediate.dense.weight"].float()
    torch.testing.assert_close(before[dense], untouched, atol=0, rtol=0)
    assert not torch.allclose(found[dense], untouched, atol=1e-3)
