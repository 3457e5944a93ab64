"""Outcomes spread over prompts and candidates; what was not run is NaN and never 0."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data import score_matrix
from modelsat.data.collection import Collection

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

    matrix = score_matrix.matrix(table, ["p", "q"], ["a", "b"])

    np.testing.assert_array_equal(matrix, np.array([[0.0, 1.0], [0.25, NAN]], dtype=np.float32))
    assert matrix.dtype == np.float32


def test_unknown_prompts_and_candidates_are_left_out() -> None:
    table = scores(("a", "p", 1.0), ("stranger", "p", 1.0), ("a", "elsewhere", 1.0))

    np.testing.assert_array_equal(score_matrix.matrix(table, ["p"], ["a"]), [[1.0]])


def test_no_scores_give_an_empty_matrix() -> None:
    matrix = score_matrix.matrix(scores(), ["p", "q"], ["a"])

    assert matrix.shape == (2, 1)
    assert np.isnan(matrix).all()


def test_no_prompts_or_no_candidates_give_a_matrix_without_cells() -> None:
    table = scores(("a", "p", 1.0))

    assert score_matrix.matrix(table, [], ["a"]).shape == (0, 1)
    assert score_matrix.matrix(table, ["p"], []).shape == (1, 0)


@given(st.permutations([(c, p, v / 5) for v, (c, p) in enumerate([("a", "p"), ("a", "q"), ("b", "p"), ("b", "r")])]))
def test_row_order_never_changes_the_matrix(rows: list[tuple[str, str, float]]) -> None:
    matrix = score_matrix.matrix(scores(*rows), ["p", "q", "r"], ["a", "b"])

    expected = np.array([[0.0, 0.4], [0.2, NAN], [NAN, 0.6]], dtype=np.float32)
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize(("missing", "is_core"), [(0, True), (1, True), (2, False)])
def test_core_candidate_was_run_on_95_percent_of_the_rows(missing: int, is_core: bool) -> None:
    column = np.ones((20, 1))
    column[:missing] = NAN

    assert score_matrix.core_candidates(column).tolist() == [is_core]


def test_no_rows_make_nobody_a_core_candidate() -> None:
    assert score_matrix.core_candidates(np.empty((0, 3))).tolist() == [False, False, False]


def test_level_of_a_candidate_that_was_run_on_everything_is_its_mean() -> None:
    table = np.asarray([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]] * 500)

    assert score_matrix.levels(table) == pytest.approx([0.75, 0.25], abs=1e-3)


def test_candidate_that_was_spared_the_hard_prompts_is_not_the_better_for_it() -> None:
    hard = np.repeat([False, True], 500)
    strong, weak = np.where(hard, 0.5, 1.0), np.where(hard, 0.0, 0.5)
    spared = np.where(hard, NAN, weak)

    levels = score_matrix.levels(np.column_stack([strong, weak, spared]))

    assert levels[0] == pytest.approx(0.75, abs=0.01)
    assert levels[2] == pytest.approx(levels[1], abs=0.01)


def test_one_answer_to_every_prompt_tells_who_is_the_better() -> None:
    # As in a gateway's log: ada answered 300 of 400 right, bob 100 of another 400.
    ada, bob = np.repeat([1.0, 0.0], [300, 100]), np.repeat([1.0, 0.0], [100, 300])
    table = np.column_stack([np.append(ada, [NAN] * 400), np.append([NAN] * 400, bob)])

    assert score_matrix.levels(table) == pytest.approx([0.75, 0.25], abs=0.01)


def test_log_beside_a_benchmark_does_not_move_the_levels_that_the_benchmark_tells() -> None:
    # On the benchmark ada answers 3 of 4, bob 1 of 4. The log asks ada what is harder: 4 of 10.
    benchmark = np.tile([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]], (100, 1))
    log = np.column_stack([np.repeat([1.0, 0.0], [160, 240]), np.full(400, NAN)])

    alone, beside = score_matrix.levels(benchmark), score_matrix.levels(np.concatenate([benchmark, log]))

    assert beside[0] - beside[1] == pytest.approx(alone[0] - alone[1], abs=0.02)
    assert alone[0] - alone[1] == pytest.approx(0.5, abs=0.01)


def test_candidate_that_was_never_run_has_the_mean_over_all() -> None:
    assert score_matrix.levels(np.asarray([[1.0, NAN], [0.0, NAN]] * 200))[1] == pytest.approx(0.5, abs=0.01)


@given(st.integers(0, 1000), st.floats(0.0, 0.9))
def test_levels_are_in_their_range_whatever_is_missing(seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 2, (30, 4)).astype(float)
    table[rng.random(table.shape) < missing] = NAN

    levels = score_matrix.levels(table)

    assert ((levels >= 0) & (levels <= 1)).all()


@pytest.mark.real_data
def test_masking_most_of_the_hardest_rows_moves_a_level_by_little(collect_real: Callable[[str], Collection]) -> None:
    found = collect_real("zeroeval")
    names = found.candidates["candidate"].to_pylist()
    table = score_matrix.matrix(found.scores, found.prompts["prompt_id"].to_pylist(), names)
    table = table[:, score_matrix.core_candidates(table)]
    table = table[~np.isnan(table).any(axis=1)]
    benchmark = np.asarray(found.prompts["benchmark"].to_pylist())[: len(table)]
    before, rng = score_matrix.levels(table), np.random.default_rng(0)
    for candidate in range(table.shape[1]):
        hardest = min(set(benchmark), key=lambda name: table[benchmark == name, candidate].mean())
        masked = table.copy()
        rows = np.flatnonzero(benchmark == hardest)
        masked[rng.choice(rows, int(0.7 * len(rows)), replace=False), candidate] = NAN
        assert score_matrix.levels(masked)[candidate] == pytest.approx(before[candidate], abs=0.03)
