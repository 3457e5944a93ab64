"""Every rival finds what is there, survives what is missing, and never sees a label while it routes."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from modelsat import rivals
from modelsat.errors import InputError
from modelsat.rivals import avengers, group_means, inference_dynamics, saverouter
from modelsat.rivals.rival import Labelled, best, contrast, regret, smoothest

TOPICS, WIDTH = 4, 16
WORDS = ("algebra", "poetry", "chemistry", "law")


def labelled(n: int, seed: int, unlabelled: float = 0.0) -> Labelled:
    """Prompts of four topics; candidate k is right on topic k 9 times in 10, on others 3 times in 10."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, TOPICS, n)
    centres = np.random.default_rng(0).normal(size=(TOPICS, WIDTH))
    vectors = centres[topics] + 0.3 * rng.normal(size=(n, WIDTH))
    chance = np.where(np.arange(TOPICS)[None, :] == topics[:, None], 0.9, 0.3)
    outcomes = (rng.random((n, TOPICS)) < chance).astype(np.float32)
    outcomes[rng.random(outcomes.shape) < unlabelled] = np.nan
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    words = np.asarray([f"{WORDS[t]} number {i} of {WORDS[t]}" for i, t in enumerate(topics)], dtype=object)
    tasks = np.asarray([f"topic {t}" for t in topics])
    return Labelled(unit.astype(np.float32), outcomes, tasks, np.ones((n, TOPICS)), words)


TRAIN, VALIDATION, TEST = labelled(400, 1), labelled(100, 2), labelled(300, 3)
every_rival = pytest.mark.parametrize("name", [*rivals.NAMES, rivals.MIXED])


def accuracy(scores: np.ndarray, truth: Labelled) -> float:
    return float(truth.outcomes[np.arange(len(scores)), scores.argmax(axis=1)].mean())


@pytest.fixture(scope="module")
def fitted() -> Callable[[str], np.ndarray]:
    """Return a function that fits a rival once and gives its scores of the test prompts."""
    known: dict[str, np.ndarray] = {}

    def scores(name: str) -> np.ndarray:
        if name not in known:
            known[name] = rivals.named(name)(TRAIN, VALIDATION)(TEST.vectors, TEST.texts)
        return known[name]

    return scores


@every_rival
def test_specialists_get_their_topics(fitted: Callable[[str], np.ndarray], name: str) -> None:
    single = TEST.outcomes.mean(axis=0).max()

    assert accuracy(fitted(name), TEST) > single + 0.25


@every_rival
def test_scores_are_finite_and_one_per_candidate(fitted: Callable[[str], np.ndarray], name: str) -> None:
    scores = fitted(name)

    assert scores.shape == TEST.outcomes.shape
    assert np.isfinite(scores).all()


@every_rival
def test_fitting_again_gives_the_same_scores(fitted: Callable[[str], np.ndarray], name: str) -> None:
    again = rivals.named(name)(TRAIN, VALIDATION)(TEST.vectors, TEST.texts)

    np.testing.assert_allclose(again, fitted(name), atol=1e-6)


@every_rival
def test_missing_outcomes_cost_little(name: str) -> None:
    scores = rivals.named(name)(labelled(400, 1, unlabelled=0.3), labelled(100, 2, unlabelled=0.3))(
        TEST.vectors, TEST.texts
    )

    assert np.isfinite(scores).all()
    assert accuracy(scores, TEST) > TEST.outcomes.mean(axis=0).max() + 0.2


@every_rival
def test_one_task_label_for_all_is_no_error(name: str) -> None:
    alike = [
        Labelled(part.vectors, part.outcomes, np.full(len(part.tasks), "all"), part.cost, part.texts)
        for part in (TRAIN, VALIDATION)
    ]

    assert np.isfinite(rivals.named(name)(*alike)(TEST.vectors, TEST.texts)).all()


def test_unknown_rival_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match="there is no rival 'oracle'; name one of knn, ridge"):
        rivals.named("oracle")


def test_group_means_by_hand() -> None:
    train = Labelled(
        np.zeros((4, 1), np.float32),
        np.asarray([[1, 0], [1, np.nan], [0, 1], [0, np.nan]], np.float32),
        np.zeros(4),
        np.ones((4, 2)),
    )
    groups = np.asarray([0, 0, 1, 1])

    plain = group_means.group_means(train, groups, 3, prior=0.0)

    assert plain[:2].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert plain[2].tolist() == group_means.levels(train.outcomes).tolist()
    shrunk = group_means.group_means(train, groups, 2, prior=2.0)
    level = group_means.levels(train.outcomes)
    assert shrunk[0].tolist() == pytest.approx([(2 + 2 * level[0]) / 4, (0 + 2 * level[1]) / 3])


def test_ranks_of_the_avengers_by_hand() -> None:
    ranks = avengers._ranks(np.asarray([[0.2, 0.9, 0.5]]))
    scorer = avengers._by_rank(np.asarray([[1.0, 0.0]]), ranks, nearest=3, sharpness=6.0, offset=0.1)

    assert ranks.tolist() == [[2, 0, 1]]
    assert scorer(np.asarray([[0.0, 1.0]])).tolist() == [pytest.approx([1 / 2.1, 1 / 0.1, 1 / 1.1])]


def test_weights_of_two_clusters_by_hand() -> None:
    ranks = np.asarray([[0, 1], [1, 0]])
    scorer = avengers._by_rank(np.asarray([[1.0, 0.0], [0.0, 1.0]]), ranks, nearest=2, sharpness=1.0, offset=1.0)

    near = np.exp(-0.0) / (np.exp(-0.0) + np.exp(-1.0))
    assert scorer(np.asarray([[1.0, 0.0]])).tolist() == [pytest.approx([near + (1 - near) / 2, near / 2 + (1 - near)])]


def test_two_way_prior_of_additive_cells_is_exact() -> None:
    group, candidate = np.asarray([[0.1], [-0.1]]), np.asarray([[0.2, 0.0, -0.2]])
    truth = 0.5 + group + candidate
    n = np.full(truth.shape, 1e6)

    assert saverouter.two_way(n, n * truth) == pytest.approx(truth, abs=1e-4)


def test_profile_of_inference_dynamics_by_hand() -> None:
    train = Labelled(
        np.zeros((2, 1), np.float32), np.asarray([[1, 0], [0, 1]], np.float32), np.zeros(2), np.ones((2, 2))
    )
    tags = np.asarray([[0, 1], [1, 0]])

    scorer = inference_dynamics.profile(train, lambda vectors: tags[: len(vectors)], 2, decay=0.5)

    # Rank weights are 2/3 and 1/3; tag 0 is first of prompt 0 and second of prompt 1, each counts as one prompt.
    index = np.asarray([[(2 / 3) / 2, (1 / 3) / 2], [(1 / 3) / 2, (2 / 3) / 2]])
    assert scorer(np.zeros((1, 1))).tolist() == [pytest.approx(2 / 3 * index[0] + 1 / 3 * index[1])]


def test_chosen_setting_learns_from_all_prompts() -> None:
    learned_from = []
    level = VALIDATION.outcomes.mean(axis=0)

    def candidates_at(scale: float, known: Labelled) -> Callable[[np.ndarray], np.ndarray]:
        learned_from.append((scale, len(known.vectors)))
        return lambda vectors: np.tile(scale * level, (len(vectors), 1))

    chosen = best([-9.0, 1.0, 9.0], candidates_at, TRAIN, VALIDATION)

    np.testing.assert_allclose(chosen(TEST.vectors)[0], level)
    assert learned_from == [(-9.0, 400), (1.0, 400), (9.0, 400), (1.0, 500)]


@every_rival
def test_rival_learns_from_validation_prompts_too(name: str) -> None:
    """The specialist of topic 0 is right there on validation prompts only."""
    on_topic = TRAIN.tasks == "topic 0"
    outcomes = TRAIN.outcomes.copy()
    outcomes[on_topic] = 0.3
    without = replace(TRAIN, outcomes=outcomes)
    asked = TEST.take(np.flatnonzero(TEST.tasks == "topic 0"))

    told = rivals.named(name)(without, labelled(1600, 7))(asked.vectors, asked.texts)

    assert np.mean(told.argmax(axis=1) == 0) > 0.8


def test_prompts_without_texts_are_refused_by_rivals_that_read_them() -> None:
    for name in rivals.READ_TEXTS:
        with pytest.raises(InputError, match="without texts"):
            rivals.named(name)(replace(TRAIN, texts=None), VALIDATION)
        with pytest.raises(InputError, match="give it the prompts' texts"):
            rivals.named(name)(TRAIN, VALIDATION)(TEST.vectors)


def test_lexical_rival_needs_neither_vectors_nor_torch(fitted: Callable[[str], np.ndarray]) -> None:
    bare = [replace(part, vectors=np.empty((len(part.tasks), 0), np.float32)) for part in (TRAIN, VALIDATION, TEST)]
    loaded = "import sys; from modelsat import rivals; rivals.named('lexical'); print('torch' in sys.modules)"

    scores = rivals.named("lexical")(*bare[:2])(bare[2].vectors, bare[2].texts)

    np.testing.assert_allclose(scores, fitted("lexical"), atol=1e-6)
    ran = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_smoothest_setting_within_one_standard_error_is_taken() -> None:
    # Excess over the third row: 1 each, without spread; 0.5 and -0.3, of mean 0.1 and standard error 0.4 / sqrt(2).
    losses = np.asarray([[2.0, 2.0], [1.5, 0.7], [1.0, 1.0]])

    assert smoothest(losses) == 1
    assert smoothest(np.asarray([[1.0, 2.0], [1.0, 2.0]])) == 0


def test_losses_by_hand() -> None:
    truth = Labelled(
        np.zeros((2, 1), np.float32), np.asarray([[1, 0], [0, np.nan]], np.float32), np.zeros(2), np.ones((2, 2))
    )

    # Errors of the first prompt are -0.5 and 1.0, of mean 0.25; a single outcome has no difference.
    assert contrast(np.asarray([[0.5, 1.0], [0.2, 0.9]]), truth) == pytest.approx([0.75**2, 0.0])
    # The first is a tie that the better mean decides; of the second only one candidate was run.
    assert regret(np.asarray([[0.4, 0.5], [0.2, 0.9]]), truth) == pytest.approx([1.0, 1.0])
    assert regret(np.asarray([[0.6, 0.5], [0.2, 0.9]]), truth) == pytest.approx([0.0, 1.0])
