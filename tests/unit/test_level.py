"""A newcomer's level is read off what the zoo scored on the same questions."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data.collection import Collection
from modelsat.data.score_matrix import core_candidates, matrix
from modelsat.routers.fusion import level

ZOO = np.array([0.4, 0.6])


def same_everywhere(q: int) -> np.ndarray:
    """Return scores of a zoo that scores on q questions what it scores everywhere."""
    return np.tile(ZOO, (q, 1))


def test_without_answers_the_level_may_lie_anywhere_around_the_zoo() -> None:
    assert level.read(ZOO, same_everywhere(0), np.empty(0)) == (pytest.approx(0.5), pytest.approx(0.01 + 1 / 12))


def test_answers_weigh_against_the_zoo_by_their_noise() -> None:
    mean, variance = level.read(ZOO, same_everywhere(25), np.ones(25))

    # The line has slope 1 and no distances; binomial variance 0.25 / 25 = 0.01, counted for two candidates and for the
    # zoo's own middle: 0.01 * 2 / 2 * (1 + 1 / 2) = 0.015. Precision 75 / 7 + 1 / 0.015.
    precision = 75 / 7 + 1 / 0.015
    assert variance == pytest.approx(1 / precision)
    assert mean == pytest.approx(0.5 + 0.5 / 0.015 / precision)


def test_score_on_harder_questions_is_read_off_the_zoos_line() -> None:
    # On these questions the zoo scores 0.3 less, and half as much lies between its candidates.
    zoo = np.tile([0.15, 0.25], (100_000, 1))

    mean, _ = level.read(ZOO, zoo, np.full(100_000, 0.3))

    assert mean == pytest.approx(0.7, abs=0.005)


def test_questions_on_which_the_better_one_failed_do_not_turn_the_line_over() -> None:
    upside_down = np.tile([1.0, 0.0], (50, 1))

    weak, strong = (level.read(ZOO, upside_down, np.full(50, score))[0] for score in (0.2, 0.8))

    assert weak < strong


@given(q=st.integers(1, 200), seed=st.integers(0, 999), m=st.integers(1, 6))
def test_more_answers_leave_less_unknown_and_more_successes_mean_more(q: int, seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    levels, zoo = rng.random(m), (rng.random((q, m)) < 0.5).astype(float)
    scores = (rng.random(q) < 0.5).astype(float)

    mean, variance = level.read(levels, zoo, scores)
    better, same = level.read(levels, zoo, np.minimum(scores + 0.1, 1.0))

    assert 0 < variance < level.prior(levels)[1]
    assert variance == same
    assert better > mean or scores.all()


def test_variance_is_at_least_that_of_sampling_the_answers() -> None:
    """Expected scores lie on the line; 0.25 / 64 is what sampling 64 answers to questions of ease 0.5 leaves open."""
    many = np.tile(np.linspace(0.4, 0.6, 40), (64, 1))

    _, variance = level.read(many[0], many, np.full(64, 0.5))

    prior = level.prior(many[0])[1]
    assert variance == pytest.approx(1 / (1 / prior + 1 / (0.25 / 64)))


@pytest.mark.parametrize("observed", [True, False], ids=["observed zoo", "expected zoo"])
@pytest.mark.parametrize("n", [16, 64, 250])
def test_level_of_each_real_candidate_left_out_is_read_without_bias(
    collect_real: Callable[[str], Collection], n: int, observed: bool
) -> None:
    """From `n` answers to random questions of zeroeval, ten draws for each of 23 candidates left out in turn.

    Where the zoo was not run on the questions, its levels stand for what is expected there. Nine in ten intervals of
    90 % hold the truth, and no fewer where nothing is known of the questions.
    """
    found = collect_real("zeroeval")
    names = found.candidates["candidate"].to_pylist()
    scores = matrix(found.scores, found.prompts["prompt_id"].to_pylist(), names)
    scores = scores[:, core_candidates(scores)].astype(np.float64)
    rng, errors, deviations = np.random.default_rng(0), [], []
    for newcomer in range(scores.shape[1]):
        others = np.arange(scores.shape[1]) != newcomer
        levels = scores[:, others].mean(axis=0)
        for _ in range(10):
            rows = rng.permutation(len(scores))[:n]
            zoo = scores[np.ix_(rows, others)] if observed else np.tile(levels, (n, 1))
            mean, variance = level.read(levels, zoo, scores[rows, newcomer])
            errors.append(mean - scores[:, newcomer].mean())
            deviations.append(np.sqrt(variance))

    error, deviation = np.asarray(errors), np.asarray(deviations)
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(len(error))
    assert np.mean(np.abs(error) < 1.645 * deviation) > 0.85
    assert deviation.mean() < 1.6 * error.std()
