"""Outcomes spread over prompts and candidates; what was not run is NaN and never 0."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat import outcomes

NAN = float("nan")


def scores(*rows: tuple[str, str, float]) -> pa.Table:
    candidates, prompts, values = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "candidate": pa.array(candidates, pa.string()),
            "prompt_id": pa.array(prompts, pa.string()),
            "score": pa.array(values, pa.float64()),
        }
    )


def test_scores_go_to_their_row_and_column() -> None:
    table = scores(("a", "q", 0.25), ("b", "p", 1.0), ("a", "p", 0.0))

    matrix = outcomes.matrix(table, ["p", "q"], ["a", "b"])

    np.testing.assert_array_equal(matrix, np.array([[0.0, 1.0], [0.25, NAN]], dtype=np.float32))
    assert matrix.dtype == np.float32


def test_unknown_prompts_and_candidates_are_left_out() -> None:
    table = scores(("a", "p", 1.0), ("stranger", "p", 1.0), ("a", "elsewhere", 1.0))

    np.testing.assert_array_equal(outcomes.matrix(table, ["p"], ["a"]), [[1.0]])


def test_no_scores_give_an_empty_matrix() -> None:
    matrix = outcomes.matrix(scores(), ["p", "q"], ["a"])

    assert matrix.shape == (2, 1)
    assert np.isnan(matrix).all()


def test_no_prompts_or_no_candidates_give_a_matrix_without_cells() -> None:
    table = scores(("a", "p", 1.0))

    assert outcomes.matrix(table, [], ["a"]).shape == (0, 1)
    assert outcomes.matrix(table, ["p"], []).shape == (1, 0)


@given(st.permutations([(c, p, v / 5) for v, (c, p) in enumerate([("a", "p"), ("a", "q"), ("b", "p"), ("b", "r")])]))
def test_row_order_never_changes_the_matrix(rows: list[tuple[str, str, float]]) -> None:
    matrix = outcomes.matrix(scores(*rows), ["p", "q", "r"], ["a", "b"])

    expected = np.array([[0.0, 0.4], [0.2, NAN], [NAN, 0.6]], dtype=np.float32)
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize(("missing", "is_core"), [(0, True), (1, True), (2, False)])
def test_core_candidate_was_run_on_95_percent_of_the_rows(missing: int, is_core: bool) -> None:
    column = np.ones((20, 1))
    column[:missing] = NAN

    assert outcomes.core_candidates(column).tolist() == [is_core]


def test_no_rows_make_nobody_a_core_candidate() -> None:
    assert outcomes.core_candidates(np.empty((0, 3))).tolist() == [False, False, False]
