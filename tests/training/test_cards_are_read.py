"""A candidate is what its card says: not its name, not its place, not its company."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.aptitude.instructions import Instructions
from modelsat.bundle import bundle
from modelsat.bundle.bundle import Bundle
from modelsat.routers.model_sat.router import ModelSat
from modelsat.routers.profile import Profile

TEXTS = ["What is 12 + 30?", "Spell the word harbour.", "Which planet is the largest? " * 9, "", "Yes?"]


@pytest.fixture(scope="module")
def router(make_router: Callable[..., ModelSat]) -> ModelSat:
    return make_router()


@pytest.fixture(scope="module")
def scores(router: ModelSat) -> np.ndarray:
    return router.success_probability(TEXTS)


def rescored(router: ModelSat, accuracies: np.ndarray, names: tuple[str, ...] | None = None) -> np.ndarray:
    return router.with_cards(names or router.candidates, accuracies).success_probability(TEXTS)


def test_candidates_with_other_cards_get_other_scores(scores: np.ndarray) -> None:
    assert scores.shape == (5, 12)
    assert ((scores > 0) & (scores < 1)).all()
    assert all(len(np.unique(row)) == 12 for row in scores)


@given(pair=st.tuples(st.integers(0, 11), st.integers(0, 11)))
def test_swapping_two_cards_swaps_the_scores_to_the_bit(
    router: ModelSat, scores: np.ndarray, pair: tuple[int, int]
) -> None:
    order = list(range(12))
    order[pair[0]], order[pair[1]] = pair[1], pair[0]

    swapped = rescored(router, router.accuracies[order])

    np.testing.assert_array_equal(swapped, scores[:, order])


def test_names_change_nothing(router: ModelSat, scores: np.ndarray) -> None:
    renamed = rescored(router, router.accuracies, tuple(f"gpt-{11 - i}" for i in range(12)))

    np.testing.assert_array_equal(renamed, scores)


@given(order=st.permutations(range(12)))
def test_reordering_candidates_reorders_the_scores_to_the_bit(
    router: ModelSat, scores: np.ndarray, order: list[int]
) -> None:
    reordered = rescored(router, router.accuracies[order], tuple(router.candidates[i] for i in order))

    np.testing.assert_array_equal(reordered, scores[:, order])


def test_candidates_with_one_card_get_one_score_and_leave_the_others_alone(
    router: ModelSat, scores: np.ndarray
) -> None:
    doubled = router.admit(Profile(("twin",), router.accuracies[3:4], np.full(1, np.nan)))

    seen = doubled.success_probability(TEXTS)

    assert doubled.candidates == (*router.candidates, "twin")
    np.testing.assert_array_equal(seen, scores[:, [*range(12), 3]])


def test_newcomer_leaves_the_scores_of_the_others(router: ModelSat, scores: np.ndarray) -> None:
    newcomer = router.accuracies[:1] * 0.5 + 0.1

    seen = router.admit(Profile(("newcomer",), newcomer, np.full(1, np.nan))).success_probability(TEXTS)

    np.testing.assert_allclose(seen[:, :12], scores, atol=1e-6)
    assert not np.isclose(seen[:, 12:], scores, atol=1e-6).any()


def test_a_hundred_candidates_are_scored_as_a_dozen(router: ModelSat, scores: np.ndarray) -> None:
    others = np.random.default_rng(0).uniform(0.1, 0.9, (100, router.accuracies.shape[1])).astype(np.float32)
    names = tuple(f"other {i}" for i in range(100))

    seen = rescored(router, np.concatenate([others, router.accuracies]), (*names, *router.candidates))

    np.testing.assert_allclose(seen[:, 100:], scores, atol=1e-6)


def test_card_with_its_own_mean_on_every_line_is_read_differently(router: ModelSat, scores: np.ndarray) -> None:
    flat = np.broadcast_to(router.accuracies.mean(axis=1, keepdims=True), router.accuracies.shape)

    seen = rescored(router, flat)

    assert (np.abs(seen - scores).max(axis=0) > 1e-3).all()


def test_prompts_are_scored_alone_as_in_company(router: ModelSat, scores: np.ndarray) -> None:
    alone = np.concatenate([router.success_probability([text]) for text in TEXTS])

    np.testing.assert_allclose(alone, scores, atol=1e-6)
    assert router.success_probability([]).shape == (0, 12)


def test_of_a_long_prompt_beginning_and_end_are_read(router: ModelSat) -> None:
    def prompt(beginning: str, middle: str, end: str) -> str:
        return f"{beginning} " + "a " * 60 + f"{middle} " + "b " * 60 + end

    one, other, begun, ended = router.success_probability(
        [prompt("what", "c", "why"), prompt("what", "d", "why"), prompt("when", "c", "why"), prompt("what", "c", "who")]
    )

    np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.abs(one - begun).max() > 1e-6
    assert np.abs(one - ended).max() > 1e-6


def test_long_prompts_are_said_to_be_truncated(router: ModelSat) -> None:
    assert router.truncated(["a " * 62, "a " * 63]).tolist() == [False, True]


@pytest.mark.parametrize("soft_tokens", [1, 3])
def test_router_from_a_bundle_scores_as_the_one_that_was_written(
    make_router: Callable[..., ModelSat], instructions: Instructions, tmp_path: Path, soft_tokens: int
) -> None:
    router = make_router(soft_tokens=soft_tokens)

    Bundle(router, instructions.candidates, instructions.aptitude_test, instructions.cards).write(tmp_path / "bundle")
    read = bundle.read(tmp_path / "bundle")

    assert read.router.candidates == router.candidates
    np.testing.assert_array_equal(read.router.success_probability(TEXTS), router.success_probability(TEXTS))
    np.testing.assert_array_equal(read.router.truncated(["a " * 63]), [True])


def test_bundle_holds_the_language_model_in_half_the_bytes(
    make_router: Callable[..., ModelSat], instructions: Instructions, backbone: Path, tmp_path: Path
) -> None:
    router = make_router(rounded=False)

    Bundle(router, instructions.candidates, instructions.aptitude_test, instructions.cards).write(tmp_path / "bundle")
    read = bundle.read(tmp_path / "bundle").router.success_probability(TEXTS)

    weights = tmp_path / "bundle" / "encoder" / "model.safetensors"
    assert weights.stat().st_size < 0.6 * (backbone / "model.safetensors").stat().st_size
    np.testing.assert_allclose(read, router.success_probability(TEXTS), atol=0.05)
