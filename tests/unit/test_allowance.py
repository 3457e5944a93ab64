"""One budget for the tests of several releases: nobody waits for what a single test might cost at worst."""

import pytest

from modelsat.onboarding.asking import Plan
from modelsat.onboarding.asking.bill import Estimate
from modelsat.onboarding.releases.allowance import shares


def plan(usd: float | None, most: float | None, questions: int = 10, spent: float = 0.0) -> Plan:
    return Plan(questions, 0, Estimate(1000, 2000, usd, most), spent)


def test_test_that_may_become_dear_keeps_no_other_waiting() -> None:
    divided = shares(1.0, [plan(0.4, 3.3), plan(0.05, 0.2), plan(0.05, 0.2)])

    assert [one.waits for one in divided] == ["", "", ""]
    # 0.4 + 0.33 and twice 0.05 + 0.02; the 0.13 that are left over go to the first.
    assert [one.usd for one in divided] == [pytest.approx(0.86), pytest.approx(0.07), pytest.approx(0.07)]


def test_shares_never_exceed_the_budget_nor_what_a_test_can_cost() -> None:
    divided = shares(10.0, [plan(0.4, 3.3), plan(0.05, 0.2)])

    assert [one.usd for one in divided] == [pytest.approx(3.3), pytest.approx(0.2)]
    assert sum(one.usd for one in shares(0.45, [plan(0.4, 3.3), plan(0.05, 0.2)])) == pytest.approx(0.45)


def test_test_whose_expected_cost_is_not_left_waits_and_a_cheaper_one_behind_it_begins() -> None:
    dear, cheap = shares(0.3, [plan(0.4, 3.3), plan(0.05, 0.2)])

    assert dear.waits == "its test costs about 0.4000 USD, and 0.3000 USD of the budget are left for it"
    assert cheap.usd == pytest.approx(0.2)


def test_what_is_not_asked_costs_nothing_and_what_has_no_price_waits() -> None:
    known, unpriced, resumed = shares(0.3, [None, plan(None, None), plan(0.05, 0.2, spent=0.1)])

    assert (known.usd, known.waits) == (0.0, "")
    assert unpriced.waits.startswith("a budget needs prices")
    # The budget of a test counts the answers of before.
    assert resumed.usd == pytest.approx(0.3)
