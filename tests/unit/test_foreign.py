"""How foreign a prompt is: held-out prompts are familiar, prompts no nearer than chance are foreign."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.routers.fusion import foreign, surface
from modelsat.routers.fusion.foreign import ForeignScale

WIDTH = 96
Topics = Callable[..., np.ndarray]


def topical(topics: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return unit vectors of n prompts, each near one of the topics, (n, 1, width)."""
    rng = np.random.default_rng(seed)
    vectors = topics[rng.integers(0, len(topics), n)] + rng.normal(0, 0.1, (n, topics.shape[1]))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)[:, None]


def directions(n: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(n, WIDTH))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def scale_of(vectors: np.ndarray) -> ForeignScale:
    scores = np.random.default_rng(0).integers(0, 2, (len(vectors), 3)).astype(float)
    return foreign.scale(surface.fit(vectors, scores, ["kind"] * len(vectors)))


@pytest.fixture(scope="module")
def known() -> np.ndarray:
    return directions(20, seed=1)


@pytest.fixture(scope="module")
def trained(known: np.ndarray) -> ForeignScale:
    return scale_of(topical(known, 600, seed=2))


def test_held_out_prompts_of_the_training_topics_are_familiar(trained: ForeignScale, known: np.ndarray) -> None:
    told = trained(topical(known, 400, seed=3))

    assert (told < 0.1).mean() > 0.85
    assert (told >= 0.5).mean() < 0.03


def test_prompts_that_mean_nothing_are_foreign(trained: ForeignScale) -> None:
    assert np.median(trained(directions(200, seed=4)[:, None])) == 1.0


def test_topic_between_the_known_and_nothing_lies_between(trained: ForeignScale, known: np.ndarray) -> None:
    nothing = directions(200, seed=5)
    shares = [trained((share * known[np.arange(200) % 20] + nothing)[:, None]).mean() for share in (0.0, 0.4, 0.8, 3.0)]

    assert shares == sorted(shares, reverse=True)
    assert 0.05 < shares[2] < 0.95


def test_only_the_last_layer_is_compared(known: np.ndarray) -> None:
    last = topical(known, 300, seed=6)
    early = topical(directions(5, seed=7), 300, seed=8)
    both = scale_of(np.concatenate([early, last], axis=1))

    asked = topical(known, 50, seed=9)

    np.testing.assert_allclose(
        both(np.concatenate([directions(50, seed=10)[:, None], asked], axis=1)), scale_of(last)(asked), atol=1e-4
    )


def test_scale_is_linear_between_chance_and_familiar() -> None:
    by_hand = ForeignScale(np.zeros(2, dtype=np.float32), np.array([[1.0, 0.0]], dtype=np.float32), 0.2, 0.6)
    cosines = np.array([0.1, 0.2, 0.3, 0.6, 0.9])

    told = by_hand(np.column_stack([cosines, np.sqrt(1 - cosines**2)])[:, None])

    np.testing.assert_allclose(told, [1.0, 1.0, 0.75, 0.0, 0.0], atol=1e-6)


@given(n=st.integers(1, 40), seed=st.integers(0, 99))
def test_few_or_structureless_training_prompts_still_give_a_scale(n: int, seed: int) -> None:
    told = scale_of(directions(n, seed)[:, None].astype(np.float32))

    assert told.chance < told.familiar
    asked = told(directions(5, seed + 1)[:, None])
    assert ((asked >= 0) & (asked <= 1)).all()


def test_same_surface_gives_the_same_scale(known: np.ndarray) -> None:
    vectors = topical(known, 200, seed=11)

    first, second = scale_of(vectors), scale_of(vectors)

    assert (first.chance, first.familiar) == (second.chance, second.familiar)
