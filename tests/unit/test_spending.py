"""The cost of matching the best single candidate, with a weight that was chosen on other prompts."""

from collections.abc import Callable

import numpy as np
import pytest

from modelsat import cross_validation, spending
from modelsat.collection import Collection
from modelsat.cross_validation import Folds

N = 300
TEXTS = [f"Question number {i} that is long enough to stand for itself alone?" for i in range(N)]


def folds_of(make_collection: Callable[..., Collection], scores: np.ndarray, prices: tuple[float | None, ...]) -> Folds:
    return cross_validation.build(make_collection(scores, TEXTS, ("dear", "cheap"), prices=prices))


@pytest.fixture(scope="module")
def easy() -> np.ndarray:
    """Which questions the cheap candidate solves too: two of three."""
    return np.arange(N) % 3 > 0


def test_easy_prompts_go_to_the_cheap_candidate(make_collection: Callable[..., Collection], easy: np.ndarray) -> None:
    folds = folds_of(make_collection, np.column_stack([np.ones(N), easy]), (10.0, 1.0))

    found = spending.cost_to_match(folds, np.column_stack([np.full(N, 0.9), np.where(easy, 0.88, 0.1)]))

    assert found is not None
    assert found.gain.tolist() == [0.0] * N
    assert found.cost.mean() == pytest.approx(found.single_cost.mean() * (1 / 3 + 2 / 3 / 10), rel=1e-3)


def test_router_that_knows_nothing_stays_with_the_best_single(
    make_collection: Callable[..., Collection], easy: np.ndarray
) -> None:
    folds = folds_of(make_collection, np.column_stack([np.ones(N), easy]), (10.0, 1.0))

    found = spending.cost_to_match(folds, np.tile([0.9, 0.6], (N, 1)))

    assert found is not None
    assert found.cost.tolist() == pytest.approx(found.single_cost.tolist())


def test_missing_price_is_the_dearest_and_never_free(
    make_collection: Callable[..., Collection], easy: np.ndarray
) -> None:
    folds = folds_of(make_collection, np.column_stack([np.ones(N), easy]), (10.0, None))

    found = spending.cost_to_match(folds, np.column_stack([np.full(N, 0.9), np.where(easy, 0.89, 0.1)]))

    assert found is not None
    assert found.cost.tolist() == pytest.approx(found.single_cost.tolist())


def test_without_prices_there_is_nothing_to_say(make_collection: Callable[..., Collection], easy: np.ndarray) -> None:
    folds = folds_of(make_collection, np.column_stack([np.ones(N), easy]), (None, None))

    assert spending.cost_to_match(folds, np.ones((N, 2))) is None
