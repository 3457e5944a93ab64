"""Expected costs by hand: a token is four characters, prices are USD per million, missing stays missing."""

import numpy as np
import pyarrow as pa
import pytest

from modelsat.data import contracts
from modelsat.policy import costs


def candidates(**prices: tuple[float | None, float | None]) -> pa.Table:
    return contracts.from_rows(
        [{"candidate": name, "price_in": pair[0], "price_out": pair[1]} for name, pair in prices.items()],
        contracts.CANDIDATES,
    )


def logged(*rows: tuple[str, int | None]) -> pa.Table:
    names, tokens = zip(*rows, strict=True) if rows else ((), ())
    return pa.table({"candidate": pa.array(names, pa.string()), "tokens_out": pa.array(tokens, pa.int32())})


def test_cost_is_input_and_output_tokens_times_their_prices() -> None:
    cost = costs.expected(["x" * 400, "x" * 40], candidates(a=(2.0, 10.0)), {"a": 50.0})

    np.testing.assert_allclose(cost, [[(100 * 2 + 50 * 10) / 1e6], [(10 * 2 + 50 * 10) / 1e6]])


def test_lengths_may_differ_by_prompt() -> None:
    cost = costs.expected(["x" * 400, "x" * 40], candidates(a=(2.0, 10.0), b=(1.0, 1.0)), np.asarray([[50, 7], [5, 0]]))

    np.testing.assert_allclose(cost, [[700e-6, 107e-6], [70e-6, 10e-6]])


def test_unknown_length_is_an_unknown_cost_and_missing_price_stays_missing() -> None:
    cost = costs.expected(["", ""], candidates(a=(1.0, 1.0), b=(1.0, None)), np.asarray([[np.nan, 7], [5, 7]]))

    np.testing.assert_allclose(cost, [[np.nan, np.nan], [5e-6, np.nan]])


@pytest.mark.parametrize("pair", [(None, 1.0), (1.0, None), (None, None)])
def test_missing_price_is_an_unknown_cost(pair: tuple[float | None, float | None]) -> None:
    cost = costs.expected(["text"], candidates(a=(1.0, 1.0), b=pair), {})

    assert np.isnan(cost).tolist() == [[False, True]]


def test_free_candidate_costs_nothing() -> None:
    assert costs.expected(["text"], candidates(a=(0.0, 0.0)), {}).tolist() == [[0.0]]


def test_answer_of_unknown_length_is_a_paragraph() -> None:
    np.testing.assert_allclose(costs.expected([""], candidates(a=(1.0, 1.0)), {}), [[200 / 1e6]])


def test_no_prompts_have_no_costs() -> None:
    assert costs.expected([], candidates(a=(1.0, 1.0)), {}).shape == (0, 1)


def test_answer_length_is_the_mean_of_what_was_logged() -> None:
    assert costs.mean_tokens_out(logged(("a", 100), ("a", 300), ("a", None)), ["a"]) == {"a": 200.0}


def test_candidate_without_logged_answers_gets_the_mean_of_the_others() -> None:
    scores = logged(("a", 100), ("b", 300), ("c", None))

    assert costs.mean_tokens_out(scores, ["a", "b", "c", "d"]) == {"a": 100.0, "b": 300.0, "c": 200.0, "d": 200.0}


@pytest.mark.parametrize("scores", [logged(), logged(("a", None))])
def test_without_any_logged_answer_a_paragraph_is_assumed(scores: pa.Table) -> None:
    assert costs.mean_tokens_out(scores, ["a"]) == {"a": 200.0}
