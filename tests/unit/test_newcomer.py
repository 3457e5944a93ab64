"""A newcomer takes its place by its answers: cautiously with few of them, as it deserves with many."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.routers.fusion import level as levels
from modelsat.routers.fusion import newcomer, surface
from modelsat.routers.fusion.newcomer import NewcomerAnswers
from modelsat.routers.fusion.surface import Surface

FEATURES = 5
RATES = np.array([[0.9, 0.1, 0.6], [0.1, 0.9, 0.6]])
"""How often two specialists and a generalist are right on prompts of either kind, (kinds, candidates)."""
TwoKinds = Callable[..., tuple[np.ndarray, np.ndarray]]


def zoo(means: list[float], loadings: np.ndarray | None = None) -> Surface:
    """Return a surface of candidates with these means and loadings (m, r); by default nothing else is known of them."""
    loadings = np.empty((len(means), 0)) if loadings is None else np.asarray(loadings)
    r = loadings.shape[1]
    blank = surface.fit(np.eye(4), np.zeros((4, 1)), ["kind"] * 4)
    return replace(
        blank,
        means=np.array(means),
        doubt=np.zeros(len(means)),
        loadings=loadings,
        weights=np.zeros((FEATURES, r)),
        intercept=np.zeros(r),
        zoo=len(means),
    )


def told(found: Surface, scores: list[float], zoo: np.ndarray | None = None) -> NewcomerAnswers:
    """Return answers to questions on which the zoo scored these (q, m), by default what it scores everywhere."""
    q = len(scores)
    zoo = np.tile(found.means[: found.zoo], (q, 1)) if zoo is None else zoo
    return NewcomerAnswers(np.array(scores, dtype=float), zoo, np.zeros((q, FEATURES)))


def answered(found: Surface, vectors: np.ndarray, scores: np.ndarray) -> NewcomerAnswers:
    return NewcomerAnswers(scores, found.expected(vectors), found.features(vectors))


def read(found: Surface, vectors: np.ndarray) -> np.ndarray:
    return found.success_probability(found.directions(vectors))


def level(found: Surface) -> float:
    return float(found.means[-1])


@pytest.fixture(scope="module")
def planted(two_kinds: TwoKinds) -> Surface:
    """Two specialists and a generalist."""
    vectors, kind = two_kinds(240)
    return surface.fit(vectors, (np.random.default_rng(1).random((240, 3)) < RATES[kind]).astype(float), kind)


@pytest.fixture(scope="module")
def level_headed(two_kinds: TwoKinds) -> Surface:
    """Three candidates that are as good on one kind as on the other."""
    vectors, kind = two_kinds(240)
    return surface.fit(vectors, (np.random.default_rng(1).random((240, 3)) < [0.3, 0.5, 0.6]).astype(float), kind)


def test_newcomer_that_answered_nothing_is_expected_amid_the_zoo_and_counted_on_a_standard_deviation_less() -> None:
    found = zoo([0.4, 0.6])
    placed = newcomer.place(found, told(found, []))

    # The variance among the two is 0.01, that of any level in [0, 1] is 1/12.
    assert level(placed) == pytest.approx(0.5)
    assert placed.doubt == pytest.approx([0, 0, np.sqrt(0.01 + 1 / 12)])


@given(
    means=st.lists(st.floats(0.1, 0.9), min_size=1, max_size=6),
    directions=hnp.arrays(np.float64, (4, 2), elements=st.floats(-1, 1)),
    seed=st.integers(0, 99),
)
def test_newcomer_that_answered_nothing_is_never_chosen(means: list[float], directions: np.ndarray, seed: int) -> None:
    loadings = np.random.default_rng(seed).normal(size=(len(means), 2)) * 0.05

    found = zoo(means, loadings)
    placed = newcomer.place(found, told(found, []))

    assured = placed.success_probability(directions) - placed.doubt
    assert (assured[:, -1] < assured[:, :-1].max(axis=1) + 1e-6).all()


def test_newcomers_with_the_same_answers_get_the_same_level_however_many_came_before() -> None:
    placed = zoo([0.4, 0.6])
    for _ in range(5):
        placed = newcomer.place(placed, told(placed, [1.0, 0.0]))

    np.testing.assert_allclose(placed.means[3:], placed.means[2], atol=1e-6)


def test_doubt_is_a_standard_deviation_of_what_is_unknown_of_the_level() -> None:
    found = zoo([0.4, 0.6])
    answers = told(found, [1.0, 0.5])

    mean, variance = levels.read(found.means, answers.zoo, answers.scores)

    placed = newcomer.place(found, answers)
    assert level(placed) == pytest.approx(mean)
    assert placed.doubt[-1] == pytest.approx(np.sqrt(variance))


def test_doubt_shrinks_with_every_answer() -> None:
    found = zoo([0.4, 0.6])
    shrinking = [float(newcomer.place(found, told(found, [1.0, 0.0] * n)).doubt[-1]) for n in (0, 1, 8, 64, 512)]

    assert shrinking == sorted(shrinking, reverse=True)
    assert shrinking[-1] < 0.02


def test_level_of_a_strong_newcomer_rises_towards_what_it_scored() -> None:
    found = zoo([0.4, 0.6])
    rising = [
        level(newcomer.place(found, told(found, [1.0, 1.0, 1.0, 0.6] * (n // 4)))) for n in (4, 16, 64, 1024, 16384)
    ]

    assert rising == sorted(rising)
    assert 0.88 < rising[-1] < 0.9


def test_hard_questions_are_no_weakness(planted: Surface) -> None:
    # Everybody fails half of the questions, the newcomer with them: it is as good as the zoo.
    zoo_there = np.tile([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]], (50, 1))
    scores = [0.55, 0.0] * 100

    placed = newcomer.place(planted, told(planted, scores, zoo_there))

    assert zoo_there.mean() < 0.35
    assert level(placed) == pytest.approx(planted.means.mean(), abs=0.12)


def test_newcomer_stronger_than_all_known_is_the_best_single_after_enough_answers(planted: Surface) -> None:
    few, many = (told(planted, ([1.0] * 19 + [0.0]) * n) for n in (0, 40))

    assert level(newcomer.place(planted, few)) < planted.means.max()
    assert 0.9 < level(newcomer.place(planted, many)) < 0.95


def test_lucky_handful_of_answers_does_not_overtake_the_best() -> None:
    found = zoo([0.4, 0.5, 0.9])

    assert level(newcomer.place(found, told(found, [1.0, 1.0, 1.0]))) < 0.9


def test_strength_that_somebody_has_is_found_by_few_answers(planted: Surface, two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(30, seed=3)
    unseen, its_kind = two_kinds(100, seed=4)

    placed = newcomer.place(planted, answered(planted, vectors, 1.0 - kind))

    probability = read(placed, unseen)[:, -1]
    assert probability[its_kind == 0].mean() > 0.7
    assert probability[its_kind == 1].mean() < 0.3


def test_strength_that_nobody_has_needs_many_answers(level_headed: Surface, two_kinds: TwoKinds) -> None:
    vectors, kind = two_kinds(newcomer._OWN_DIRECTION_ANSWERS, seed=3)
    unseen, its_kind = two_kinds(100, seed=4)

    placed = newcomer.place(level_headed, answered(level_headed, vectors, kind.astype(float)))
    early = newcomer.place(level_headed, answered(level_headed, vectors[1:], kind[1:].astype(float)))

    wins = read(placed, unseen).argmax(axis=1) == 3
    assert wins[its_kind == 1].all()
    assert not wins[its_kind == 0].any()
    assert not (read(early, unseen).argmax(axis=1) == 3).any()


def test_newcomer_with_nothing_of_its_own_gets_no_direction(level_headed: Surface, two_kinds: TwoKinds) -> None:
    vectors, _ = two_kinds(300, seed=3)

    placed = newcomer.place(level_headed, answered(level_headed, vectors, np.ones(300)))

    assert placed.loadings.shape == (4, level_headed.loadings.shape[1])


@pytest.mark.parametrize("n", [0, 20, 300])
def test_columns_of_those_who_were_there_do_not_change(planted: Surface, two_kinds: TwoKinds, n: int) -> None:
    vectors, kind = two_kinds(300, seed=3)
    unseen, _ = two_kinds(50, seed=4)
    scores = np.random.default_rng(5).random(300) < np.where(kind, 0.9, 0.8)

    placed = newcomer.place(planted, answered(planted, vectors[:n], scores[:n].astype(float)))

    assert read(placed, unseen).shape == (50, 4)
    np.testing.assert_allclose(read(placed, unseen)[:, :3], read(planted, unseen), atol=1e-6)


@given(st.randoms(use_true_random=False))
def test_order_of_answers_does_not_matter(planted: Surface, two_kinds: TwoKinds, random: object) -> None:
    vectors, kind = two_kinds(220, seed=3)
    order = np.random.default_rng(random.randrange(2**32)).permutation(220)
    unseen, _ = two_kinds(20, seed=4)
    answers = answered(planted, vectors, kind.astype(float))

    one = newcomer.place(planted, answers)
    other = newcomer.place(planted, NewcomerAnswers(answers.scores[order], answers.zoo[order], answers.features[order]))

    np.testing.assert_allclose(read(other, unseen), read(one, unseen), atol=1e-5)


@given(
    scores=hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats(0, 1)),
    means=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_level_is_a_mean_score_whatever_was_answered(scores: np.ndarray, means: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)

    found = zoo(means, rng.normal(size=(len(means), 3)))
    placed = newcomer.place(found, told(found, scores.tolist(), rng.random((len(scores), len(means)))))

    assert 0 <= level(placed) <= 1
    assert np.isfinite(placed.loadings).all()


def test_level_is_read_off_the_fair_sample_and_the_profile_off_all() -> None:
    """Of sixteen fair answers half are right; as many more were chosen and are all wrong."""
    found = zoo([0.4, 0.6])
    scores, peers = np.array([1.0, 0.0] * 8 + [0.0] * 16), np.tile(found.means, (32, 1))
    fair = np.arange(32) < 16

    chosen_as_well, alone, all_of_them = (
        newcomer.believe(found, scores, peers, fair),
        newcomer.believe(found, scores[:16], peers[:16]),
        newcomer.believe(found, scores, peers),
    )

    assert chosen_as_well.mean[0] == alone.mean[0] == pytest.approx(0.5)
    assert all_of_them.mean[0] < 0.4


def test_few_fair_answers_beside_hundreds_of_others_do_not_stand_for_the_level() -> None:
    """Sixteen of 49 are less than a third; of 48 they are a third."""
    found = zoo([0.4, 0.6])
    scores, peers = np.append(np.ones(16), np.zeros(33)), np.tile(found.means, (49, 1))

    few, third = (newcomer.believe(found, scores[:n], peers[:n], np.arange(n) < 16) for n in (49, 48))

    assert few.mean[0] == newcomer.believe(found, scores, peers).mean[0]
    assert third.mean[0] == newcomer.believe(found, scores[:16], peers[:16]).mean[0]


def test_fewer_than_sixteen_answers_of_a_fair_sample_do_not_stand_for_the_level() -> None:
    found = zoo([0.4, 0.6])
    scores, peers = np.ones(24), np.tile(found.means, (24, 1))

    few = newcomer.believe(found, scores, peers, np.arange(24) < 15)

    assert few.mean[0] == newcomer.believe(found, scores, peers).mean[0]
