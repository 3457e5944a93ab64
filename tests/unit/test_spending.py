"""The cost of matching the best single candidate, with a weight or a split that was chosen on other prompts."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from modelsat.data.collection import Collection
from modelsat.studies import cross_validation, spending
from modelsat.studies.cross_validation import Folds
from modelsat.studies.spending import Bill

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


def test_short_of_the_best_single_more_goes_to_the_cheap_candidate(
    make_collection: Callable[..., Collection], easy: np.ndarray
) -> None:
    folds = folds_of(make_collection, np.column_stack([np.ones(N), easy]), (10.0, 1.0))
    scores = np.column_stack([np.full(N, 0.9), np.where(easy, 0.88, 0.1)])

    found = spending.cost_to_match(folds, scores, short=0.5)

    assert found is not None
    # A third fails at the cheap candidate, which is within the half that may be missed.
    assert found.gain.mean() == pytest.approx(-1 / 3)
    assert found.cost.mean() == pytest.approx(found.single_cost.mean() / 10)


def test_front_of_singles_is_the_best_single_where_it_has_to_be_matched(
    make_collection: Callable[..., Collection], easy: np.ndarray
) -> None:
    folds = folds_of(make_collection, np.column_stack([np.ones(N), easy]), (10.0, 1.0))
    costs = np.tile([10.0, 1.0], (N, 1))

    found = spending.front_to_match(folds, Bill(costs, costs))

    assert found.cost.tolist() == pytest.approx([10.0] * N)
    assert found.gain.tolist() == pytest.approx([0.0] * N)


def test_front_of_singles_splits_at_random_where_less_is_enough(
    make_collection: Callable[..., Collection], easy: np.ndarray
) -> None:
    folds = folds_of(make_collection, np.column_stack([np.ones(N), easy]), (10.0, 1.0))
    costs = np.tile([10.0, 1.0], (N, 1))

    found = spending.front_to_match(folds, Bill(costs, 2 * costs), short=1 / 6)

    # About half of the prompts go to the cheap candidate, which fails on a third of them; folds differ a little.
    assert found.gain.mean() == pytest.approx(-1 / 6, abs=0.01)
    assert found.cost.mean() == pytest.approx(5.5, abs=0.3)
    assert found.realised.tolist() == pytest.approx((2 * found.cost).tolist())
    assert found.single_realised.tolist() == [20.0] * N


def test_router_decides_by_expected_costs_and_pays_realised_ones(
    make_collection: Callable[..., Collection], easy: np.ndarray
) -> None:
    folds = folds_of(make_collection, np.column_stack([np.ones(N), easy]), (10.0, 1.0))
    bill = Bill(np.tile([10.0, 1.0], (N, 1)), np.tile([4.0, 7.0], (N, 1)))

    found = spending.cost_to_match(folds, np.column_stack([np.full(N, 0.9), np.where(easy, 0.88, 0.1)]), bill)

    assert found is not None
    assert found.cost.tolist() == np.where(easy, 1.0, 10.0).tolist()
    assert found.realised.tolist() == np.where(easy, 7.0, 4.0).tolist()


def test_missing_price_is_billed_as_the_dearest_of_its_prompt() -> None:
    expected = np.asarray([[1.0, np.nan, 3.0], [2.0, np.nan, 1.0]])

    bill = spending.billed(expected, 2 * expected)

    assert bill is not None
    assert bill.expected.tolist() == [[1, 3, 3], [2, 2, 1]]
    assert bill.realised.tolist() == [[2, 6, 6], [4, 4, 2]]


def test_bill_has_the_logged_length_where_there_is_one(make_collection: Callable[..., Collection]) -> None:
    collection = make_collection(np.ones((N, 2)), TEXTS, ("a", "b"), prices=(10.0, 1.0))
    tokens = [None if row["prompt_id"] == "p0007" else 100 + 100 * (i % 2) for i, row in enumerate(rows(collection))]
    scores = collection.scores.set_column(
        collection.scores.schema.get_field_index("tokens_out"), "tokens_out", pa.array(tokens, pa.int32())
    )
    collection = replace(collection, scores=scores)
    folds = cross_validation.build(collection)

    bill = spending.bill_of(collection, folds, np.ones((N, 1), dtype=np.float32))

    assert bill is not None
    tokens_in = len(TEXTS[7]) / 4
    at = folds.arena.prompt_ids.index("p0007")
    np.testing.assert_allclose(bill.realised[0], [(len(TEXTS[0]) / 4 + 100) * 1e-5, (len(TEXTS[0]) / 4 + 200) * 1e-6])
    np.testing.assert_allclose(bill.realised[at], bill.expected[at])
    np.testing.assert_allclose(bill.expected[at], [(tokens_in + 100) * 1e-5, (tokens_in + 200) * 1e-6], rtol=0.02)


def rows(collection: Collection) -> list[dict[str, object]]:
    return collection.scores.to_pylist()
