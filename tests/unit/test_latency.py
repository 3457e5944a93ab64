"""Expected latencies by hand: an overhead and a time per token, and none where nothing was logged."""

import numpy as np
import pytest

from modelsat import latency


def expected(tokens: float, logged_tokens: list[float], logged_seconds: list[float]) -> float:
    columns = (np.asarray(values, dtype=float)[:, None] for values in (logged_tokens, logged_seconds))
    return float(latency.expected(np.asarray([[tokens]]), *columns)[0, 0])


def test_answer_takes_an_overhead_and_a_time_per_token() -> None:
    assert expected(500, [100, 300], [2, 4]) == pytest.approx(1 + 500 * 0.01)


def test_answers_that_lack_one_of_both_do_not_count() -> None:
    assert expected(500, [100, 300, np.nan, 900], [2, 4, 80, np.nan]) == pytest.approx(6)


@pytest.mark.parametrize(("tokens", "seconds"), [([], []), ([100], [np.nan]), ([np.nan], [3])])
def test_without_a_log_no_latency_is_invented(tokens: list[float], seconds: list[float]) -> None:
    assert np.isnan(expected(100, tokens, seconds))


def test_answers_of_one_length_say_nothing_about_others() -> None:
    assert expected(900, [100, 100], [2, 4]) == 3


def test_longer_answers_are_never_faster() -> None:
    assert expected(1000, [100, 300], [4, 2]) == 3


def test_no_overhead_is_below_zero() -> None:
    # The line through (100, 1) and (200, 3) starts at -1; the steepest one allowed goes from 0 through the mean.
    assert expected(0, [100, 200], [1, 3]) == pytest.approx(0)
    assert expected(150, [100, 200], [1, 3]) == pytest.approx(2)
