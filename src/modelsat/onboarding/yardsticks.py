"""What the obvious would be worth beside an onboarding: the champion as it is, and always the newcomer.

Where outcomes on held-out prompts are known, all are scored on the same ones. Where the newcomer has answered the
aptitude test alone, they are compared by what is expected of them: on the test's questions the champion's choices were
trained, and tests of earlier versions were chosen for how they divide the zoo.

A router that is worth less than the obvious, or that leaves a newcomer aside which beats the best candidate it has, is
not refused for that: it is still no worse than the champion. But it is no success either, so the verdict warns.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.statistics import Interval, bootstrap_means, interval

LITTLE = 0.01
"""A share of the prompts below it is no traffic."""
_MEASURES = 10


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
        prompts: On how many prompts they are compared.
        observed: Whether they are compared by outcomes; else by expected scores.
        lines: The changed router, the champion, its best single candidate and always the newcomer, in this order.
        best_single: The best single candidate of those that the champion knows.
        over_best: What always taking the newcomer gains over that one.
        over_changed: What it gains over the changed router.
    """

    prompts: int
    observed: bool
    lines: tuple[Yardstick, ...]
    best_single: str
    over_best: Interval
    over_changed: Interval


def measure(
    scores: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    best: int,
    newcomer: int,
    names: tuple[str, ...],
    uncertainty: float | None = None,
) -> Yardsticks | None:
    """Compare the changed router and the obvious on the same prompts; None where there is no such prompt.

    Args:
        scores: Outcomes in [0, 1] (prompts, candidates), NaN where not known, or success probabilities.
        before: Column that the champion chooses, (prompts,).
        after: Column that the changed router chooses, (prompts,).
        best: Column of the champion's best single candidate.
        newcomer: Column of the newcomer.
        names: Candidates by column.
        uncertainty: Standard deviation of the newcomer's level, where `scores` are success probabilities; None where
            they are outcomes.
    """
    rows = np.arange(len(scores))
    columns = np.column_stack([after, before, np.full_like(after, best), np.full_like(after, newcomer)])
    found = scores[rows[:, None], columns].astype(np.float64)
    usable = ~np.isnan(found).any(axis=1)
    if not usable.any():
        return None
    found, taken = found[usable], (columns[usable] == newcomer).astype(np.float64)
    means, exposed = _compared(found), _compared(taken).mean(axis=0)
    resampled = bootstrap_means(means)
    if uncertainty is not None:
        # A level that was read off few answers is off by the same on all prompts: no resampling of prompts shows that.
        resampled += np.random.default_rng(0).normal(0.0, uncertainty, (len(resampled), 1)) * exposed
    told = [interval(float(means[:, i].mean()), resampled[:, i]) for i in range(_MEASURES)]
    called = ("changed router", "champion as it is", f"always {names[best]}", f"always {names[newcomer]}")
    lines = tuple(Yardstick(name, told[i], told[4 + i]) for i, name in enumerate(called))
    return Yardsticks(len(found), uncertainty is None, lines, names[best], told[8], told[9])


def _compared(lines: np.ndarray) -> np.ndarray:
    """Return the four lines, their gains over the champion, and the newcomer's over best and changed router."""
    changed, champion, best, always = lines.T
    return np.column_stack([lines, lines - champion[:, None], always - best, always - changed])


def warning(found: Yardsticks | None, newcomer: str, share: float) -> str:
    """Return what is worth a person's look about a newcomer, "" where nothing is.

    Args:
        found: As of `measure`.
        newcomer: Its name.
        share: Share of the prompts that it gets, in [0, 1].
    """
    if found is None:
        return ""
    if share < LITTLE and found.over_best.value > 0:
        scored = f"scored on the same {found.prompts} prompts" if found.observed else "is expected to score"
        return (
            f"{newcomer} gets {'next to ' if share else ''}no traffic, although it {scored} "
            f"{_points(found.over_best)} points more than {found.best_single}, the champion's best single candidate; "
            "more answers would tell whether that is chance"
        )
    if found.over_changed.low > 0:
        worth = "was" if found.observed else "is expected to be"
        return (
            f"always taking {newcomer} {worth} worth {_points(found.over_changed)} points more than the changed "
            "router; more answers, or a training with its results, would bring it more traffic"
        )
    return ""


def _points(found: Interval) -> str:
    return f"{100 * found.value:.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
