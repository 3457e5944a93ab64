"""When a challenger is said to be worse: soon where it is, and hardly ever where it is not."""

import numpy as np
import pytest

from modelsat.cluster.rollout.evidence import Pairs, ProbeVerdict, fault, judge, stakes
from modelsat.cluster.rollout.promotion import PROBES_PER_CHECK


def simulated(
    rng: np.random.Generator, n: int, errors: tuple[float, float], wrong: tuple[float, float], slowness: float
) -> Pairs:
    seconds = 0.05 * rng.lognormal(0, 0.5, (n, 2)) * [1, slowness]
    return Pairs(rng.random((n, 2)) < errors, rng.random((n, 2)) < wrong, seconds)


def checks_until_bad(rng: np.random.Generator, most: int, **of: object) -> int | None:
    pairs = Pairs()
    for check in range(1, most + 1):
        pairs += simulated(rng, PROBES_PER_CHECK, **of)  # type: ignore[arg-type]
        if judge(pairs, 0, 10**9)[0] is ProbeVerdict.BAD:
            return check
    return None


def test_a_stake_grows_with_every_failure_of_the_challenger_alone_and_shrinks_with_the_champion_s() -> None:
    failed = np.array([[False, True], [False, True], [True, False], [True, True]])

    found = stakes(Pairs(failed, np.zeros((4, 2), bool), np.ones((4, 2))))

    assert found["errors"] == pytest.approx(1.8 * 1.8)
    assert found["wrong answers"] == 1.0


def test_a_pair_without_both_answers_says_nothing_about_latency() -> None:
    pairs = Pairs(np.array([[True, False]] * 30), np.zeros((30, 2), bool), np.array([[0.0, 5.0]] * 30))

    assert stakes(pairs)["latency"] == 1.0


def test_twice_as_slow_as_the_tolerance_is_named_with_both_medians() -> None:
    pairs = Pairs(np.zeros((20, 2), bool), np.zeros((20, 2), bool), np.array([[0.1, 0.3]] * 20))

    assert fault(pairs) == "latency: the median answer takes 0.300 s, 0.100 s at the champion"


def test_too_few_answers_never_promote() -> None:
    pairs = simulated(np.random.default_rng(0), 30, (0, 0), (0, 0), 1.0)

    assert judge(pairs, 0, 31)[0] is ProbeVerdict.UNDECIDED
    assert judge(pairs, 0, 30)[0] is ProbeVerdict.GOOD
    assert judge(pairs, 10, 21)[0] is ProbeVerdict.UNDECIDED


def test_two_versions_that_both_fail_are_undecided_and_not_good() -> None:
    pairs = Pairs(np.ones((200, 2), bool), np.zeros((200, 2), bool), np.ones((200, 2)))

    assert judge(pairs, 0, 40)[0] is ProbeVerdict.UNDECIDED


@pytest.mark.parametrize(
    "of",
    [
        {"errors": (0.0, 0.2), "wrong": (0.0, 0.0), "slowness": 1.0},
        {"errors": (0.02, 0.22), "wrong": (0.0, 0.0), "slowness": 1.0},
        {"errors": (0.0, 0.0), "wrong": (0.0, 0.0), "slowness": 3.0},
        {"errors": (0.0, 0.0), "wrong": (0.0, 1.0), "slowness": 1.0},
        {"errors": (0.0, 0.0), "wrong": (0.05, 0.3), "slowness": 1.0},
    ],
    ids=["errors", "errors-at-both", "latency", "all-wrong", "a-third-wrong"],
)
def test_a_bad_challenger_is_found_within_three_checks(of: dict[str, object]) -> None:
    rng = np.random.default_rng(1)

    found = [checks_until_bad(rng, 3, **of) for _ in range(100)]

    assert None not in found


def test_of_a_thousand_equal_challengers_hardly_any_is_sent_back() -> None:
    rng = np.random.default_rng(2)
    equal = {"errors": (0.03, 0.03), "wrong": (0.05, 0.05), "slowness": 1.0}

    back = sum(checks_until_bad(rng, 12, **equal) is not None for _ in range(1000))

    # 5 of 1,000 are allowed for; of 20 more than one is then sent back in one series of 200.
    assert back <= 10
