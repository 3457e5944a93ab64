"""Capability cards: counts, the posterior worked by hand, and what never flatters a candidate."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.aptitude import cards
from modelsat.aptitude.cards import Prior
from modelsat.aptitude.frozen_test import AptitudeTest
from modelsat.data import contracts
from modelsat.data.collection import Collection

NAN = float("nan")
ACCURACIES = hnp.arrays(np.float64, (3, 4), elements=st.floats(0, 1))
COUNTS = hnp.arrays(np.float64, (3, 4), elements=st.sampled_from([0.0, 1.0, 5.0, 20.0]))


@pytest.fixture
def two_tasks() -> AptitudeTest:
    rows: list[dict[str, object]] = [
        {
            "version": "apt-1",
            "task": task,
            "category": task,
            "keywords": [task] * 5,
            "position": i,
            "prompt_id": f"p{i:04d}",
            "stem_digest": str(i),
            "text": "text",
        }
        for i, task in enumerate(["sums", "sums", "sums", "words", "words"])
    ]
    return AptitudeTest(contracts.from_rows(rows, contracts.APTITUDE_TEST), "by hand")


@pytest.fixture
def answers(make_collection: Callable[..., Collection]) -> Collection:
    """Answers of three candidates to the five questions and to a sixth that is not in the test."""
    return make_collection(
        [[1, 0, NAN], [1, 1, NAN], [0, NAN, NAN], [0.5, 1, NAN], [0, 1, NAN], [1, 1, 1]],
        [f"question {i}" for i in range(6)],
        ("ada", "bob", "idle"),
    )


def test_answers_are_counted_by_task(two_tasks: AptitudeTest, answers: Collection) -> None:
    accuracy, n = cards.count(two_tasks, answers.scores, ["ada", "bob", "idle"])

    np.testing.assert_allclose(accuracy, [[2 / 3, 0.25], [0.5, 1.0], [NAN, NAN]])
    np.testing.assert_array_equal(n, [[3, 2], [2, 2], [0, 0]])


def test_posterior_by_hand() -> None:
    prior = Prior(np.array([0.5, 0.5]), questions=10.0)

    posterior = prior.posterior(np.array([[1.0, 0.5]]), np.array([[10.0, 10.0]]))

    ability = (15 - 10) / (20 + 10)
    centre = 0.5 + ability
    np.testing.assert_allclose(posterior, [[(10 + 10 * centre) / 20, (5 + 10 * centre) / 20]])


def test_candidate_that_was_never_asked_is_the_mean_of_the_zoo() -> None:
    prior = Prior(np.array([0.9, 0.3]), questions=10.0)

    np.testing.assert_allclose(prior.posterior(np.array([[NAN, NAN]]), np.zeros((1, 2))), [[0.9, 0.3]])


def test_task_that_was_not_asked_moves_with_the_others() -> None:
    prior = Prior(np.array([0.5, 0.5]), questions=10.0)

    posterior = prior.posterior(np.array([[1.0, NAN]]), np.array([[10.0, 0.0]]))

    assert posterior[0, 1] == pytest.approx(0.5 + (10 - 5) / (10 + 10))


def test_many_answers_outweigh_the_prior() -> None:
    prior = Prior(np.array([0.5]), questions=10.0)

    few, many = (prior.posterior(np.array([[0.9]]), np.array([[n]]))[0, 0] for n in (5.0, 1e6))

    assert 0.5 < few < 0.9
    assert many == pytest.approx(0.9, abs=1e-3)


@given(ACCURACIES, COUNTS, st.floats(2, 200))
def test_posterior_lies_in_the_unit_interval(accuracy: np.ndarray, n: np.ndarray, questions: float) -> None:
    posterior = Prior(np.array([0.05, 0.4, 0.6, 0.95]), questions).posterior(accuracy, n)

    assert ((posterior >= 0) & (posterior <= 1)).all()


@given(ACCURACIES, COUNTS)
def test_card_depends_on_its_own_candidate_alone(accuracy: np.ndarray, n: np.ndarray) -> None:
    prior = Prior(np.array([0.2, 0.4, 0.6, 0.8]), 20.0)

    together = prior.posterior(accuracy, n)

    alone = [prior.posterior(accuracy[i : i + 1], n[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(together, alone)


@given(ACCURACIES, COUNTS)
def test_answering_better_never_lowers_a_card(accuracy: np.ndarray, n: np.ndarray) -> None:
    prior = Prior(np.array([0.2, 0.4, 0.6, 0.8]), 20.0)

    better = prior.posterior(np.minimum(accuracy + 0.1, 1), n)

    assert (better >= prior.posterior(accuracy, n) - 1e-9).all()


@pytest.mark.parametrize("level", [0.0, 0.05, 0.1])
def test_missing_the_hardest_task_never_flatters_an_even_candidate(level: float) -> None:
    prior = Prior(np.array([0.9, 0.5, 0.2]), questions=20.0)
    accuracy, n = prior.task_mean[None, :] + level, np.full((1, 3), 20.0)

    whole = prior.posterior(accuracy, n)
    without = prior.posterior(accuracy, n * [1, 1, 0])

    naive = accuracy[:, :2].mean()
    assert (without <= whole + 1e-9).all()
    assert without.mean() <= whole.mean() + 1e-9 < naive


def test_prior_of_a_zoo_that_scatters_no_more_than_chance_is_strong() -> None:
    accuracy = np.tile([0.8, 0.5, 0.2], (4, 1))

    prior = cards.fit_prior(accuracy, np.full((4, 3), 20.0))

    assert prior.questions == 200.0
    np.testing.assert_allclose(prior.task_mean, (accuracy[0] * 80 + 0.5) / 81)


def test_prior_of_a_zoo_of_specialists_is_weak() -> None:
    accuracy = np.array([[1.0, 0.0], [0.0, 1.0]] * 3)

    assert cards.fit_prior(accuracy, np.full((6, 2), 20.0)).questions == 2.0


def test_prior_by_hand() -> None:
    accuracy, n = np.array([[0.7, 0.3], [0.3, 0.7]]), np.full((2, 2), 20.0)

    prior = cards.fit_prior(accuracy, n)

    scatter, noise = 0.2**2, 0.25 / 20
    assert prior.questions == pytest.approx(0.25 / (scatter - noise) - 1)
    np.testing.assert_allclose(prior.task_mean, [0.5, 0.5])


def test_prior_of_a_zoo_that_was_never_asked_is_a_half() -> None:
    prior = cards.fit_prior(np.full((2, 3), NAN), np.zeros((2, 3)))

    np.testing.assert_array_equal(prior.task_mean, [0.5, 0.5, 0.5])


@given(ACCURACIES, COUNTS)
def test_prior_is_worth_between_2_and_200_questions(accuracy: np.ndarray, n: np.ndarray) -> None:
    prior = cards.fit_prior(np.where(n > 0, accuracy, NAN), n)

    assert 2 <= prior.questions <= 200
    assert ((prior.task_mean > 0) & (prior.task_mean < 1)).all()


def test_counts_travel_with_the_card(two_tasks: AptitudeTest, answers: Collection) -> None:
    table, _ = cards.build(two_tasks, answers.scores, ["ada", "idle"])

    rows = {(row["candidate"], row["task"]): row for row in table.to_pylist()}
    assert [(key, row["n"]) for key, row in rows.items()] == [
        (("ada", "sums"), 3),
        (("ada", "words"), 2),
        (("idle", "sums"), 0),
        (("idle", "words"), 0),
    ]
    assert rows["ada", "sums"]["accuracy"] == pytest.approx(2 / 3)
    assert rows["idle", "sums"]["accuracy"] is None
    assert {row["test_version"] for row in rows.values()} == {"apt-1"}


def test_prior_of_an_earlier_zoo_is_used_where_given(two_tasks: AptitudeTest, answers: Collection) -> None:
    prior = Prior(np.array([0.25, 0.75]), 7.0)

    table, used = cards.build(two_tasks, answers.scores, ["idle"], prior)

    assert used is prior
    assert table["shrunken_accuracy"].to_pylist() == [0.25, 0.75]


def test_accuracies_are_read_off_in_any_order(two_tasks: AptitudeTest, answers: Collection) -> None:
    table, _ = cards.build(two_tasks, answers.scores, ["ada", "bob"])

    one = cards.accuracies(table, ["ada", "bob"], ["sums", "words"])
    other = cards.accuracies(table.take([3, 0, 2, 1]), ["bob", "ada"], ["words", "sums"])

    np.testing.assert_array_equal(one, other[::-1, ::-1])
    assert one.dtype == np.float32


def test_text_of_a_card_names_tasks_and_never_the_candidate(two_tasks: AptitudeTest) -> None:
    text = cards.text(two_tasks, np.array([0.5, 0.8333]))

    assert text == (
        'The model achieves accuracy 50.0% on "sums, sums, sums, sums, sums", '
        'accuracy 83.3% on "words, words, words, words, words".'
    )


def test_lead_that_published_scores_promise_is_in_the_card_until_answers_speak() -> None:
    prior = Prior(np.array([0.5, 0.7]), 10.0)

    promised = prior.posterior(np.zeros((1, 2)), np.zeros((1, 2)), np.array([0.1]))
    answered = prior.posterior(np.array([[1.0, 0.0]]), np.array([[10.0, 0.0]]), np.array([0.1]))

    # Ten right of ten at 0.5, and a lead of 0.1 that counts ten questions: (5 + 1) / 20 above the zoo, at most 0.99.
    np.testing.assert_allclose(promised, [[0.6, 0.8]])
    np.testing.assert_allclose(answered, [[(10 + 10 * 0.8) / 20, 0.99]])
