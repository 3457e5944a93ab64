"""The gate: each outcome, its bounds, and what never promotes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.errors import InputError
from modelsat.evaluation.gate import GateRules, Settled, judge, no_worse
from modelsat.evaluation.verdict import GateOutcome

OUTCOMES = hnp.arrays(np.float64, 60, elements=st.sampled_from([0.0, 0.5, 1.0]))


def paired(gains: int, losses: int, ties: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of challenger and opponent with that many prompts won, lost and equal."""
    challenger = np.repeat([1.0, 0.0, 1.0], [gains, losses, ties])
    opponent = np.repeat([0.0, 1.0, 1.0], [gains, losses, ties])
    return challenger, opponent


def cost(usd: float, prompts: int = 1000) -> np.ndarray:
    return np.full(prompts, usd)


def test_clearly_better_challenger_is_promoted() -> None:
    verdict = judge(*paired(200, 50, 750))

    assert verdict.outcome is GateOutcome.PROMOTED
    assert verdict.gain.value == pytest.approx(0.15)
    assert verdict.reason.startswith("more accurate: +15.0 points (95 % interval ")
    assert verdict.reason.endswith("against best single on 1000 held-out prompts")


@pytest.mark.parametrize(("has_champion", "outcome"), [(True, GateOutcome.KEPT), (False, GateOutcome.DO_NOT_ROUTE)])
def test_challenger_with_overlapping_interval_is_refused(has_champion: bool, outcome: GateOutcome) -> None:
    verdict = judge(*paired(60, 50, 890), has_champion=has_champion)

    assert verdict.outcome is outcome
    assert verdict.reason.startswith("not surely better: +1.0 points")


def test_one_sided_bound_decides_and_not_the_interval() -> None:
    verdict = judge(*paired(99, 75, 826))

    assert verdict.gain.low < 0
    assert verdict.outcome is GateOutcome.PROMOTED


@pytest.mark.parametrize(("gains", "promoted"), [(94, False), (105, True)])
def test_lower_bound_is_that_of_the_normal_approximation(gains: int, promoted: bool) -> None:
    mean = (gains - 75) / 1000
    bound = mean - 1.645 * np.sqrt(((gains + 75) / 1000 - mean**2) / 1000)

    verdict = judge(*paired(gains, 75, 925 - gains))

    assert bool(bound > 0) is promoted
    assert (verdict.outcome is GateOutcome.PROMOTED) is promoted


def test_more_confidence_promotes_less() -> None:
    scores = paired(99, 75, 826)

    assert judge(*scores, rules=GateRules(confidence=0.90)).outcome is GateOutcome.PROMOTED
    assert judge(*scores, rules=GateRules(confidence=0.99)).outcome is GateOutcome.DO_NOT_ROUTE


def test_equal_challenger_that_is_a_fifth_cheaper_is_promoted() -> None:
    verdict = judge(*paired(0, 0, 1000), cost(0.79), cost(1.0))

    assert verdict.outcome is GateOutcome.PROMOTED
    assert verdict.saving == pytest.approx(0.21)
    assert verdict.reason.startswith("21 % cheaper and no more than 1 point worse: +0.0 points")


def test_equal_challenger_that_saves_too_little_is_kept_out() -> None:
    verdict = judge(*paired(0, 0, 1000), cost(0.81), cost(1.0), has_champion=True)

    assert verdict.outcome is GateOutcome.KEPT
    assert ", 19 % cheaper against" in verdict.reason


def test_dearer_challenger_is_called_dearer() -> None:
    verdict = judge(*paired(0, 0, 1000), cost(1.5), cost(1.0))

    assert verdict.saving == pytest.approx(-0.5)
    assert ", 50 % dearer against" in verdict.reason


@pytest.mark.parametrize(("loss", "promoted"), [(0.005, True), (0.015, False)])
def test_cheaper_challenger_may_lose_one_point(loss: float, promoted: bool) -> None:
    opponent = np.full(1000, 0.5)

    verdict = judge(opponent - loss, opponent, cost(0.5), cost(1.0))

    assert (verdict.outcome is GateOutcome.PROMOTED) is promoted


def test_cheaper_challenger_has_to_be_surely_not_worse() -> None:
    verdict = judge(*paired(30, 30, 940), cost(0.1), cost(1.0))

    assert verdict.gain.value == 0.0
    assert verdict.gain.low < -0.01
    assert verdict.outcome is GateOutcome.DO_NOT_ROUTE


@pytest.mark.parametrize(
    ("mine", "theirs"), [(None, cost(1.0)), (cost(0.1), None), (None, None), (cost(0.0), cost(0.0))]
)
def test_unknown_costs_save_nothing(mine: np.ndarray | None, theirs: np.ndarray | None) -> None:
    verdict = judge(*paired(0, 0, 1000), mine, theirs)

    assert verdict.saving is None
    assert verdict.outcome is GateOutcome.DO_NOT_ROUTE


@pytest.mark.parametrize(("prompts", "promoted"), [(49, False), (50, True)])
def test_too_few_prompts_decide_nothing(prompts: int, promoted: bool) -> None:
    verdict = judge(*paired(prompts, 0, 0))

    assert (verdict.outcome is GateOutcome.PROMOTED) is promoted
    assert ("too few to decide" in verdict.reason) is not promoted
    assert verdict.prompts == prompts


def test_one_prompt_is_judged_without_a_fault() -> None:
    assert judge(np.ones(1), np.zeros(1), has_champion=True).outcome is GateOutcome.KEPT


def test_same_seed_gives_the_same_verdict() -> None:
    scores = paired(99, 75, 826)

    assert judge(*scores, seed=3) == judge(*scores, seed=3)


@settings(max_examples=15)
@given(OUTCOMES)
def test_challenger_equal_to_its_opponent_is_never_promoted(scores: np.ndarray) -> None:
    assert judge(scores, scores).outcome is GateOutcome.DO_NOT_ROUTE


@settings(max_examples=15)
@given(OUTCOMES, OUTCOMES)
def test_two_routers_are_never_both_better_than_the_other(one: np.ndarray, other: np.ndarray) -> None:
    outcomes = {judge(one, other).outcome, judge(other, one).outcome}

    assert GateOutcome.DO_NOT_ROUTE in outcomes


@settings(max_examples=15)
@given(OUTCOMES, OUTCOMES, st.floats(0.0, 2.0))
def test_challenger_that_loses_on_average_by_more_than_the_margin_is_never_promoted(
    one: np.ndarray, other: np.ndarray, price: float
) -> None:
    verdict = judge(one, other, cost(price, 60), cost(1.0, 60))

    if verdict.gain.value < -0.01:
        assert verdict.outcome is GateOutcome.DO_NOT_ROUTE


def test_choices_that_cannot_be_judged_count_on_neither_side() -> None:
    """Of 1,000 prompts 60 are unknown for the challenger and 40 for the champion: 900 decide."""
    challenger, opponent = paired(200, 50, 750)
    challenger[-60:], opponent[-100:-60] = np.nan, np.nan

    verdict = judge(challenger, opponent, has_champion=True)

    assert verdict.prompts == 900
    assert verdict.gain.value == pytest.approx(150 / 900)
    assert verdict.outcome is GateOutcome.PROMOTED


def test_challenger_with_too_many_choices_that_cannot_be_judged_is_refused() -> None:
    challenger, opponent = paired(200, 50, 750)
    challenger[-101:] = np.nan

    verdict = judge(challenger, opponent)

    assert verdict.outcome is GateOutcome.DO_NOT_ROUTE
    assert verdict.reason.startswith("10 % of its choices fall on candidates that were not run on these prompts")


def test_router_is_no_worse_where_its_lower_bound_lies_within_the_margin_and_it_can_be_judged() -> None:
    """2 of 1,000 lost: 0.2 points, at most 0.43 with 95 % confidence; 15 lost: 1.5 points, more than the margin."""
    other = np.ones(1000)
    few, many, unjudged = other.copy(), other.copy(), other.copy()
    few[:2], many[:15], unjudged[:101] = 0.0, 0.0, np.nan

    assert no_worse(few, other)
    assert not no_worse(many, other)
    assert not no_worse(unjudged, other)
    assert no_worse(other[:50], other[:50])
    assert not no_worse(other[:49], other[:49])


def test_routers_without_a_prompt_in_common_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="no prompt has an outcome of both the challenger's choice and that of"):
        judge(np.array([1.0, np.nan]), np.array([np.nan, 1.0]))


# 60 prompts won and 58 lost of 1,000: +0.2 points, at least -1.6 with 95 % confidence, too wide for one point.
CLOSE = (60, 58, 882)


def test_cheaper_default_counts_the_prompts_that_settled_it() -> None:
    # Widths of 0.9 and 1.8 points: weights of 4 to 1, +0.52 points together, at least 0.8 less, -0.28.
    settled = Settled(gain=0.006, low=-0.003, prompts=6610)

    alone = judge(*paired(*CLOSE), cost(0.3), cost(1.0))
    together = judge(*paired(*CLOSE), cost(0.3), cost(1.0), settled=settled)

    assert alone.outcome is GateOutcome.DO_NOT_ROUTE
    assert together.outcome is GateOutcome.PROMOTED
    assert together.reason.endswith(
        "on 1000 held-out prompts, and +0.6 points, at least -0.3, on the 6,610 prompts that settled its default"
    )


@pytest.mark.parametrize(
    ("outcomes", "usd", "settled"),
    [
        # The prompts that settled it bound it at -5 points: +0.2 and 1.7 less together.
        (CLOSE, 0.3, Settled(0.0, -0.05, 400)),
        # Held-out prompts say that it is worse by 1.2 points.
        ((50, 62, 888), 0.3, Settled(0.006, -0.003, 6610)),
        # It saves 10 %.
        (CLOSE, 0.9, Settled(0.006, -0.003, 6610)),
    ],
)
def test_settled_default_is_refused_where_it_is_too_uncertain_worse_or_hardly_cheaper(
    outcomes: tuple[int, int, int], usd: float, settled: Settled
) -> None:
    verdict = judge(*paired(*outcomes), cost(usd), cost(1.0), settled=settled)

    assert verdict.outcome is GateOutcome.DO_NOT_ROUTE
