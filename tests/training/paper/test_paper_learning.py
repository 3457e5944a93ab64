"""Planted specialists are found: after training each is said to do better on the prompts of its own kind.

That a prompt goes to its specialist does not follow: the paper's loss never compares candidates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from modelsat.routers.paper.layout import Layout
from modelsat.routers.paper.network import PaperNetwork, start
from modelsat.routers.paper.router import ModelSatPaper
from training.paper import curriculum, groups
from training.paper.curriculum import Curriculum
from training.paper.finetune import parameter_groups
from training.paper.groups import GroupOutcomes
from training.paper.objective import GroupObjective
from training.paper.recipe import PaperRecipe
from training.ranks import Ranks

KEYWORDS = [["sum"], ["word"]]
ACCURACIES = np.asarray([[0.99, 0.01], [0.33, 0.77]], dtype=np.float32)
SETTINGS = PaperRecipe(
    max_tokens=16,
    card_tokens=64,
    card_share=1.0,
    group=4,
    groups=4,
    connector_steps=0,
    steps=180,
    encoder_learning_rate=4e-3,
    learning_rate=2e-3,
)
SUMS = [f"what is {a} plus {b}" for a in range(3, 9) for b in range(3, 9)]
WORDS = [f"which word has the letter {a} before {b}" for a in "bcdefg" for b in "hijklm"]


@dataclass(frozen=True)
class Lesson:
    """The losses of a training, and the router that it left."""

    losses: list[float]
    router: ModelSatPaper


@pytest.fixture(scope="module")
def lesson(folders: dict[str, Path], make_layout: Callable[..., Layout]) -> Lesson:
    layout = make_layout("bidirectional", SETTINGS.reading)
    kinds = np.repeat([0, 1], len(SUMS))
    targets = np.stack([kinds == 0, kinds == 1], axis=1).astype(np.float32)
    everything = GroupOutcomes(
        targets, np.zeros(len(kinds), dtype=int), groups.discrimination(targets), np.asarray([2.0, 1.0])
    )
    lessons = Curriculum({2: everything}, layout.prompts([*SUMS, *WORDS]), ACCURACIES, KEYWORDS)
    inputs = curriculum.inputs(lessons, layout, SETTINGS, Ranks(0, 1, torch.device("cpu")))
    folder = folders["bidirectional"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = start(folder / "language_model", folder / "encoder", layout.tokenizer)
        _make_loud(network)
        objective = GroupObjective(network)
        fast_and_slow = parameter_groups(network, 2, has_vocabulary=False)
        optimizer = torch.optim.AdamW([{"params": part} for part in fast_and_slow])
        losses = []
        for step in curriculum.plan(SETTINGS):
            for part, rate in zip(optimizer.param_groups, step.rates, strict=True):
                part["lr"] = rate
            (batch,) = inputs(step)
            loss = objective(*batch.tensors) * batch.scale
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(objective.parameters(), SETTINGS.clip)
            optimizer.step()
            losses.append(loss.item())
    names = ["calculator", "reader"]
    return Lesson(losses, ModelSatPaper(names, ACCURACIES, KEYWORDS, network, folder, SETTINGS.reading))


@torch.no_grad()
def _make_loud(network: PaperNetwork) -> None:
    """Give the thin layers weights of a size at which they do something: they were never pretrained."""
    for name, value in network.named_parameters():
        if value.ndim == 2 and "embeddings" not in name:
            value *= 8


def test_loss_starts_at_a_blind_choice_and_falls(lesson: Lesson) -> None:
    assert lesson.losses[0] == pytest.approx(np.log(4), abs=0.3)
    assert np.mean(lesson.losses[-10:]) < 0.3 * lesson.losses[0]


def test_each_specialist_prefers_unseen_prompts_of_its_kind(lesson: Lesson) -> None:
    said = lesson.router.success_probability(["what is 2 plus 9", "which word has the letter n before a"])

    log_odds = np.log(said) - np.log1p(-said)
    assert log_odds[0, 0] > log_odds[1, 0] + 1
    assert log_odds[1, 1] > log_odds[0, 1] + 1
