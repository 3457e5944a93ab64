"""What a turn of a conversation costs where it stays and where it switches, worked by hand."""

import numpy as np
import pytest

from modelsat.policy import switching
from modelsat.policy.preferences import CHEAPEST, Preferences

LARGE, SMALL = 0, 1
PRICE_IN, CACHED, UNKNOWN = np.array([3.0, 1.0]), np.array([0.3, np.nan]), np.array([np.nan, np.nan])
# 200 tokens in and 300 out: 200 * 3 + 300 * 15 and 200 * 1 + 300 * 4 USD per million.
ALONE = np.array([0.0051, 0.0014])
HISTORY = 20_000.0


def turn(cached_at_large: float, cached_prices: np.ndarray = CACHED) -> np.ndarray:
    return switching.turn_costs(ALONE, HISTORY, np.array([cached_at_large, 0.0]), PRICE_IN, cached_prices)


def test_history_costs_the_cached_price_where_it_is_cached_and_the_full_price_elsewhere() -> None:
    # 0.0051 + 20,000 * 0.3 / 1e6 and 0.0014 + 20,000 * 1 / 1e6.
    assert turn(HISTORY) == pytest.approx([0.0111, 0.0214])
    # 0.0051 + (15,000 * 3 + 5,000 * 0.3) / 1e6.
    assert turn(5_000.0)[LARGE] == pytest.approx(0.0516)


def test_without_a_cached_price_the_whole_history_costs_the_full_price() -> None:
    assert turn(HISTORY, UNKNOWN) == pytest.approx([0.0651, 0.0214])


def test_history_at_an_unknown_price_has_no_known_cost() -> None:
    costs = switching.turn_costs(ALONE, HISTORY, np.zeros(2), np.array([3.0, np.nan]), CACHED)

    assert costs[LARGE] == pytest.approx(0.0651)
    assert np.isnan(costs[SMALL])


@pytest.mark.parametrize(
    ("costs", "stays"),
    [
        # The question alone: 0.80 - 0.2 = 0.60 against 0.78 - 0.2 * 0.0014 / 0.0051 = 0.725.
        (ALONE, False),
        # The whole turn: 0.80 - 0.2 * 0.0111 / 0.0214 = 0.696 against 0.78 - 0.2 = 0.58.
        (turn(HISTORY), True),
        # The cache has gone: 0.80 - 0.2 = 0.60 against 0.78 - 0.2 * 0.0214 / 0.0651 = 0.714.
        (turn(0.0), False),
    ],
)
def test_cached_history_keeps_a_conversation_that_list_prices_would_move(costs: np.ndarray, stays: bool) -> None:
    probabilities = np.array([0.80, 0.78])

    assert switching.stays(probabilities, costs, LARGE, SMALL, Preferences(cost_weight=0.2), 0.05) is stays


def test_without_a_cost_weight_a_better_candidate_takes_the_conversation_whatever_it_costs() -> None:
    probabilities = np.array([0.70, 0.80])

    assert not switching.stays(probabilities, turn(HISTORY), LARGE, SMALL, Preferences(cost_weight=0.0), 0.05)


@pytest.mark.parametrize(("costs", "stays"), [(turn(HISTORY), True), (ALONE, False), (np.array([np.nan, 0.1]), False)])
def test_cheapest_means_the_cheapest_turn(costs: np.ndarray, stays: bool) -> None:
    wanted = Preferences(policy=CHEAPEST)

    assert switching.stays(np.array([0.80, 0.78]), costs, LARGE, SMALL, wanted, 0.05) is stays
