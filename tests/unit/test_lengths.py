"""Answer lengths are expected from logged ones by hand-made prompts of two kinds, long and short."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from modelsat.data.collection import Collection
from modelsat.rivals.rival import Labelled
from modelsat.studies import cross_validation, lengths

N = 400
KIND = np.arange(N) % 2
VECTORS = np.eye(2, dtype=np.float32)[KIND]


def labelled(*columns: object) -> Labelled:
    """Return prompts of alternating kinds; each column holds the tokens of one candidate."""
    tokens = np.column_stack([np.broadcast_to(np.asarray(column, dtype=np.float32), N) for column in columns])
    return Labelled(VECTORS, tokens, np.asarray(["task"] * N), np.full(tokens.shape, np.nan))


def expected(fit: Callable[[Labelled, Labelled], Callable[[np.ndarray], np.ndarray]], logged: Labelled) -> np.ndarray:
    """Return what is expected of one prompt of each kind."""
    rows = np.arange(N)
    train, validation = logged.take(rows[rows % 8 < 6]), logged.take(rows[rows % 8 >= 6])
    return fit(train, validation)(np.eye(2, dtype=np.float32))


def test_long_answers_are_expected_where_the_prompts_are_of_that_kind() -> None:
    found = expected(lengths.fit, labelled(np.where(KIND, 400, 100)))

    np.testing.assert_allclose(found, [[100], [400]], rtol=0.01)


def test_costs_need_the_mean_and_not_the_middle() -> None:
    logged = labelled(np.where(np.arange(N) % 4 < 2, 100, 400))

    np.testing.assert_allclose(expected(lengths.middle, logged), np.sqrt(101 * 401) - 1, rtol=1e-5)
    np.testing.assert_allclose(expected(lengths.fit, logged), 250, rtol=1e-5)


def test_candidate_without_logs_is_as_long_as_the_others_prompt_by_prompt() -> None:
    found = expected(lengths.fit, labelled(np.where(KIND, 400, 100), np.where(KIND, 200, 100), np.nan))

    np.testing.assert_allclose(found[:, 2], [100, 300], rtol=0.01)


def test_one_logged_answer_is_not_believed_outright() -> None:
    found = expected(lengths.fit, labelled(100, np.where(np.arange(N) == 7, 10_000, np.nan)))

    assert ((found[:, 1] > 110) & (found[:, 1] < 8_000)).all()


def test_many_logged_answers_are() -> None:
    found = expected(lengths.fit, labelled(100, np.where(np.arange(N) < 300, 10_000, np.nan)))

    np.testing.assert_allclose(found[:, 1], 10_000, rtol=0.05)


def test_no_answer_is_expected_to_be_longer_than_the_longest_in_the_middle() -> None:
    found = expected(lengths.middle, labelled(np.where(KIND, 400, 100)))

    assert found.max() <= 400 * (1 + 1e-5)


@pytest.mark.parametrize("tokens", [0.0, np.nan])
def test_empty_answers_and_no_answers_are_no_fault(tokens: float) -> None:
    assert expected(lengths.fit, labelled(tokens)).tolist() == [[0.0 if tokens == 0 else 200.0]] * 2


def test_what_was_logged_is_found_by_prompt_and_candidate() -> None:
    scores = pa.table(
        {
            "candidate": ["a", "a", "b"],
            "prompt_id": ["p", "q", "q"],
            "score": [1.0, 1.0, 1.0],
            "tokens_out": pa.array([10, None, 30], pa.int32()),
            "latency_seconds": pa.array([0.5, None, None], pa.float64()),
        }
    )

    np.testing.assert_array_equal(lengths.logged(scores, ["q", "p"], ["a", "b"]), [[np.nan, 30], [10, np.nan]])
    np.testing.assert_array_equal(lengths.logged(scores, ["p"], ["a", "b"], "latency_seconds"), [[0.5, np.nan]])


def test_length_of_a_prompt_is_expected_without_its_fold(make_collection: Callable[..., Collection]) -> None:
    texts = [f"Question number {i} that is long enough to stand for itself alone?" for i in range(N)]
    folds = cross_validation.build(make_collection(np.ones((N, 2)), texts, ("a", "b")))
    tokens = np.full((N, 2), 100.0, dtype=np.float32)
    longer = np.where((folds.fold == 0)[:, None], 5000, tokens).astype(np.float32)

    before, after = (lengths.held_out(folds, VECTORS, logged) for logged in (tokens, longer))

    np.testing.assert_allclose(after[folds.fold == 0], before[folds.fold == 0])
    assert (after[folds.fold != 0] > 101).all()
