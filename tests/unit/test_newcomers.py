"""What a newcomer adds to peers of its strength, by how much of it is known."""

import numpy as np
import pytest

from modelsat import rivals
from modelsat.rivals.rival import Labelled
from modelsat.studies import newcomers
from modelsat.studies.newcomers import NewcomerPool, Trial


def test_pools_are_the_nearest_within_eight_points() -> None:
    levels = np.asarray([0.50, 0.52, 0.55, 0.57, 0.60, 0.90])

    pools = {pool.newcomer: pool.peers for pool in newcomers.matched_pools(levels)}

    assert pools == {
        0: (1, 2, 3),
        1: (0, 2, 3, 4),
        2: (0, 1, 3, 4),
        3: (0, 1, 2, 4),
        4: (1, 2, 3),
    }


def two_topics(n: int, seed: int) -> Labelled:
    """Three candidates: the first two right on the first topic, the third on the second."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 2, n)
    vectors = np.eye(2, dtype=np.float32)[topic] + 0.05 * rng.normal(size=(n, 2)).astype(np.float32)
    outcomes = np.column_stack([topic == 0, topic == 0, topic == 1]).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    words = np.asarray([f"{('river', 'sum')[t]} number {i}" for i, t in enumerate(topic)], dtype=object)
    return Labelled(unit, outcomes, topic.astype(str), np.ones((n, 3)), words)


TRAIN, VALIDATION, TEST = two_topics(400, 0), two_topics(100, 1), two_topics(200, 2)
POOL = NewcomerPool(2, (0, 1))


def test_unknown_outcomes_are_missing_and_all_others_keep_theirs() -> None:
    known = np.zeros(400, dtype=bool)
    known[:7] = True

    part = newcomers.known_in_part(TRAIN, POOL.newcomer, known)

    assert part.asked.sum(axis=0).tolist() == [400, 400, 7]


def test_draws_are_seeded_and_as_many_as_asked_for() -> None:
    first, again, other = (newcomers.draw(50, 8, seed) for seed in (0, 0, 1))

    assert first.sum() == other.sum() == 8
    assert first.tolist() == again.tolist() != other.tolist()
    assert newcomers.draw(50, 1000, 0).all()


@pytest.mark.parametrize("name", ["knn", "ridge", "saverouter", rivals.MIXED])
def test_specialist_that_is_known_gains_its_topic(name: str) -> None:
    trial = Trial(rivals.named(name), TRAIN, VALIDATION, TEST)

    assert trial.without(POOL).tolist() == TEST.outcomes[:, 0].tolist()
    assert trial.beside(POOL, 400, 0).mean() == pytest.approx(1.0, abs=0.03)


def test_newcomer_like_its_peers_gains_nothing() -> None:
    twin = NewcomerPool(1, (0, 2))

    trial = Trial(rivals.named("ridge"), TRAIN, VALIDATION, TEST)

    assert trial.beside(twin, 400, 0).mean() == pytest.approx(trial.without(twin).mean(), abs=0.02)


def test_mixture_places_a_newcomer_of_few_answers_on_its_surface() -> None:
    """By 64 answers it is known to be right on the second topic, by none it counts as its peers less a margin."""
    trial = Trial(rivals.named(rivals.MIXED), TRAIN, VALIDATION, TEST)

    assert trial.beside(POOL, 64, 0).mean() > trial.without(POOL).mean() + 0.3
    assert trial.beside(POOL, 0, 0).tolist() == trial.without(POOL).tolist()
