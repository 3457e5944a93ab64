"""What a budget is measured against: the same money split along the front of singles, and the relaxation's bound."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from modelsat.studies.spending import Bill

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def batch_budgets() -> Iterator[ModuleType]:
    """Import the module as a script does, and forget it after."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("batch_budgets")
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("usd", "shares"), [(1.0, [1, 0, 0]), (2.5, [0.5, 0.5, 0]), (4.0, [0, 1, 0]), (99.0, [0, 1, 0]), (0.1, [1, 0, 0])]
)
def test_front_spends_just_the_money_and_never_on_who_is_undercut(
    batch_budgets: ModuleType, usd: float, shares: list[float]
) -> None:
    # The last candidate costs more than the second and is worse.
    cost, truth = np.tile([1.0, 4.0, 5.0], (2, 1)), np.tile([0.2, 0.8, 0.7], (2, 1))
    batches = batch_budgets.Batches(SimpleNamespace(arena=SimpleNamespace(truth=truth)), truth, Bill(cost, cost))

    assert batches.front_within(np.ones(2, dtype=bool), usd).tolist() == pytest.approx(shares)


def test_bound_takes_the_fraction_of_a_prompt_that_the_budget_reaches(batch_budgets: ModuleType) -> None:
    success, cost = np.asarray([[0.9, 0.5], [0.6, 0.5]]), np.asarray([[3.0, 1.0], [3.0, 1.0]])

    assert batch_budgets.expected_at_most(success, cost, 3.0) == pytest.approx(1.0 + 0.4 / 2)
