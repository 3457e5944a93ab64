"""What each step of the paper's training learns from: stage 1 in-domain groups, stage 2 groups of all benchmarks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from modelsat.aptitude import cards
from modelsat.aptitude.instructions import Instructions
from modelsat.data import splits
from modelsat.errors import InputError
from modelsat.routers.paper.layout import Layout
from modelsat.routers.paper.router import card_lines
from training import order
from training.loop import Batch, Inputs, OptimiserStep
from training.paper import groups
from training.paper.groups import GroupOutcomes, Groups
from training.paper.recipe import PaperRecipe
from training.ranks import Ranks


@dataclass(frozen=True)
class Curriculum:
    """Training prompts and cards, ready to be drawn from.

    Attributes:
        evidence: Of stage 1 and of stage 2.
        prompts: Token ids read of each training prompt.
        accuracies: Shrunken accuracies (candidates, tasks).
        keywords: Five words per task.
    """

    evidence: dict[int, GroupOutcomes]
    prompts: list[list[int]]
    accuracies: np.ndarray
    keywords: list[list[str]]


def prepare(instructions: Instructions, layout: Layout) -> Curriculum:
    """Read, weigh and filter the training prompts.

    Raises:
        InputError: No candidate solved one prompt and failed another of the same benchmark.
    """
    train = instructions.part(splits.TRAIN)
    table = instructions.prompts
    place = {prompt_id: i for i, prompt_id in enumerate(table["prompt_id"].to_pylist())}
    rows = table.take([place[prompt_id] for prompt_id in train.ids])
    names, benchmarks = np.unique(rows["benchmark"].to_pylist(), return_inverse=True)
    targets = groups.circle_test(train.targets, rows["stem_digest"].to_pylist(), rows["choices"].to_pylist())
    everything = GroupOutcomes(targets, benchmarks, groups.discrimination(targets), groups.strength(targets))
    asked = {table["benchmark"][place[one]].as_py() for one in instructions.aptitude_test["prompt_id"].to_pylist()}
    in_domain = everything.within(np.isin(names, list(asked))[benchmarks])
    if not (everything.positives().any() and in_domain.positives().any()):
        raise InputError(
            "no candidate solved one training prompt and failed another of the same benchmark, so there is no group "
            "to learn from; collect more prompts or candidates"
        )
    test = instructions.test
    accuracies = cards.accuracies(instructions.cards, instructions.names, test.tasks)
    return Curriculum({1: in_domain, 2: everything}, layout.prompts(train.texts), accuracies, test.keywords)


def plan(settings: PaperRecipe) -> list[OptimiserStep]:
    """Return every step of both stages in order; stage 1 has one rate, stage 2 those of encoder and language model."""
    rows = np.arange(settings.groups)
    stages = (
        (1, settings.connector_steps, (settings.connector_learning_rate,)),
        (2, settings.steps, (settings.encoder_learning_rate, settings.learning_rate)),
    )
    out: list[OptimiserStep] = []
    for stage, steps, peaks in stages:
        shares = [order.rate(done, steps, settings.warm_up) for done in range(steps)]
        out += [
            OptimiserStep(len(out) + done, stage, rows, tuple(peak * share for peak in peaks))
            for done, share in enumerate(shares)
        ]
    return out


def inputs(curriculum: Curriculum, layout: Layout, settings: PaperRecipe, ranks: Ranks) -> Inputs:
    """Return the function that draws a rank's share of a step, which seed and step alone decide."""

    def of_step(step: OptimiserStep) -> Iterator[Batch]:
        rng = np.random.default_rng([settings.seed, step.number])
        drawn = groups.draw(rng, curriculum.evidence[step.stage], len(step.rows), settings.group)
        tasks = len(curriculum.keywords)
        told = max(1, round(settings.card_share * tasks))
        orders = [rng.permutation(tasks)[:told] for _ in step.rows]
        for mine in order.shares(step.rows, ranks.rank, ranks.count, settings.accumulation):
            prompts = drawn.prompts[mine[mine >= 0]]
            scale = len(mine) * ranks.count * settings.accumulation / len(step.rows)
            yield Batch(
                _tensors(curriculum, layout, settings, drawn, orders, mine), scale, prompts[prompts != groups.NOBODY]
            )

    return of_step


def _tensors(
    curriculum: Curriculum,
    layout: Layout,
    settings: PaperRecipe,
    drawn: Groups,
    orders: Sequence[np.ndarray],
    mine: np.ndarray,
) -> tuple[torch.Tensor | None, ...]:
    """Write the groups in `mine` as tensors; group -1 is a filler."""
    filled = np.maximum(mine, 0)
    prompts = drawn.prompts[filled]
    present = (prompts != groups.NOBODY) & (mine >= 0)[:, None]
    prompts = np.where(prompts == groups.NOBODY, prompts[:, :1], prompts)
    lines = [card_lines(curriculum.keywords, curriculum.accuracies[drawn.candidates[g]], orders[g]) for g in filled]
    if layout.reading.capability == "text":
        told, pieces = [layout.in_words(card) for card in lines], None
    else:
        told, pieces = [layout.slot()] * len(lines), layout.pieces(lines)
    capabilities = [row for row in told for _ in range(prompts.shape[1])]
    asked = [curriculum.prompts[i] for i in prompts.ravel()]
    cards_read = (None, None, None) if pieces is None else (pieces.ids, pieces.mask, pieces.card)
    if settings.packing:
        packed = layout.packed(capabilities, asked, settings.row_tokens)
        places = (packed.positions, packed.row, packed.first, packed.last)
        return (packed.ids, None, torch.from_numpy(present), *cards_read, *places)
    ids, mask = layout.sequences(capabilities, asked)
    return (ids, mask, torch.from_numpy(present), *cards_read)
