"""What the obvious would be worth beside an onboarding: the champion as it is, and always the newcomer.

All are scored on the same prompts, those on which every one of them can be judged. A router that is worth less than the
obvious, or that leaves a newcomer aside which beats the best candidate it has, is not refused for that: it is still no
worse than the champion. But it is no success either, so the verdict warns.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.statistics import Interval, bootstrap_means, interval

LITTLE = 0.01
"""A share of the prompts below it is no traffic."""


@dataclass(frozen=True)
class Yardstick:
    """One way to answer all prompts.

    Attributes:
        name: What is done.
        accuracy: Mean score, in [0, 1].
        gain: Mean score minus the champion's, with its paired 95 % interval.
    """

    name: str
    accuracy: Interval
    gain: Interval


@dataclass(frozen=True)
class Yardsticks:
    """The changed router beside the obvious.

    Attributes:
        prompts: On how many prompts each is scored.
        lines: The changed router, the champion, its best single candidate and always the newcomer, in this order.
        best_single: Candidate with the best mean score that the champion knows.
        over_best: What always taking the newcomer gains over that one.
        over_changed: What it gains over the changed router.
    """

    prompts: int
    lines: tuple[Yardstick, ...]
    best_single: str
    over_best: Interval
    over_changed: Interval


def measure(
    truth: np.ndarray, before: np.ndarray, after: np.ndarray, newcomer: int, best: int, names: tuple[str, ...]
) -> Yardsticks | None:
    """Score the changed router and the obvious on the same prompts; None where there is no such prompt.

    Args:
        truth: Scores in [0, 1] (prompts, candidates), NaN where not known.
        before: Column that the champion chooses, (prompts,).
        after: Column that the changed router chooses, (prompts,).
        newcomer: Column of the newcomer.
        best: Column of the champion's best single candidate.
        names: Candidates by column.
    """
    rows = np.arange(len(truth))
    scored = np.column_stack([truth[rows, after], truth[rows, before], truth[:, best], truth[:, newcomer]])
    scored = scored[~np.isnan(scored).any(axis=1)]
    if not len(scored):
        return None
    changed, champion, single, always = scored.T
    gains = scored - champion[:, None]
    compared = np.column_stack([scored, gains, always - single, always - changed])
    resampled = bootstrap_means(compared)
    found = [interval(float(compared[:, i].mean()), resampled[:, i]) for i in range(compared.shape[1])]
    called = ("changed router", "champion as it is", f"always {names[best]}", f"always {names[newcomer]}")
    lines = tuple(Yardstick(name, found[i], found[4 + i]) for i, name in enumerate(called))
    return Yardsticks(len(scored), lines, names[best], found[8], found[9])


def warning(found: Yardsticks | None, newcomer: str, share: float) -> str:
    """Return what is worth a person's look about a newcomer, "" where nothing is.

    Args:
        found: As of `measure`.
        newcomer: Its name.
        share: Share of the prompts that it gets, in [0, 1].
    """
    if found is None:
        return ""
    same = f"on the same {found.prompts} prompts"
    if share < LITTLE and found.over_best.value > 0:
        return (
            f"{newcomer} gets {'next to ' if share else ''}no traffic, though {same} it scored "
            f"{_points(found.over_best)} points above {found.best_single}, the champion's best single candidate; "
            "more answers would tell whether that is chance"
        )
    if found.over_changed.low > 0:
        return (
            f"always taking {newcomer} is worth {_points(found.over_changed)} points more than the changed router "
            f"{same}; more answers, or a training with its results, would bring it more traffic"
        )
    return ""


def _points(found: Interval) -> str:
    return f"{100 * found.value:.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
