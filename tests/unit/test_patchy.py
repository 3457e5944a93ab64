"""Patchy results under the assumption that outcomes are missing at random; worked by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from modelsat.data import splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import arena, cautions, comparison, patchy, printed, table
from modelsat.reports import compared

NAN = float("nan")
MakeCollection = Callable[..., Collection]
TextsIn = Callable[[str, int, str], list[str]]

TRAIN = [[1, 0, NAN], [1, NAN, 1], [NAN, 0, 1], [1, 0, NAN]]
TEST = [[1, NAN, 0], [NAN, 0, 1], [1, NAN, NAN]]


@pytest.fixture(scope="module")
def patchy_results(make_collection: MakeCollection, texts_in: TextsIn) -> Collection:
    """Four training and three test prompts; a was run on 5 of 7, b and c on 4 of 7: no candidate on 95 %."""
    texts = texts_in(splits.TRAIN, 4, "Prompt") + texts_in(splits.TEST, 3, "Prompt")
    return make_collection(TRAIN + TEST, texts, ("a", "b", "c"))


def test_results_without_complete_rows_are_refused_and_the_option_is_named(patchy_results: Collection) -> None:
    with pytest.raises(InputError, match=r"run on 95 % of its source.*--missing-at-random"):
        arena.build(patchy_results)


def test_candidates_of_a_prompt_are_those_that_were_run_on_it(patchy_results: Collection) -> None:
    held_out = arena.build(patchy_results, missing_at_random=True)

    # The last test prompt has one candidate only: there is nothing to choose.
    assert held_out.prompt_ids == ["p0004", "p0005"]
    assert held_out.pool.tolist() == [[True, False, True], [False, True, True]]
    assert not np.isnan(held_out.truth[held_out.pool]).any()


def test_best_single_is_the_best_of_those_that_were_run(patchy_results: Collection) -> None:
    """a and c were right wherever they were run in training, b never; a was run three times, c twice."""
    held_out = arena.build(patchy_results, missing_at_random=True)

    assert [held_out.candidates[i] for i in held_out.best_single] == ["a", "c"]


def test_every_choice_is_judged(patchy_results: Collection) -> None:
    """A router that prefers c, then b: 0 on the first prompt, 1 on the second; best single is right on both."""
    held_out = arena.build(patchy_results, missing_at_random=True)

    found = table.evaluate(held_out, {"mine": np.tile([0.1, 0.2, 0.3], (2, 1))})

    assert found.unjudged == {"mine": 0.0}
    assert found.correct["mine"].tolist() == [0.0, 1.0]
    assert found.line("mine").gain.value == -0.5


def test_complete_results_are_measured_as_ever(golden: Collection) -> None:
    one, other = arena.build(golden), arena.build(golden, missing_at_random=True)

    for field in ("truth", "pool", "prior", "label_prior", "best_single"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_candidate_that_was_run_on_less_than_a_fifth_is_named_and_chosen_nowhere(
    make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    texts = texts_in(splits.TRAIN, 8, "Prompt") + texts_in(splits.TEST, 4, "Prompt")
    scores = np.tile([1.0, 0.0, NAN], (12, 1))
    scores[[0, 8], 2] = 1.0
    results = make_collection(scores, texts, ("a", "b", "rare"))

    held_out = arena.build(results, missing_at_random=True)

    assert not held_out.pool[:, 2].any()
    assert cautions.of(results, held_out) == [
        "1 of 3 candidates were run on less than 20 % of every set and cannot be chosen anywhere: rare "
        "[candidate-not-judged]"
    ]


@pytest.fixture
def world() -> np.ndarray:
    """Scores (400, 4): the first 200 prompts are easy (right with 0.9), the others hard (0.3)."""
    rng = np.random.default_rng(0)
    return (rng.random((400, 4)) < np.repeat([0.9, 0.3], 200)[:, None]).astype(float)


def test_what_is_missing_by_chance_contradicts_nothing(world: np.ndarray) -> None:
    world[np.random.default_rng(1).random(world.shape) < 0.5] = NAN

    assert patchy.contradictions(world) == []


def test_candidate_that_was_spared_the_hard_prompts_is_found(world: np.ndarray) -> None:
    world[200:, 2] = NAN

    (found,) = patchy.contradictions(world)

    assert found.column == 2
    assert found.easier == pytest.approx(0.6, abs=0.1)


def test_page_json_and_terminal_say_what_is_assumed(
    make_collection: MakeCollection, texts_in: TextsIn, world: np.ndarray, tmp_path: Path
) -> None:
    world[200:, 2] = NAN
    texts = texts_in(splits.TRAIN, 300, "Prompt") + texts_in(splits.TEST, 100, "Prompt")
    order = np.random.default_rng(2).permutation(400)
    results = make_collection(world[order], texts, ("a", "b", "spared", "d"))
    held_out = arena.build(results, missing_at_random=True)
    measured = table.evaluate(held_out, {"mine": np.tile([0.9, 0.2, 0.3, 0.1], (len(held_out.truth), 1))})
    found = comparison.Comparison(held_out, measured, {}, {}, {}, results, tuple(cautions.of(results, held_out)))

    compared.write(found, tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "is taken to say nothing about how it would have done there" in page
    assert "[not-at-random]" in page
    facts = comparison.as_json(found)
    assert facts["missing_at_random"] is True
    assert "candidate &#39;spared&#39; was run on" in page.replace("&#x27;", "&#39;")
    assert "each prompt has those that were run on it" in printed.table(facts)
