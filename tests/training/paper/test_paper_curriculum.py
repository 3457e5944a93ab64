"""What a step learns from is a function of seed and step, whichever rank works on it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from modelsat.aptitude.instructions import Instructions
from modelsat.aptitude.pairs import Pairs
from modelsat.data import contracts, splits, table_blocks
from modelsat.errors import InputError
from modelsat.routers.paper.layout import Layout
from training.loop import Batch
from training.paper import curriculum
from training.paper.curriculum import Curriculum
from training.paper.recipe import PaperRecipe
from training.ranks import Ranks

SETTINGS = PaperRecipe(max_tokens=32, card_tokens=256, group=3, groups=3, connector_steps=2, steps=4, warm_up=0.5)
IN_WORDS = SETTINGS.model_copy(update={"capability": "text", "connector_steps": 0})


@pytest.fixture(scope="module")
def layout(make_layout: Callable[..., Layout]) -> Layout:
    return make_layout("bidirectional", SETTINGS.reading)


@pytest.fixture(scope="module")
def lessons(instructions: Instructions, layout: Layout) -> Curriculum:
    return curriculum.prepare(instructions, layout)


def batches(
    lessons: Curriculum, layout: Layout, settings: PaperRecipe, number: int, rank: int = 0, count: int = 1
) -> list[Batch]:
    inputs = curriculum.inputs(lessons, layout, settings, Ranks(rank, count, torch.device("cpu")))
    return list(inputs(curriculum.plan(settings)[number]))


def batch(*where: Any) -> Batch:
    (one,) = batches(*where)
    return one


def test_plan_has_one_rate_in_stage_1_and_two_in_stage_2() -> None:
    steps = curriculum.plan(SETTINGS)

    assert [(step.number, step.stage, len(step.rates)) for step in steps] == [
        (0, 1, 1),
        (1, 1, 1),
        *((number, 2, 2) for number in range(2, 6)),
    ]
    assert steps[3].rates == (SETTINGS.encoder_learning_rate, SETTINGS.learning_rate)
    assert steps[2].rates == pytest.approx((SETTINGS.encoder_learning_rate / 2, SETTINGS.learning_rate / 2))


def test_step_is_drawn_again_as_it_was(lessons: Curriculum, layout: Layout) -> None:
    first, again, other = (batch(lessons, layout, SETTINGS, number).tensors for number in (3, 3, 4))

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])


def test_ranks_share_the_groups_of_a_step(lessons: Curriculum, layout: Layout) -> None:
    whole = batch(lessons, layout, SETTINGS, 3)
    shares = [batch(lessons, layout, SETTINGS, 3, rank, 2) for rank in (0, 1)]

    assert whole.scale == 1
    assert [share.scale for share in shares] == [4 / 3, 4 / 3]
    assert shares[1].tensors[2].any(dim=1).tolist() == [True, False]
    _holds(shares, [[0, 2], [1]], whole)


def test_micro_batches_share_the_groups_of_a_step(lessons: Curriculum, layout: Layout) -> None:
    whole = batch(lessons, layout, SETTINGS, 3)
    parts = batches(lessons, layout, SETTINGS.model_copy(update={"accumulation": 2}), 3)

    assert [part.scale for part in parts] == [4 / 3, 4 / 3]
    _holds(parts, [[0, 2], [1]], whole)
    assert sorted(row for part in parts for row in part.prompts) == sorted(whole.prompts)


def _holds(parts: list[Batch], groups_of_parts: list[list[int]], whole: Batch) -> None:
    all_ids, all_masks, *_ = whole.tensors
    for part, groups in zip(parts, groups_of_parts, strict=True):
        ids, mask, *_ = part.tensors
        for place, group in enumerate(groups):
            for k in range(3):
                row, kept = place * 3 + k, all_masks[group * 3 + k].bool()
                assert ids[row][mask[row].bool()].tolist() == all_ids[group * 3 + k][kept].tolist()


def test_prompts_that_teach_are_those_that_the_groups_hold(lessons: Curriculum, layout: Layout) -> None:
    one = batch(lessons, layout, SETTINGS, 3)

    assert len(one.prompts) == int(one.tensors[2].sum())
    assert set(one.prompts) <= set(range(len(lessons.prompts)))


def test_card_in_words_stands_in_the_prompt(instructions: Instructions, make_layout: Callable[..., Layout]) -> None:
    layout = make_layout("bidirectional", IN_WORDS.reading)

    ids, _, _, *pieces = batch(curriculum.prepare(instructions, layout), layout, IN_WORDS, 0).tensors

    assert pieces == [None, None, None]
    assert ids.shape[1] > 200


def test_card_tells_its_share_of_the_tasks(lessons: Curriculum, layout: Layout) -> None:
    whole, half = (
        batch(lessons, layout, SETTINGS.model_copy(update={"card_share": share}), 3).tensors[4].sum()
        for share in (1.0, 0.5)
    )

    assert half < 0.8 * whole


def test_stage_1_learns_from_the_benchmarks_of_the_aptitude_test(instructions: Instructions, layout: Layout) -> None:
    asked = instructions.aptitude_test
    first = asked.filter(pc.equal(asked["category"], asked["category"][0]))

    evidence = curriculum.prepare(replace(instructions, aptitude_test=first, cards=_cards(instructions, first)), layout)

    some, everything = (evidence.evidence[stage].prompt_weights > 0 for stage in (1, 2))
    assert 0 < some.sum() < everything.sum()
    assert len(np.unique(evidence.evidence[1].benchmarks[some])) == 1


def _cards(instructions: Instructions, test: pa.Table) -> pa.Table:
    cards = instructions.cards
    return cards.filter(pc.is_in(cards["task"], pc.unique(test["task"])))


def test_data_without_any_group_are_refused(instructions: Instructions, layout: Layout, tmp_path: Path) -> None:
    table = instructions.instructions
    solved = pa.array(np.ones(table.num_rows, dtype=np.float32))
    place = table.schema.get_field_index("target")
    solved_by_all = table.set_column(place, table.schema.field(place), solved)
    table_blocks.write_table(solved_by_all, tmp_path / "pairs.parquet", contracts.INSTRUCTIONS)
    easy = replace(instructions, pairs=Pairs(tmp_path / "pairs.parquet"))

    with pytest.raises(InputError, match="there is no group to learn from; collect more prompts or candidates"):
        curriculum.prepare(easy, layout)


def test_prompts_are_those_of_training(instructions: Instructions, lessons: Curriculum) -> None:
    assert len(lessons.prompts) == len(instructions.part(splits.TRAIN).ids) == len(lessons.evidence[2].targets)
