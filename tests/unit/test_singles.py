"""What can be had without reading prompts: the cascade, by hand, and the sentence where reading is worth nothing."""

import numpy as np
import pytest

from modelsat.evaluation import cascade
from modelsat.evaluation.cascade import Cascade
from modelsat.evaluation.singles import PRECISIONS, Singles, _worth
from modelsat.statistics import Interval

OUTCOMES = np.asarray([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
COST = np.tile([0.001, 0.01], (4, 1))


def test_cascade_asks_the_next_one_only_where_the_cheap_one_failed() -> None:
    found = cascade.run(OUTCOMES, COST)

    # Prompts 2 and 3 are asked twice: 4 * 0.001 + 2 * 0.01 over 4 prompts; prompt 3 fails all.
    assert found.accuracy == 0.75
    assert found.cost_usd == pytest.approx(0.006)
    assert found.asked == 1.5


def test_checker_that_errs_passes_wrong_answers_and_sends_right_ones_back() -> None:
    found = cascade.run(OUTCOMES, COST, precision=0.8)

    # Delivered: 0.8 + 0.2 * 1; 0.8 * 1; 0; 0.8 + 0.2 * 0. Asked on: 0.2, 0.8, 0.8 and 0.2 of the prompts.
    assert found.accuracy == pytest.approx((1.0 + 0.8 + 0.0 + 0.8) / 4)
    assert found.asked == pytest.approx(1.5)
    assert found.cost_usd == pytest.approx(0.001 + 0.01 * 0.5)


def test_share_of_a_score_counts_as_right_with_that_probability() -> None:
    found = cascade.run(np.asarray([[0.5, 1.0]]), COST[:1])

    assert found.accuracy == pytest.approx(1.0)
    assert found.asked == pytest.approx(1.5)


def test_worth_of_reading_is_over_the_split_that_costs_as_much() -> None:
    """At 0.0055 USD half of the prompts go to either: 0.5 * 0.5 + 0.5 * 0.5 on average of these outcomes."""
    found = _worth(np.asarray([1.0, 1.0, 0.0, 1.0]), 0.0055, np.asarray([0.001, 0.01]), OUTCOMES)

    assert found.value == pytest.approx(0.25)


def singles(low: float) -> Singles:
    checked = {precision: Cascade(0.75, 0.006, 1.5) for precision in PRECISIONS}
    return Singles(("small", "large"), (0.001, 0.01), (0.5, 0.5), checked, {"router": Interval(0.01, low, 0.02)})


def test_verdict_says_where_reading_is_worth_nothing_and_what_to_do_instead() -> None:
    assert singles(0.001).note() == ""
    assert singles(-0.005).note() == (
        "Reading prompts is worth nothing measurable here: +1.0 points (-0.5 to +2.0) over a random split between "
        "single candidates at the same cost. Take one of the front (small, large), or, where answers can be checked, "
        "ask them in this order until one is right: 75.0 % for 6.000 USD per 1,000 prompts."
    )
