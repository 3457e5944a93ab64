"""The outcome surface finds what was planted, and nothing where nothing is."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.routers.fusion import surface
from modelsat.routers.fusion.surface import Surface

NAN = float("nan")
RATES = np.array([[0.9, 0.1, 0.6], [0.1, 0.9, 0.6]])
"""How often two specialists and a generalist are right on prompts of either kind, (kinds, candidates)."""
OUTCOMES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 5)),
    elements=st.sampled_from([0.0, 0.25, 1.0, NAN]),
)
TwoKinds = Callable[..., tuple[np.ndarray, np.ndarray]]


def answered(kind: np.ndarray, rates: np.ndarray = RATES, seed: int = 1) -> np.ndarray:
    """Draw right and wrong answers of candidates to prompts of these kinds."""
    chances = rates[kind]
    return (np.random.default_rng(seed).random(chances.shape) < chances).astype(float)


def read(found: Surface, vectors: np.ndarray) -> np.ndarray:
    return found.success_probability(found.directions(vectors))


def right_choices(found: Surface, vectors: np.ndarray, kind: np.ndarray) -> float:
    """Return how often the specialist of the prompt's kind is the most promising."""
    return float((read(found, vectors).argmax(axis=1) == kind).mean())


@pytest.fixture(scope="module")
def planted(two_kinds: TwoKinds) -> Surface:
    vectors, kind = two_kinds(240)
    return surface.fit(vectors, answered(kind), kind)


def test_specialist_wins_the_prompts_of_its_kind(planted: Surface, two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(200, seed=2)

    told = read(planted, vectors)

    assert right_choices(planted, vectors, kind) > 0.97
    for i in (0, 1):
        np.testing.assert_allclose(told[kind == i].mean(axis=0), RATES[i], atol=0.1)


def test_one_layer_of_several_may_hold_what_matters(two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240, layers=3)

    found = surface.fit(vectors, answered(kind), kind)

    assert found.centre.shape == (3, 8)
    assert right_choices(found, *two_kinds(200, seed=2, layers=3)) > 0.97


def test_layer_that_says_the_same_again_changes_nothing(planted: Surface, two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240)
    unseen, _ = two_kinds(20, seed=2)

    twice = surface.fit(np.repeat(vectors, 2, axis=1), answered(kind), kind)

    np.testing.assert_allclose(read(twice, np.repeat(unseen, 2, axis=1)), read(planted, unseen), atol=1e-3)


def test_vectors_of_a_single_layer_need_no_axis_for_it(planted: Surface, two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240)

    found = surface.fit(vectors[:, 0], answered(kind), kind)

    np.testing.assert_array_equal(read(found, vectors[:, 0]), read(planted, vectors))


def test_shared_difficulty_is_told_of_everybody(two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240)
    easy_and_hard = np.array([[0.9, 0.8, 0.7], [0.3, 0.2, 0.1]])

    told = read(surface.fit(vectors, answered(kind, easy_and_hard), kind), vectors)

    for i in (0, 1):
        np.testing.assert_allclose(told[kind == i].mean(axis=0), easy_and_hard[i], atol=0.1)


def test_small_difference_that_vectors_tell_is_kept_and_a_large_one_that_they_do_not_is_not(
    two_kinds: TwoKinds,
) -> None:
    vectors, kind = two_kinds(240)
    luck = np.random.default_rng(1).choice([-0.4, 0.4], (240, 1))
    small = np.where(kind[:, None] == 0, [0.05, -0.05], [-0.05, 0.05])

    found = surface.fit(vectors, 0.5 + luck + small, kind)

    np.testing.assert_allclose(np.abs(found.loadings[:, 0]), np.sqrt(0.5), atol=0.02)
    assert np.prod(found.loadings[:, 0]) < 0
    assert right_choices(found, *two_kinds(200, seed=2)) > 0.97


def test_of_noise_hardly_a_direction_is_kept_and_the_best_single_is_chosen(two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240)
    levels = np.tile([0.4, 0.5, 0.5, 0.5, 0.5, 0.8], (2, 1))

    found = [surface.fit(vectors, answered(kind, levels, seed), kind) for seed in range(10)]

    assert np.mean([len(one.intercept) for one in found]) < 1
    for one in found:
        told = read(one, vectors)
        assert np.abs(told - one.means).mean() < 0.05
        assert (told.argmax(axis=1) == 5).all()


def test_same_prompts_give_the_same_surface(planted: Surface, two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240)

    again = surface.fit(vectors, answered(kind), kind)

    for field in fields(Surface):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(planted, field.name))


def test_candidate_that_was_spared_the_hard_half_is_not_the_better_for_it(two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(400)
    ease = np.random.default_rng(2).random((400, 1))
    scores = (np.random.default_rng(3).random((400, 4)) < 0.1 + 0.8 * ease + [0.1, 0.0, -0.1, 0.05]).astype(float)
    spared = scores.copy()
    spared[ease[:, 0] < 0.5, 1] = NAN

    found = surface.fit(vectors, spared, kind)

    assert np.nanmean(spared[:, 1]) > scores[:, 1].mean() + 0.1
    assert found.means[1] == pytest.approx(scores[:, 1].mean(), abs=0.05)
    np.testing.assert_allclose(found.means[[0, 2, 3]], scores[:, [0, 2, 3]].mean(axis=0), rtol=1e-6)


def test_specialist_that_was_run_on_half_of_the_prompts_is_still_found(two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240)
    scores = answered(kind)
    scores[::2, 0] = NAN

    assert right_choices(surface.fit(vectors, scores, kind), *two_kinds(200, seed=2)) > 0.9


def test_prompts_of_one_kind_are_still_told_apart_by_their_vectors(two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240)

    found = surface.fit(vectors, answered(kind), ["everything"] * 240)

    assert found.kind_weights.shape == (240, 1)
    np.testing.assert_array_equal(found.features(vectors)[:, -1], 1.0)
    assert right_choices(found, *two_kinds(200, seed=2)) > 0.97


def test_kinds_are_guessed_from_vectors_and_never_asked_for(planted: Surface, two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(200, seed=2)

    guessed = planted.features(vectors)[:, -2:]

    np.testing.assert_allclose(guessed.sum(axis=1), 1.0, rtol=1e-5)
    assert (guessed.argmax(axis=1) == kind).mean() > 0.99


def test_landmarks_are_a_sample_of_many_prompts(two_kinds: TwoKinds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "LANDMARKS", 30)
    vectors, kind = two_kinds(240)

    found, again = (surface.fit(vectors, answered(kind), kind) for _ in range(2))

    assert found.landmarks.shape == (30, 8)
    np.testing.assert_array_equal(again.landmarks, found.landmarks)
    assert right_choices(found, *two_kinds(200, seed=2)) > 0.97


def test_single_candidate_has_a_surface_too(two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(240)

    told = read(surface.fit(vectors, answered(kind)[:, :1], kind), vectors)

    assert told.shape == (240, 1)
    np.testing.assert_allclose([told[kind == i].mean() for i in (0, 1)], [0.9, 0.1], atol=0.1)


def test_single_prompt_leaves_everybody_its_score(two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(1)

    found = surface.fit(vectors, np.array([[0.25, 0.75]]), kind)

    np.testing.assert_allclose(read(found, two_kinds(3, seed=2)[0]), [[0.25, 0.75]] * 3)


@given(st.permutations(range(3)))
def test_order_of_candidates_orders_the_columns(planted: Surface, two_kinds: TwoKinds, order: list[int]) -> None:
    vectors, kind = two_kinds(240)

    other = surface.fit(vectors, answered(kind)[:, order], kind)

    unseen, _ = two_kinds(20, seed=2)
    np.testing.assert_allclose(read(other, unseen), read(planted, unseen)[:, order], atol=1e-4)


@given(outcomes=OUTCOMES, seed=st.integers(0, 99))
def test_probabilities_are_never_certain_and_never_missing(
    two_kinds: TwoKinds, outcomes: np.ndarray, seed: int
) -> None:
    vectors, kind = two_kinds(len(outcomes), seed)
    found = surface.fit(vectors, outcomes, kind)

    for told in (read(found, two_kinds(4, seed + 1)[0]), found.success_probability(found.observed(outcomes))):
        assert told.shape[1] == outcomes.shape[1]
        assert ((told >= 0.01 - 1e-6) & (told <= 0.99 + 1e-6)).all()


def test_no_prompt_has_no_probability(planted: Surface) -> None:
    assert read(planted, np.empty((0, 1, 8), dtype=np.float32)).shape == (0, 3)


def test_far_away_candidates_differ_half_as_much(planted: Surface) -> None:
    elsewhere = np.eye(8, dtype=np.float32)[None, [7]]
    steep = replace(planted, familiar=np.array([-2.0, -1.0]))

    np.testing.assert_allclose(planted.directions(elsewhere), surface.FLATTEST * steep.directions(elsewhere), rtol=1e-5)


def test_surface_flattens_between_its_two_ends(planted: Surface) -> None:
    found = replace(
        planted,
        centre=np.zeros((1, 2)),
        landmarks=np.array([[1.0, 0.0]]),
        weights=np.zeros((1 + planted.kind_weights.shape[1], 1)),
        kind_weights=np.zeros((1, planted.kind_weights.shape[1])),
        intercept=np.ones(1),
        familiar=np.array([0.2, 0.6]),
    )
    cosines = np.array([0.1, 0.2, 0.3, 0.6, 0.9])

    told = found.directions(np.column_stack([cosines, np.sqrt(1 - cosines**2)]))

    np.testing.assert_allclose(told[:, 0], [0.5, 0.5, 0.625, 1.0, 1.0], atol=1e-6)


def test_candidates_are_their_means_plus_how_far_the_prompt_goes_along_their_loadings(planted: Surface) -> None:
    found = replace(planted, means=np.array([0.5, 0.75]), loadings=np.array([[0.5, 0.0], [-0.25, 1.0]]))

    np.testing.assert_allclose(found.success_probability(np.array([[0.4, 0.1], [2.0, 9.0]])), [[0.7, 0.75], [0.99] * 2])


def test_prompt_that_everybody_answered_lies_where_their_scores_project_it(planted: Surface) -> None:
    found = replace(planted, means=np.array([0.5, 0.75]), loadings=np.array([[0.6, 0.8], [-0.8, 0.6]]))
    scores = np.array([[1.0, 0.0], [0.5, 0.75]])

    directions = found.observed(scores)

    np.testing.assert_allclose(directions, [[0.5 * 0.6 + 0.75 * 0.8, 0.5 * 0.8 - 0.75 * 0.6], [0.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(found.success_probability(directions), np.clip(scores, 0.01, 0.99))


def test_prompt_that_some_answered_lies_where_the_others_are_expected_to_answer_alike(planted: Surface) -> None:
    found = replace(planted, means=np.array([0.5, 0.5]), loadings=np.array([[1.0], [1.0]]))

    right, wrong, all_right, all_wrong = found.observed(np.array([[1.0, NAN], [0.0, NAN], [1.0, 1.0], [0.0, 0.0]]))

    assert all_wrong < wrong < 0 < right < all_right
