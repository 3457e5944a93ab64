"""The next questions are those that tell most about open choices; asking stops where choices are settled."""

import numpy as np
import pytest

from modelsat.onboarding.asking import adaptive
from modelsat.onboarding.asking.adaptive import Choices
from modelsat.routers.fusion.newcomer import Belief

FLAT = Belief(np.array([0.5, 0.0]), np.diag([0.04, 0.04]))


def test_choice_that_is_even_is_unsettled_by_half() -> None:
    certain_of_the_mean = Belief(np.array([0.5, 0.0]), np.diag([1e-12, 0.04]))

    even = Choices(np.array([[1.0, 1.0]]), np.array([0.5]))

    assert adaptive.unsettled(certain_of_the_mean, even) == pytest.approx(0.5, abs=1e-3)


def test_choice_two_deviations_away_is_unsettled_by_the_tail() -> None:
    # The newcomer's success has mean 0.5 and deviation 0.2: the best at 0.9 is two deviations above.
    belief = Belief(np.array([0.5, 0.0]), np.diag([1e-12, 0.04]))

    assert adaptive.unsettled(belief, Choices(np.array([[1.0, 1.0]]), np.array([0.9]))) == pytest.approx(
        0.02275, abs=1e-4
    )


def test_known_place_leaves_no_choice_open() -> None:
    known = Belief(np.array([0.5, 0.0]), 1e-10 * np.eye(2))

    assert adaptive.unsettled(known, Choices(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([0.4, 0.6]))) < 1e-6


def test_question_that_points_to_the_open_choice_goes_first() -> None:
    # Along the second axis the first prompt is open; the second prompt is out of the newcomer's reach.
    belief = Belief(np.array([0.5, 0.0, 0.0]), np.diag([1e-6, 0.04, 0.04]))
    choices = Choices(np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]), np.array([0.5, 3.0]))
    questions = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])

    assert adaptive.next_block(belief, choices, questions, ["a", "b", "c"], size=1) == [1]


def test_next_question_counts_on_the_answer_to_the_one_before() -> None:
    # Alone the two questions along the second axis tell most; after one of them, the third axis does.
    belief = Belief(np.zeros(3), np.diag([1e-6, 0.5, 0.4]))
    choices = Choices(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros(2))
    questions = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])

    assert adaptive.next_block(belief, choices, questions, ["a", "b", "c"], size=2) == [0, 2]


def test_no_task_gets_more_than_its_share_of_a_block() -> None:
    rng = np.random.default_rng(0)
    tasks = ["loud"] * 40 + [f"quiet {i}" for i in range(40)]
    questions = np.concatenate([rng.normal(size=(40, 2)) * 5, rng.normal(size=(40, 2)) * 0.1])

    chosen = adaptive.next_block(FLAT, Choices(np.array([[1.0, 1.0]]), np.array([0.5])), questions, tasks, size=32)

    assert len(chosen) == len(set(chosen)) == 32
    assert sum(tasks[i] == "loud" for i in chosen) == 8


def test_last_questions_are_all_asked() -> None:
    questions = np.ones((5, 2))

    chosen = adaptive.next_block(FLAT, Choices(questions, np.full(5, 0.5)), questions, list("abcde"))

    assert sorted(chosen) == [0, 1, 2, 3, 4]
