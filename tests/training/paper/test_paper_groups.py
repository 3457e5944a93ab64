"""Groups hold one candidate: a prompt that it solved, and prompts of the same benchmark that it failed."""

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.paper import groups
from training.paper.groups import NOBODY, GroupOutcomes


def evidence_of(targets: np.ndarray, benchmarks: np.ndarray) -> GroupOutcomes:
    return GroupOutcomes(targets, benchmarks, groups.discrimination(targets), groups.strength(targets))


def random_evidence(seed: int) -> GroupOutcomes:
    rng = np.random.default_rng(seed)
    targets = (rng.random((60, 5)) < 0.5).astype(np.float32)
    targets[rng.random(targets.shape) < 0.2] = nan
    return evidence_of(targets, rng.integers(0, 3, 60))


def test_discrimination_by_hand() -> None:
    targets = np.asarray([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, nan], [nan, nan, nan, nan]])

    assert groups.discrimination(targets) == pytest.approx([1 / 4, 0, 0, 2 / 9, 0])


def test_strength_is_the_rank_and_equals_share_the_lower_one() -> None:
    targets = np.asarray([[1, 0, 1, nan], [1, 0, 0, 0], [1, 0, nan, 1]])

    assert groups.strength(targets).tolist() == [4, 1, 2, 2]


def test_success_counts_only_where_every_rotation_was_solved() -> None:
    targets = np.asarray([[1, 1, nan], [1, 0, 1], [0, 1, 0]], dtype=np.float32)

    kept = groups.circle_test(targets, ["q", "q", "other"], [["a", "b"], ["b", "a"], ["a", "b"]])

    np.testing.assert_array_equal(kept, [[1, nan, nan], [1, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize(
    ("stems", "choices"),
    [
        (["q", "q"], [None, None]),
        (["q", "q"], [[], []]),
        (["q", "q"], [["a", "b"], ["a", "b"]]),
        (["q", "q"], [["a", "b"], ["c", "b"]]),
        (["q", "r"], [["a", "b"], ["b", "a"]]),
    ],
    ids=["open questions", "no options", "the same order", "other options", "other questions"],
)
def test_what_is_no_rotation_is_left_alone(stems: list[str], choices: list[list[str] | None]) -> None:
    targets = np.asarray([[1, 0], [0, 1]], dtype=np.float32)

    assert (groups.circle_test(targets, stems, choices) == targets).all()


@given(seed=st.integers(0, 10_000), k=st.integers(2, 9))
def test_group_is_one_success_and_different_failures_of_one_benchmark(seed: int, k: int) -> None:
    evidence = random_evidence(seed)

    drawn = groups.draw(np.random.default_rng(seed), evidence, 6, k)

    for candidate, prompts in zip(drawn.candidates, drawn.prompts, strict=True):
        there = prompts[prompts != NOBODY]
        assert len(there) == len(set(there)) >= 2
        assert (evidence.targets[there, candidate] > 0.5).tolist() == [True] + [False] * (len(there) - 1)
        assert len(set(evidence.benchmarks[there])) == 1
        assert (evidence.prompt_weights[there] > 0).all()


def test_group_is_filled_up_where_failures_are_few() -> None:
    targets = np.asarray([[1, 0], [0, 1], [0, 1]], dtype=np.float32)
    only_first = GroupOutcomes(targets, np.zeros(3, dtype=int), np.ones(3), np.asarray([1.0, 0.0]))

    drawn = groups.draw(np.random.default_rng(0), only_first, 1, 5)

    assert drawn.candidates.tolist() == [0]
    assert drawn.prompts[0, 0] == 0
    assert sorted(drawn.prompts[0, 1:].tolist()) == [NOBODY, NOBODY, 1, 2]


def test_success_without_a_failure_in_its_benchmark_starts_no_group() -> None:
    targets = np.asarray([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    evidence = evidence_of(targets, np.asarray([0, 1, 1]))

    assert evidence.positives().tolist() == [[False, False], [True, False], [False, True]]


def test_prompts_that_all_or_none_solve_are_never_drawn() -> None:
    targets = np.asarray([[1, 1], [0, 0], [1, 0], [0, 1]], dtype=np.float32)

    drawn = groups.draw(np.random.default_rng(0), evidence_of(targets, np.zeros(4, dtype=int)), 50, 4)

    assert set(drawn.prompts.ravel()) == {NOBODY, 2, 3}


def test_prompts_outside_stay_outside() -> None:
    evidence = random_evidence(1)
    inside = evidence.benchmarks == 2

    drawn = groups.draw(np.random.default_rng(0), evidence.within(inside), 40, 4)

    assert inside[drawn.prompts[drawn.prompts != NOBODY]].all()


def test_candidates_and_positives_are_drawn_as_often_as_they_weigh() -> None:
    targets = np.asarray([[1, 1], [1, 1], [0, 0]], dtype=np.float32)
    evidence = GroupOutcomes(targets, np.zeros(3, dtype=int), np.asarray([1.0, 3.0, 1.0]), np.asarray([1.0, 4.0]))

    drawn = groups.draw(np.random.default_rng(0), evidence, 4000, 2)

    assert (drawn.candidates == 1).mean() == pytest.approx(0.8, abs=0.03)
    assert (drawn.prompts[:, 0] == 1).mean() == pytest.approx(0.75, abs=0.03)


def test_same_seed_draws_the_same_groups() -> None:
    first, second = (groups.draw(np.random.default_rng([0, 7]), random_evidence(3), 5, 4) for _ in range(2))

    assert (first.prompts == second.prompts).all()
    assert (first.candidates == second.candidates).all()
