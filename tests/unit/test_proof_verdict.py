"""What is recommended on which evidence."""

import pytest

from modelsat.offpolicy.verdict import Finding, Line, finding, recommended, requests_to_tell
from modelsat.statistics import Interval


def line(name: str = "ours", gain: tuple[float, float, float] | None = None, saved: tuple | None = None) -> Line:
    value = None if gain is None else Interval(0.8 + gain[0], 0.8 + gain[1], 0.8 + gain[2])
    cost = None if saved is None else Interval(1 - saved[0], 1 - saved[2], 1 - saved[1])
    found, spared = (None if one is None else Interval(*one) for one in (gain, saved))
    return Line(name, value, found, cost, spared, 0.5, 100.0, 1.0, "" if gain else "no chance", {}, {})


@pytest.mark.parametrize(
    ("gain", "saved", "expected"),
    [
        ((0.02, 0.01, 0.03), (0.2, 0.1, 0.3), Finding.BETTER_AND_CHEAPER),
        ((0.02, 0.01, 0.03), (0.0, -0.1, 0.1), Finding.BETTER),
        ((0.02, 0.01, 0.03), None, Finding.BETTER),
        ((0.02, 0.01, 0.03), (-0.2, -0.3, -0.1), Finding.BETTER_FOR_MORE),
        ((0.0, -0.003, 0.003), (0.2, 0.1, 0.3), Finding.CHEAPER),
        ((0.0, -0.004, 0.004), (0.2, 0.1, 0.3), Finding.NOTHING),
        ((0.0, -0.003, 0.003), (0.2, -0.1, 0.3), Finding.NOTHING),
        ((-0.02, -0.03, -0.01), (0.2, 0.1, 0.3), Finding.WORSE),
        (None, None, Finding.UNTOLD),
    ],
)
def test_a_finding_needs_the_whole_interval(gain: tuple | None, saved: tuple | None, expected: Finding) -> None:
    assert finding(line(gain=gain, saved=saved), 0.003) is expected


def test_who_accepts_to_lose_a_point_gets_the_cheaper_policy_sooner() -> None:
    one = line(gain=(0.0, -0.009, 0.009), saved=(0.2, 0.1, 0.3))
    assert recommended([one], 0.003) is None
    assert recommended([one], 0.01) is one


def test_a_simpler_policy_within_the_noise_of_the_best_is_taken_before_it() -> None:
    simple = line("best single", (0.03, 0.01, 0.05), (0.2, 0.1, 0.3))
    ours = line("ours", (0.04, 0.02, 0.06), (0.2, 0.1, 0.3))
    assert recommended([simple, ours]) is simple
    assert recommended([line("best single", (0.01, 0.001, 0.02), (0.2, 0.1, 0.3)), ours]) is ours


def test_a_simpler_policy_that_costs_more_is_not_taken_before_the_best() -> None:
    simple = line("best single", (0.03, 0.01, 0.05), (0.1, 0.05, 0.15))
    ours = line("ours", (0.04, 0.02, 0.06), (0.2, 0.1, 0.3))
    assert recommended([simple, ours]) is ours


def test_better_and_cheaper_goes_before_better_for_more_money() -> None:
    dear = line("best single", (0.10, 0.08, 0.12), (-0.2, -0.3, -0.1))
    ours = line("ours", (0.02, 0.01, 0.03), (0.2, 0.1, 0.3))
    assert recommended([dear, ours]) is ours


def test_nothing_is_recommended_where_nothing_is_told() -> None:
    assert recommended([line(), line("kNN")]) is None


def test_half_the_width_takes_four_times_the_requests() -> None:
    assert requests_to_tell(line(gain=(0.0, -0.02, 0.02)), 1000, 0.01) == 4000
    assert requests_to_tell(line(), 1000, 0.01) is None
