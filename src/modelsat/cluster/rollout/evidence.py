"""Decides as early as possible, from probes that both answer, whether a challenger is worse than the champion.

Every probe goes to both versions, so that each pair is a fair coin where both are equal: of the pairs in which only one
failed (or was wrong, or was markedly slower) the challenger should be that one at most half the time. A bet against
that multiplies its stake; however often one looks, a stake passes 1/a with probability a at most (Ville's inequality).
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

FALSE_ALARM = 0.005
"""Probability with which a challenger as good as the champion is ever sent back, over all stages of one rollout."""

SLOWER = 1.5
"""A challenger is slow in a pair where it takes this many times as long as the champion."""

_STAKE = 0.8


class ProbeVerdict(StrEnum):
    """The verdict of the probes so far."""

    GOOD = "good"
    BAD = "bad"
    UNDECIDED = "undecided"


def _none() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True)
class Pairs:
    """Probes that both versions got, in order; arrays (pairs,).

    Attributes:
        failed: Whether the champion and the challenger gave no answer, booleans (pairs, 2).
        wrong: Whether each chose something else than its own evaluation says, booleans (pairs, 2); false where unknown.
        seconds: Time to the answer, (pairs, 2).
    """

    failed: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), bool))
    wrong: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), bool))
    seconds: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    def __add__(self, other: "Pairs") -> "Pairs":
        """Append later pairs."""
        parts = ((self.failed, other.failed), (self.wrong, other.wrong), (self.seconds, other.seconds))
        return Pairs(*(np.concatenate(part) for part in parts))

    @property
    def both(self) -> np.ndarray:
        """Say in which pairs both answered (pairs,)."""
        return np.logical_not(self.failed.any(axis=1))


def stakes(pairs: Pairs) -> dict[str, float]:
    """Return the largest stake that each of the three bets against the challenger has reached; 1 is the start."""
    both = pairs.both
    slow = pairs.seconds[both, 1] > SLOWER * pairs.seconds[both, 0]
    return {
        "errors": _largest(_only_one(pairs.failed)),
        "wrong answers": _largest(_only_one(pairs.wrong[both])),
        "latency": _largest(slow),
    }


def fault(pairs: Pairs) -> str:
    """Return in one sentence why the challenger is worse; empty while that is not shown."""
    worst, stake = max(stakes(pairs).items(), key=lambda item: item[1])
    # Three bets share the probability of a false alarm.
    if stake < 3 / FALSE_ALARM:
        return ""
    both = pairs.both
    sentences = {
        "errors": f"{pairs.failed[:, 1].sum()} of {len(both)} probes failed, "
        f"{pairs.failed[:, 0].sum()} at the champion",
        "wrong answers": f"{pairs.wrong[both, 1].sum()} of {both.sum()} answers differ from its evaluation, "
        f"{pairs.wrong[both, 0].sum()} at the champion",
        "latency": "the median answer takes {1:.3f} s, {0:.3f} s at the champion".format(
            *(np.median(pairs.seconds[both], axis=0) if both.any() else (np.nan, np.nan))
        ),
    }
    return f"{worst}: {sentences[worst]}"


def judge(pairs: Pairs, since: int, needed: int) -> tuple[ProbeVerdict, str]:
    """Judge a challenger.

    Args:
        pairs: All of this rollout.
        since: How many of them were made before the present stage.
        needed: Pairs of this stage in which both have to have answered before it may pass; unknown never promotes.

    Returns:
        The verdict and the sentence behind it.
    """
    said = fault(pairs)
    if said:
        return ProbeVerdict.BAD, said
    answered = int(pairs.both[since:].sum())
    if answered < needed:
        return ProbeVerdict.UNDECIDED, f"{answered} of {needed} probes answered by both versions"
    return (
        ProbeVerdict.GOOD,
        f"{answered} probes answered by both versions, none of the bets against the challenger won",
    )


def _only_one(marks: np.ndarray) -> np.ndarray:
    """Return, of the pairs in which exactly one is marked, whether that is the challenger."""
    one: np.ndarray = marks[marks[:, 0] != marks[:, 1], 1]
    return one


def _largest(against: np.ndarray) -> float:
    if not len(against):
        return 1.0
    return float(max(1.0, np.exp(np.cumsum(np.log1p(np.where(against, _STAKE, -_STAKE))).max())))
