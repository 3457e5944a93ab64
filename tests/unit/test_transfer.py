"""Fitted on one set, asked about another: only what both have is used, and no question twice."""

from collections.abc import Callable

import numpy as np
import pytest

from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.studies import transfer

NAN = float("nan")
N = 80


def text(number: int) -> str:
    return f"Question number {number} that is long enough to stand for itself alone?"


@pytest.fixture(scope="module")
def source(make_collection: Callable[..., Collection]) -> Collection:
    """Candidate `late` was run on the second half only."""
    scores = [[1.0, 0.0, 1.0 if i >= N // 2 else NAN, 0.5] for i in range(N)]
    return make_collection(scores, [text(i) for i in range(N)], ("both", "other", "late", "only here"))


@pytest.fixture(scope="module")
def target(make_collection: Callable[..., Collection]) -> Collection:
    """Its first ten questions stand in the source too."""
    scores = [[0.0, 1.0, 0.5, 0.5] for _ in range(N)]
    return make_collection(scores, [text(i + N - 10) for i in range(N)], ("other", "both", "late", "only there"))


def test_candidates_are_those_run_on_both_sets(source: Collection, target: Collection) -> None:
    assert transfer.cross(source, target).candidates == ("both", "other")
    assert transfer.cross(source, target, min_share=0.5).candidates == ("both", "late", "other")


def test_question_of_the_target_is_no_training_prompt(source: Collection, target: Collection) -> None:
    cut = transfer.cross(source, target)

    assert sorted([*cut.train.tolist(), *cut.validation.tolist()]) == list(range(N - 10))
    assert cut.removed == 10
    assert cut.test.tolist() == list(range(N))


def test_prompts_count_where_all_shared_candidates_were_run(source: Collection, target: Collection) -> None:
    cut = transfer.cross(source, target, min_share=0.5)

    assert sorted([*cut.train.tolist(), *cut.validation.tolist()]) == list(range(N // 2, N - 10))


def test_outcomes_stand_in_the_order_asked_for(source: Collection, target: Collection) -> None:
    cut = transfer.cross(source, target)
    vectors = np.ones((N, 2), dtype=np.float32)

    known, asked = (transfer.labelled(one, cut.candidates, vectors) for one in (source, target))

    assert known.outcomes[0].tolist() == [1.0, 0.0]
    assert asked.outcomes[0].tolist() == [1.0, 0.0]


def test_sets_without_two_shared_candidates_are_refused(
    make_collection: Callable[..., Collection], source: Collection
) -> None:
    stranger = make_collection([[1.0, 0.0]] * 4, [text(i) for i in range(4)], ("both", "stranger"))

    with pytest.raises(InputError, match="share fewer than two candidates run on 95 % of both"):
        transfer.cross(source, stranger)


def test_set_whose_every_question_is_in_the_target_is_refused(source: Collection) -> None:
    with pytest.raises(InputError, match="leave no prompts to train"):
        transfer.cross(source, source)


def test_own_best_of_a_fold_is_chosen_on_the_others() -> None:
    truth = np.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])

    assert transfer.own_best(truth, np.asarray([0, 0, 1])).tolist() == [1, 1, 0]
