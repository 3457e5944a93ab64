"""The default of a router and what it promises: the least cost at which nothing more than the margin is surely lost."""

from dataclasses import replace

import numpy as np
import pytest

from modelsat.errors import InputError
from modelsat.policy import choice, preferences, promise
from modelsat.policy.preferences import AUTO, BEST, CHEAP, CHEAPEST, SINGLE, UTILITY, Preferences
from modelsat.policy.promise import Promise

NAMES = ("cheap", "dear")
MEANS = np.asarray([0.6, 0.8])
COST = np.asarray([0.001, 0.01])
PROMISED = Promise("dear", 0.2, 0.003, 0.95, 0.004, 0.001, 0.4, 1000)


def settled(p: np.ndarray, y: np.ndarray, cost: np.ndarray = COST, **options: object) -> Promise | None:
    return promise.settle(
        p.astype(np.float32), y.astype(np.float32), np.tile(cost, (len(p), 1)), MEANS, NAMES, **options
    )


def easy_and_hard(n: int, hard: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and outcomes: both answer easy prompts, `dear` alone answers hard ones, and it is known."""
    is_hard = np.arange(n) < hard * n
    outcomes = np.column_stack([~is_hard, np.ones(n)]).astype(float)
    return np.where(outcomes > 0, 0.95, 0.05), outcomes


def test_default_gives_easy_prompts_to_the_cheap_candidate_and_promises_the_cost_that_is_left() -> None:
    found = settled(*easy_and_hard(1000))

    # Half of the prompts at 0.001 and half at 0.01 USD are 0.0055 USD, 55 % of 0.01; nothing is lost.
    assert found is not None
    assert found.best_single == "dear"
    assert found.cost_weight == pytest.approx(0.002)
    assert found.cost_share == pytest.approx(0.55)
    assert (found.gain, found.low) == (0.0, 0.0)
    assert found.prompts == 1000


def test_loss_that_cannot_be_excluded_leaves_the_best_single_candidate() -> None:
    """60 prompts of which the cheap candidate may miss one: a loss of 1.7 points, or of none, is within the noise."""
    p, y = easy_and_hard(60)
    y[59, 0] = 0.0

    found = settled(p, y)

    assert found is not None
    assert found.cost_weight is None
    assert (found.cost_share, found.gain) == (1.0, 0.0)
    assert "the best single candidate, dear, answers" in found.sentence()


def test_wider_margin_lets_the_same_loss_pass() -> None:
    p, y = easy_and_hard(60)
    y[59, 0] = 0.0

    found = settled(p, y, margin=0.06)

    # One of 60 prompts is lost: 1.67 points.
    assert found is not None
    assert found.cost_weight is not None
    assert found.gain == pytest.approx(-1 / 60)


def test_bound_holds_for_all_weights_together_and_is_wider_than_for_one() -> None:
    rng = np.random.default_rng(0)
    gains = rng.normal(0.0, 1.0, (400, 20))

    low = promise._lower_bounds(gains, 0.95, 0)

    # A single bound lies 1.645 standard errors of 0.05 below the mean; one of 20 independent ones has to lie 2.8 below.
    below = (gains.mean(axis=0) - low) / (gains.std(axis=0) / 20)
    assert (below > 2.4).all()
    assert (below < 3.3).all()


def test_best_single_that_is_the_cheapest_is_the_default() -> None:
    p, y = easy_and_hard(1000)

    found = settled(p, y, cost=COST[::-1])

    assert found is not None
    assert found.cost_weight is None


NO_COST = [np.asarray([np.nan, np.nan]), np.asarray([0.0, 0.0])]


@pytest.mark.parametrize("cost", NO_COST)
def test_nothing_is_promised_where_no_cost_is_known_and_no_gain_is_sure(cost: np.ndarray) -> None:
    assert settled(*easy_and_hard(1000), cost=cost) is None


def specialists(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and outcomes: `dear` solves the first 6 of 10, `cheap` the other 4, and it is known."""
    is_dears = np.arange(n) % 10 < 6
    outcomes = np.column_stack([~is_dears, is_dears]).astype(float)
    return np.where(outcomes > 0, 0.95, 0.05), outcomes


def test_at_equal_cost_a_sure_gain_is_taken_and_told() -> None:
    """Choosing for each prompt is right on all, `dear` on 6 of 10: 40 points, with a standard deviation of 0.49."""
    found = settled(*specialists(1000), cost=np.asarray([0.01, 0.01]))

    assert found is not None
    assert (found.cost_weight, found.cost_share) == (0.0, 1.0)
    assert found.gain == pytest.approx(0.4)
    # One weight alone would lie 1.645 standard errors of 0.0155 below; all are the same choice here.
    assert found.low == pytest.approx(0.4 - 1.645 * 0.0155, abs=0.004)
    assert found.sentence() == (
        "By default (auto) answers cost as much as those of the best single candidate, dear, and gain: +40.0 points on "
        f"1,000 prompts, at least {100 * found.low:+.1f} with 95 % confidence."
    )


@pytest.mark.parametrize("cost", NO_COST)
def test_sure_gain_is_promised_where_no_cost_is_known(cost: np.ndarray) -> None:
    found = settled(*specialists(1000), cost=cost)

    assert found is not None
    assert (found.cost_weight, found.cost_share, found.priced) == (0.0, 1.0, False)
    assert found.sentence().startswith(
        "By default (auto) the most probable candidate answers, as no price is known: against the best single "
        "candidate, dear, +40.0 points"
    )


def test_of_weights_that_cost_the_same_the_surest_gain_is_taken() -> None:
    """`cheap` is as good on 990 of 1,000 prompts at a tenth of the cost, and misses ten where it saves a hundredth.

    From a weight of 0.05 / 0.9 on it gets the 990: 10.90 % of the cost, nothing lost. From 0.005 / 0.01 on it gets the
    ten as well: 10.89 %, a point lost, which a margin of two points would allow.
    """
    p, y, cost = np.tile([0.9, 0.95], (1000, 1)), np.ones((1000, 2)), np.tile(COST, (1000, 1))
    p[:10], y[:10, 0], cost[:10, 0] = (0.895, 0.9), 0.0, 0.0099

    found = promise.settle(p.astype(np.float32), y.astype(np.float32), cost, MEANS, NAMES, margin=0.02)

    assert found is not None
    assert (found.gain, found.low) == (0.0, 0.0)
    assert found.cost_share == pytest.approx(0.109)


def test_a_gain_within_the_noise_is_no_reason_to_leave_the_best_single_candidate_at_its_cost() -> None:
    """Of 60 prompts one is gained, none lost: a bound of exactly 0 is no gain."""
    p, y = np.full((60, 2), 0.9), np.ones((60, 2))
    p[:, 0], p[0], y[0] = 0.5, (0.9, 0.1), (1.0, 0.0)

    found = settled(p, y, cost=np.asarray([0.01, 0.01]))

    assert found is not None
    assert found.cost_weight is None


def test_costs_that_differ_by_less_than_half_a_percent_are_equal() -> None:
    """`cheap` costs 0.4 % more, and answers 4 of 10 prompts: 100.16 % of the cost, 40 points gained."""
    found = settled(*specialists(1000), cost=np.asarray([0.01004, 0.01]))

    assert found is not None
    assert found.cost_weight == 0.0
    assert found.cost_share == pytest.approx(1.0016)
    assert settled(*specialists(1000), cost=np.asarray([0.0103, 0.01])).cost_weight is None  # type: ignore[union-attr]


def test_forty_nine_prompts_promise_nothing() -> None:
    assert settled(*easy_and_hard(49)) is None


def test_candidate_without_a_price_is_never_the_cheap_one() -> None:
    """The cheap candidate's price is unknown, so it counts as the most expensive and saves nothing."""
    found = settled(*easy_and_hard(1000), cost=np.asarray([np.nan, 0.01]))

    assert found is not None
    assert found.cost_weight is None


def test_choices_that_no_result_judges_are_no_evidence() -> None:
    p, y = easy_and_hard(1000)
    y[500:, 0] = np.nan
    p[:500, 0], p[500:, 1] = 0.05, 0.5

    found = settled(p, y)

    # Of the choices of `cheap`, half of all, none can be judged.
    assert found is not None
    assert found.cost_weight is None


@pytest.mark.parametrize(("judged", "promises"), [(0.89, False), (0.91, True)])
def test_weight_is_safe_only_where_nine_of_ten_choices_are_judged(judged: float, promises: bool) -> None:
    """`dear` was run on all 1,000 prompts; `cheap`, which is as good, is chosen on all and was run on some."""
    p, y = np.full((1000, 2), 0.9), np.ones((1000, 2))
    y[int(1000 * judged) :, 0] = np.nan

    found = settled(p, y)

    assert found is not None
    assert (found.cost_weight is not None) is promises


def test_candidate_that_was_run_nowhere_is_not_safe_because_few_prompts_avoid_it() -> None:
    """`cheap` is improbable on 5 of 200 prompts, so `dear` answers and loses nothing; the other 195 say nothing."""
    p, y = np.full((200, 2), 0.9), np.column_stack([np.full(200, np.nan), np.ones(200)])
    p[:5, 0] = 0.01

    found = settled(p, y)

    assert found is not None
    assert found.cost_weight is None


def test_share_of_an_unknown_cost_is_not_promised() -> None:
    """The best single candidate has no price: nobody knows what the answers of the other one save."""
    assert settled(*easy_and_hard(1000), cost=np.asarray([0.001, np.nan])) is None


def test_promise_is_read_as_it_was_written_and_older_bundles_have_none() -> None:
    assert promise.read(PROMISED.as_json()) == PROMISED
    assert promise.read({name: one for name, one in PROMISED.as_json().items() if name != "priced"}) == PROMISED
    assert promise.read(None) is promise.read({}) is None


def test_sentence_says_cost_margin_confidence_and_what_it_rests_on() -> None:
    assert PROMISED.sentence() == (
        "By default (auto) answers cost 40 % of those of the best single candidate, dear, and lose at most 0.3 points "
        "with 95 % confidence: +0.4 points on 1,000 prompts, at least +0.1."
    )


@pytest.mark.parametrize(
    ("asked", "policy", "weight"),
    [
        (Preferences(), UTILITY, 0.2),
        (Preferences(policy=BEST), UTILITY, 0.0),
        (Preferences(policy=CHEAP), UTILITY, 1.0),
        (Preferences(cost_weight=0.0), UTILITY, 0.0),
        (Preferences(cost_weight=0.5), UTILITY, 0.5),
        (Preferences(policy=UTILITY), UTILITY, 0.0),
        (Preferences(policy=CHEAPEST), CHEAPEST, 0.0),
        (Preferences(budget_usd=1.0), UTILITY, 0.0),
    ],
)
def test_default_ends_and_dial_come_to_a_policy_and_a_weight(asked: Preferences, policy: str, weight: float) -> None:
    found = promise.resolved(asked, PROMISED)

    assert (found.policy, found.cost_weight) == (policy, weight)


def test_router_that_promises_nothing_chooses_the_most_probable_as_before() -> None:
    assert promise.resolved(Preferences(), None) == Preferences(policy=UTILITY, cost_weight=0.0)


def test_promise_without_a_weight_comes_to_the_best_single_candidate() -> None:
    assert promise.resolved(Preferences(), replace(PROMISED, cost_weight=None)).policy == SINGLE
    assert promise.resolved(Preferences(policy=BEST), replace(PROMISED, cost_weight=None)).policy == UTILITY


def test_best_single_policy_ranks_by_mean_score_less_margin_and_keeps_exclusions() -> None:
    p = np.asarray([[0.9, 0.5, 0.7], [0.9, np.nan, 0.7]])
    means, margin = np.asarray([0.6, 0.8, 0.75]), np.asarray([0.0, 0.0, 0.1])

    ranked = choice.rank(p, mean_score=means, uncertainty_margin=margin, policy=SINGLE)

    # 0.8, then 0.75 - 0.1 = 0.65, then 0.6; where the second is excluded it comes last.
    assert ranked.tolist() == [[1, 2, 0], [2, 0, 1]]
    assert choice.choose(p, mean_score=means, uncertainty_margin=margin, policy=SINGLE).tolist() == [1, 2]


def test_candidate_that_the_promise_names_comes_first_whatever_the_means_say() -> None:
    p = np.asarray([[0.9, 0.5, 0.7], [0.9, np.nan, 0.7]])
    means = np.asarray([0.7, 0.78, 0.8])

    ranked = choice.rank(p, mean_score=means, policy=SINGLE, single=1)

    # The third came later with a better mean; it follows, and answers where the second is excluded.
    assert ranked.tolist() == [[1, 2, 0], [2, 0, 1]]
    assert choice.choose(p, mean_score=means, policy=SINGLE, single=1).tolist() == [1, 2]


def test_end_of_the_dial_and_dial_together_are_refused() -> None:
    with pytest.raises(InputError, match="policy cheap is an end of the dial that cost_weight turns"):
        preferences.read({"policy": CHEAP, "cost_weight": 0.1})
    assert preferences.read({"policy": AUTO, "cost_weight": 0.1}).cost_weight == 0.1
