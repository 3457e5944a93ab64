"""How flat a surface gets far from its training prompts is what leaving whole kinds out has told."""

import numpy as np
import pytest

from modelsat.routers.fusion import carried, surface

NAN = float("nan")
GENERALIST, EVEN, ODD = range(3)
KINDS = np.repeat(["sums", "integrals", "rhymes", "sonnets"], 60)
IS_FIRST = np.isin(KINDS, ["sums", "rhymes"])


def prompts(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of two subjects with two kinds each, and on which side of a seam that all kinds share they lie."""
    rng = np.random.default_rng(seed)
    side = rng.random(len(KINDS)) < 0.5
    places = np.zeros((len(KINDS), 8))
    places[:, 0] = np.isin(KINDS, ["sums", "integrals"])
    places[:, 1] = 1 - places[:, 0]
    places[:, 2] = np.where(IS_FIRST, 0.4, -0.4)
    places[:, 3] = np.where(side, 0.5, -0.5)
    places += 0.1 * rng.normal(size=places.shape)
    return (places / np.linalg.norm(places, axis=1, keepdims=True))[:, None].astype(np.float32), side


def scores(is_even: np.ndarray) -> np.ndarray:
    """A generalist is right on seven prompts of ten, two specialists on all or none."""
    right = np.random.default_rng(1).random(len(is_even)) < 0.7
    return np.column_stack([right, is_even, ~is_even]).astype(float)


def test_what_holds_on_every_kind_left_out_is_kept_far_away() -> None:
    vectors, side = prompts()

    assert carried.flattest(vectors, None, scores(side), KINDS) == 1.0


def test_where_a_kind_is_the_opposite_of_its_neighbour_far_prompts_get_the_best_single_candidate() -> None:
    vectors, _ = prompts()

    assert carried.flattest(vectors, None, scores(IS_FIRST), KINDS) == 0.0


def test_categories_of_one_benchmark_are_left_out_and_of_several_whole_benchmarks() -> None:
    vectors, _ = prompts()
    opposite = scores(IS_FIRST)

    assert carried.flattest(vectors, None, opposite, np.char.add("one/", KINDS)) == 0.0
    # Each benchmark holds both kinds of a subject, and what divides them is the same in both subjects.
    subjects = np.where(vectors[:, 0, 0] > 0.5, "numbers/", "words/")
    assert carried.flattest(vectors, None, opposite, np.char.add(subjects, KINDS)) > 0.5


def test_with_one_kind_there_is_nothing_to_leave_out() -> None:
    vectors, side = prompts()

    assert carried.flattest(vectors, None, scores(side), np.full(len(KINDS), "sums")) == surface.FLATTEST


def test_a_choice_gains_over_the_best_single_candidate_among_those_that_were_run() -> None:
    told = np.array([[0.5, 0.9, 0.1], [0.9, 0.5, 0.1], [0.2, 0.9, 0.4], [0.3, 0.2, 0.1]])
    levels = np.array([0.7, 0.6, 0.5])
    truth = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [1.0, NAN, 0.25], [NAN, NAN, NAN]])

    gain = carried.over_best_single(told, levels, truth)

    # The second candidate beats the first; the first is the best; the third loses 0.75 to it; nobody was run.
    np.testing.assert_allclose(gain, [1.0, 0.0, -0.75, 0.0])


def test_a_gain_is_sure_by_its_mean_less_a_standard_error_over_kinds() -> None:
    gain, kinds = np.array([0.1, 0.1, 0.3, 0.3]), np.array(["a", "a", "b", "b"])

    # Mean 0.2; the kinds lie 0.2 in sum below and above it: sqrt((0.04 + 0.04) * 2 / 1) / 4 = 0.1.
    assert carried.surely(gain, kinds) == pytest.approx(0.1)
    # As four kinds: sqrt(4 * 0.01 * 4 / 3) / 4 = 0.0577.
    assert carried.surely(gain, np.arange(4)) == pytest.approx(0.2 - 0.0577, abs=1e-4)
