"""Real DeepSpeed processes in the paper's mode: trained, gone on, and made a bundle that routes."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load

from modelsat.aptitude.instructions import Instructions
from modelsat.bundle import bundle
from modelsat.cluster import launch_torchrun
from modelsat.data import contracts, splits
from modelsat.evaluation.table import CHALLENGER
from modelsat.routers.paper.router import ModelSatPaper
from modelsat.routers.selection import Selection
from modelsat.steps import finetune
from training import checkpoints
from training.adapters import TARGETS

RECIPE = {
    "mode": "paper",
    "max_tokens": 32,
    "card_tokens": 256,
    "group": 3,
    "groups": 3,
    "connector_steps": 3,
    "steps": 4,
    "learning_rate": 0.001,
    "encoder_learning_rate": 0.001,
    "checkpoint_seconds": 0,
    "threads": 1,
}
STEPS = 7
# The first test waits for every launch.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Trained:
    """What a launch left: its facts, the loss of every logged step, and its tensors."""

    facts: dict[str, Any]
    losses: dict[int, float]
    tensors: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Seen:
    """A training, the same one gone on with in both stages, the same on two ranks, and Phi-3 with XLM-R in bfloat16.

    Two ranks also train adapters on Phi-3 and XLM-R; two micro-batches make a step there.
    """

    whole: Trained
    resumed: Trained
    shared: Trained
    adapted: Trained
    published: Path
    test: Instructions


@pytest.fixture(scope="module")
def seen(
    instructions_folder: Path,
    instructions: Instructions,
    backbone: Path,
    models: Path,
    train_several: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DS_ACCELERATOR", "cpu")
        work = folder / "whole"
        whole = _launch(instructions_folder, backbone, work, _write(folder), 1)
        last = {"stage-1": RECIPE["connector_steps"], "stage-2": STEPS}
        for stage, step in last.items():
            kept = work / "checkpoints" / stage
            assert checkpoints.complete(kept) == [f"step-{step - 1:07d}", f"step-{step:07d}"]
            (kept / f"step-{step:07d}.json").unlink()
        for name in ("stage-1.safetensors", "network.safetensors", "trained.json", "history.jsonl"):
            (work / name).unlink()
        resumed = _launch(instructions_folder, backbone, work, _write(folder), 1)
        halves = RECIPE | {"zero_stage": 2, "accumulation": 2}
        small = {"capability_encoder": "../xlmr", "lora_rank": 2, "gradient_checkpointing": True, "zero_stage": 3}
        train_several(
            2,
            {folder / "shared": (backbone, halves), folder / "adapted": (models / "phi3", halves | small)},
        )
        out = folder / "out"
        out.mkdir()
        recipe = _write(
            folder,
            capability_encoder="../xlmr",
            encoder_prefix="'query: '",
            precision="bfloat16",
            gradient_checkpointing="true",
            zero_stage=2,
        )
        files = (out / "router", out / "predictions.parquet", out / "page.html")
        settings = finetune.FinetuneSettings(recipe, 1, str(models / "phi3"))
        finetune.run(instructions_folder, *files, folder / "work", settings)
        shared, adapted = (_left(folder / name) for name in ("shared", "adapted"))
        yield Seen(whole, resumed, shared, adapted, out, instructions)
        shutil.rmtree(folder)


def _write(folder: Path, **changes: Any) -> str:
    path = folder / f"recipe-{len(list(folder.glob('recipe-*')))}.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in (RECIPE | changes).items()))
    return str(path)


def _launch(instructions: Path, backbone: Path, work: Path, recipe: str, ranks: int) -> Trained:
    launch_torchrun.launch(instructions, backbone, work, recipe, ranks)
    return _left(work)


def _left(work: Path) -> Trained:
    facts = json.loads((work / "trained.json").read_text(encoding="utf-8"))
    losses = {int(row["step"]): row["loss"] for row in launch_torchrun.history(work)}
    return Trained(facts, losses, load((work / "network.safetensors").read_bytes()))


def test_run_announces_its_stages(seen: Seen) -> None:
    announced = seen.whole.facts["announced"]

    assert seen.whole.facts["mode"] == "paper"
    assert (announced["steps_of_stage_1"], announced["steps_of_stage_2"]) == (3, 4)
    assert announced["pairs_per_step"] == 9
    assert max(seen.whole.losses) == STEPS


def test_second_stage_teaches_both_backbones(seen: Seen, backbone: Path) -> None:
    before = load((backbone / "model.safetensors").read_bytes())
    query = "encoder.layer.0.attention.self.query.weight"

    for part in ("encoder.", "language_model."):
        assert not torch.equal(seen.whole.tensors[part + query], before[query].bfloat16())


def test_training_that_is_gone_on_with_ends_where_it_would_have_ended(seen: Seen) -> None:
    assert max(seen.resumed.losses) == STEPS
    assert seen.resumed.losses[STEPS] == pytest.approx(seen.whole.losses[STEPS], abs=1e-5)
    for name, value in seen.whole.tensors.items():
        torch.testing.assert_close(seen.resumed.tensors[name], value, msg=lambda text, name=name: name + text)


def test_two_ranks_with_two_micro_batches_each_learn_what_one_learns(seen: Seen) -> None:
    assert seen.shared.losses[1] == pytest.approx(seen.whole.losses[1], abs=1e-3)
    assert seen.shared.losses[STEPS] == pytest.approx(seen.whole.losses[STEPS], abs=1e-2)


def test_adapters_change_the_attention_of_both_backbones_and_are_merged_away(seen: Seen, models: Path) -> None:
    found = seen.adapted.tensors
    before = {
        name: load((models / folder / "model.safetensors").read_bytes())
        for name, folder in (("language_model.", "phi3"), ("encoder.", "xlmr"))
    }

    started = {part + name.removeprefix("model."): value for part in before for name, value in before[part].items()}
    moved = {
        name
        for name, value in found.items()
        if name.startswith(("language_model.", "encoder.")) and not torch.equal(value, started[name].bfloat16())
    }
    assert max(seen.adapted.losses) == STEPS
    assert moved == {
        *(f"language_model.layers.{layer}.self_attn.qkv_proj.weight" for layer in (0, 1)),
        *(f"encoder.encoder.layer.{layer}.attention.self.{part}.weight" for layer in (0, 1) for part in TARGETS[:2]),
    }


def test_bundle_routes_and_predicts_every_held_out_prompt(seen: Seen) -> None:
    router = bundle.read(seen.published / "router")
    table = contracts.read(seen.published / "predictions.parquet", contracts.PREDICTIONS)
    test = seen.test.part(splits.TEST)

    # Candidates whose choices cannot be judged are left out of what is served.
    served = router.router.inner if isinstance(router.router, Selection) else router.router
    assert isinstance(served, ModelSatPaper)
    assert served.network.encoder is not None
    assert table["prompt_id"].to_pylist() == test.ids
    assert set(table["router"].to_pylist()) == {CHALLENGER}
    said = np.asarray(pa.compute.list_flatten(table["success_probability"])).reshape(len(test.ids), -1)
    np.testing.assert_allclose(router.success_probability(test.texts[:4]), said[:4], atol=1e-4)


def test_bundle_says_how_it_was_trained(seen: Seen) -> None:
    facts = json.loads((seen.published / "router" / "bundle.json").read_text(encoding="utf-8"))

    router = facts["settings"] if facts["kind"] == "selection" else facts
    assert router["kind"] == "model-sat-paper"
    assert router["settings"]["reading"] == {
        "capability": "vector",
        "max_tokens": 32,
        "card_tokens": 256,
        "encoder_prefix": "query: ",
    }
    assert facts["lineage"]["recipe"]["mode"] == "paper"
