"""Training ends where the network adds nothing to fusion, and only there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modelsat.aptitude.instructions import Instructions, Part
from modelsat.challenger import joint
from modelsat.cluster import launch_torchrun
from modelsat.routers.mixture_gain import LEAST, Gain, gain
from modelsat.routers.reranked import Reranked
from training import worth
from training.loop import OptimiserStep
from training.ranks import Ranks
from training.recipe import Recipe
from training.states import States
from training.worth import Worth

EVEN, SURE = 0.5, 0.9
RECIPE = {
    "entry_layer": 1,
    "max_tokens": 32,
    "connector_steps": 4,
    "connector_batch": 51,
    "epochs": 1,
    "batch": 40,
    "dropout": 0.0,
    "threads": 1,
    "checks": 2,
    "checkpoint_seconds": 0,
}


def outcomes(prompts: int = 100) -> np.ndarray:
    """Every second prompt is solved by the first of two candidates, the others by the second."""
    return np.tile([[1.0, 0.0], [0.0, 1.0]], (prompts // 2, 1))


def test_network_that_knows_the_outcomes_saves_what_fusion_loses() -> None:
    truth = outcomes()
    fused, learned = np.full(truth.shape, EVEN), np.where(truth == 1, SURE, 1 - SURE)

    found = gain(fused, learned, truth)

    # All weight is the network's: -log 0.5 becomes -log 0.9 for every answer.
    assert found.mean == pytest.approx(np.log(0.9 / 0.5), abs=1e-6)
    assert found.error == pytest.approx(0.0, abs=1e-9)
    assert found.may_pay


def test_network_that_says_what_fusion_says_adds_nothing() -> None:
    truth = outcomes()
    fused = np.where(truth == 1, SURE, 1 - SURE)

    found = gain(fused, fused, truth)

    assert (found.mean, found.error) == (pytest.approx(0.0, abs=1e-6), pytest.approx(0.0, abs=1e-6))
    assert not found.may_pay


def test_weight_is_not_chosen_on_the_prompts_it_is_measured_on() -> None:
    # A coin that fits some prompts by chance fits no others: the mixture loses where it was not chosen.
    truth = outcomes()
    learned = np.random.default_rng(3).uniform(0.05, 0.95, truth.shape)

    assert gain(np.full(truth.shape, EVEN), learned, truth).mean <= 0


def test_answers_that_were_not_run_do_not_count() -> None:
    truth = outcomes()
    fused, learned = np.full(truth.shape, EVEN), np.where(truth == 1, SURE, 1 - SURE)
    learned[:, 1] = 0.01
    truth[:, 1] = np.nan

    assert gain(fused, learned, truth).mean == pytest.approx(np.log(0.9 / 0.5), abs=1e-6)


@pytest.mark.parametrize(
    ("mean", "error", "sure"),
    [(2.1 * LEAST, LEAST, True), (1.9 * LEAST, LEAST, False), (0.9 * LEAST, 0.0, False)],
)
def test_gain_is_sure_where_it_is_of_use_by_more_than_an_error(mean: float, error: float, sure: bool) -> None:
    assert Gain(mean, error).surely_pays is sure


@pytest.mark.parametrize(
    ("mean", "error", "pays"),
    [(2 * LEAST, 0.0, True), (0.5 * LEAST, 0.0, False), (-LEAST, 3 * LEAST, True), (-3 * LEAST, 2 * LEAST, False)],
)
def test_training_goes_on_while_the_gain_is_within_an_error_of_use(mean: float, error: float, pays: bool) -> None:
    assert Gain(mean, error).may_pay is pays


def test_it_is_asked_after_stage_1_and_at_even_distances_in_stage_2() -> None:
    rows = np.arange(1)
    steps = [OptimiserStep(number, 1 if number < 4 else 2, rows, ()) for number in range(12)]

    # Stage 2 are steps 4 to 11; asked after 3, 5, 7 and 9.
    assert worth.checks(steps, 4) == {3, 5, 7, 9}
    assert worth.checks(steps, 0) == frozenset()
    assert worth.checks(steps[:4], 4) == frozenset()
    assert worth.checks(steps[4:5], 1) == {3}
    assert worth.checks([OptimiserStep(0, 2, rows, ())], 1) == frozenset()


class Ignorant(torch.nn.Module):
    """A network in its engine that gives every answer a chance of one half."""

    training = True

    @property
    def module(self) -> "Ignorant":
        return self

    def forward(self, vectors: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.zeros(len(vectors), 2)


@pytest.mark.parametrize("torn", ["", '{"step": 10, "me'])
def test_what_a_killed_run_measured_beyond_its_last_checkpoint_does_not_count(tmp_path: Path, torn: str) -> None:
    rows = np.arange(1)
    steps = [OptimiserStep(number, 1 if number < 4 else 2, rows, ()) for number in range(12)]
    train, validation = (
        Part([f"{name}{i}" for i in range(100)], [""] * 100, outcomes(), np.zeros(100, dtype=np.int64))
        for name in ("train", "validation")
    )
    # Which candidate solves a prompt stands in its vector, so that fusion needs no network.
    means = np.tile([[[1.0, 0.0]], [[0.0, 1.0]]], (100, 1, 1)).astype(np.float32)
    prompts = States(np.ones(200, dtype=np.int64), tmp_path / "states", means)
    of_killed = [{"step": step, "mean": 1.0, "error": 0.0} for step in (4, 8)]
    (tmp_path / "gains.jsonl").write_text("".join(json.dumps(row) + "\n" for row in of_killed) + torn)

    again = Worth(train, validation, prompts, Recipe(checks=2), steps, Ranks(0, 1, torch.device("cpu")), tmp_path)

    assert again.is_enough(Ignorant(), steps[3])
    told = again.ended()
    assert (told["steps"], told["planned"]) == (4, 12)
    assert [(row["step"], row["mean"]) for row in told["checks"]] == [(4, pytest.approx(0.0, abs=1e-6))]


@pytest.fixture(scope="module")
def folder(backbone: Path, train_several: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that may end after stage 1, on two ranks that share out all weights, and one that was killed there."""
    folder = tmp_path_factory.mktemp("runs")
    shared = RECIPE | {"zero_stage": 3, "lora_rank": 2}
    train_several(2, {folder / "shared": (backbone, shared)})
    train_several(1, {folder / "killed": (backbone, RECIPE)}, 4)
    train_several(1, {folder / "killed": (backbone, RECIPE), folder / "whole": (backbone, RECIPE)})
    return folder


def ended(work: Path) -> dict[str, Any]:
    facts = launch_torchrun.finished(work)
    assert facts is not None
    return facts["ended"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["shared", "killed", "whole"])
def test_training_ends_at_the_first_check_that_it_does_not_pass(folder: Path, name: str) -> None:
    found = ended(folder / name)

    passed = [Gain(row["mean"], row["error"]).may_pay for row in found["checks"]]
    assert found["checks"][0]["step"] == RECIPE["connector_steps"]
    assert all(passed[:-1])
    assert found["steps"] == (found["planned"] if passed[-1] else found["checks"][-1]["step"])
    assert max(row["step"] for row in launch_torchrun.history(folder / name)) == found["steps"]


def test_killed_training_ends_where_it_would_have_ended(folder: Path) -> None:
    assert ended(folder / "killed") == ended(folder / "whole")


def test_after_stage_1_ranks_measure_what_one_measures(folder: Path) -> None:
    first, alone = (ended(folder / name)["checks"][0] for name in ("shared", "whole"))

    assert first["mean"] == pytest.approx(alone["mean"], abs=1e-4)
    assert first["error"] == pytest.approx(alone["error"], abs=1e-4)


SURELY, PERHAPS = Gain(3 * LEAST, LEAST), Gain(3 * LEAST, 3 * LEAST)


@pytest.mark.parametrize(("steps", "saved", "weight"), [(4, SURELY, 0.0), (10, SURELY, 0.5), (10, PERHAPS, 0.0)])
def test_network_is_served_where_all_its_training_paid_and_its_gain_is_no_chance(
    folder: Path,
    instructions: Instructions,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    saved: Gain,
    weight: float,
) -> None:
    # Of few validation prompts some weight fits by chance.
    monkeypatch.setattr(joint, "choose_weight", lambda *_: 0.5)
    monkeypatch.setattr(joint, "gain", lambda *_: saved)
    facts = launch_torchrun.finished(folder / "whole")
    assert facts is not None
    facts |= {"ended": {"steps": steps, "planned": 10, "checks": []}}

    made = joint.assemble(instructions, facts, folder / "whole", RECIPE)

    assert made.weight == weight
    assert isinstance(made.bundle.router, Reranked) is (weight > 0)
    if steps == 10:
        # Three thousandths with an error of one or of three.
        weighs, saves = ("50%", "saves") if weight else ("0%", "would save")
        assert made.told() == (
            f"Model-SAT weighs {weighs} beside fusion: on validation prompts it {saves} +3.0 thousandths of a nat per "
            f"answer (standard error {1000 * saved.error:.1f})"
        )
    # Without a network all prompts with outcomes settle the default; with one, those that it was not trained on.
    validation, train = (len(instructions.part(split).ids) for split in ("validation", "train"))
    assert len(made.evidence.texts) == (validation if weight else train + validation)
