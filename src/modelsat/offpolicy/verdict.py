"""What follows from a back-test: which policy is recommended, if any, as a pure function of estimates and intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from modelsat.policy.promise import MARGIN
from modelsat.statistics import Interval


class Finding(StrEnum):
    """What is known of a policy against the incumbent."""

    BETTER_AND_CHEAPER = "better and cheaper"
    BETTER = "better"
    BETTER_FOR_MORE = "better, for more money"
    CHEAPER = "cheaper"
    NOTHING = "no difference shown"
    WORSE = "worse"
    UNTOLD = "cannot be told"


RECOMMENDED = (Finding.BETTER_AND_CHEAPER, Finding.BETTER, Finding.CHEAPER, Finding.BETTER_FOR_MORE)
"""What a policy is recommended for, the strongest reason first."""


@dataclass(frozen=True)
class Line:
    """A policy as back-tested.

    Attributes:
        name: Of the policy.
        value: Mean outcome, in [0, 1]; None where it cannot be told.
        gain: Against the incumbent on the same requests.
        cost: USD per request; None where unknown.
        saved: Against the incumbent: its cost less the policy's, in USD per request.
        matched: Share of judged requests on which it chose what was chosen then.
        effective: How many requests the estimate rests on.
        mean_weight: 1 where the log supports all choices.
        fault: Why nothing can be told; empty where something can.
        checks: Other estimates of the value, by name.
        models: Share of requests by model, the largest first.
        seconds: Mean time of an answer; None where it cannot be told.
    """

    name: str
    value: Interval | None
    gain: Interval | None
    cost: Interval | None
    saved: Interval | None
    matched: float
    effective: float
    mean_weight: float
    fault: str
    checks: dict[str, float]
    models: dict[str, float]
    seconds: float | None = None


def finding(line: Line, margin: float = MARGIN) -> Finding:
    """Return what is known of a policy.

    Args:
        line: As back-tested; its intervals hold for all policies at once.
        margin: Value that may be lost for lower cost, in [0, 1].
    """
    if line.gain is None:
        return Finding.UNTOLD
    cheaper = line.saved is not None and line.saved.low > 0
    dearer = line.saved is not None and line.saved.high < 0
    if line.gain.low > 0:
        return Finding.BETTER_AND_CHEAPER if cheaper else Finding.BETTER_FOR_MORE if dearer else Finding.BETTER
    if line.gain.high < 0:
        return Finding.WORSE
    return Finding.CHEAPER if cheaper and line.gain.low >= -margin else Finding.NOTHING


def recommended(lines: Sequence[Line], margin: float = MARGIN) -> Line | None:
    """Return the policy to use, None where the incumbent stays.

    Of those with a reason, the one with the strongest is taken; among these the best in value, unless a simpler one,
    earlier in the list, lies within the half width of its interval and costs no more.

    Args:
        lines: Policies, the simplest first.
        margin: As of `finding`.
    """
    for reason in RECOMMENDED:
        having = [line for line in lines if finding(line, margin) is reason]
        if having:
            return _simplest(having)
    return None


def _simplest(lines: Sequence[Line]) -> Line:
    best = max(lines, key=lambda line: line.gain.value if line.gain else 0.0)
    for line in lines:
        if line is best:
            return best
        if line.gain is None or best.gain is None:
            continue
        near = best.gain.value - line.gain.value <= (best.gain.high - best.gain.low) / 2
        cheap = line.cost is None or best.cost is None or line.cost.value <= best.cost.value
        if near and cheap:
            return line
    return best


def requests_to_tell(line: Line, requests: int, difference: float) -> int | None:
    """Return about how many requests like these would show a difference in value; None where nothing can be told.

    Args:
        line: A policy.
        requests: How many judged it.
        difference: In value, above 0.
    """
    if line.gain is None:
        return None
    half = (line.gain.high - line.gain.low) / 2
    return round(requests * (half / difference) ** 2) if half > 0 else requests
