"""When to train again: enough newcomers, a mix of answers that has drifted, or too much that may be lost.

A newcomer is placed by its answers to the aptitude test; training also learns from all its results. Pure: what is known
goes in, a decision with its reason comes out. One retraining runs at a time; all releases that are known when it starts
are in its snapshot, and what comes later waits for the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RetrainingRules:
    """The settings.

    Attributes:
        newcomers: So many candidates that training does not know call for a training, at least 1.
        drift: Share of prompts that another candidate answers than after the last training, in [0, 1].
        regret: Accuracy that may be lost to newcomers which are not placed well, summed over them, in [0, 1].
        least_seconds: No training sooner after the last one ended than this.
    """

    newcomers: int = 5
    drift: float = 0.25
    regret: float = 0.05
    least_seconds: float = 6 * 3600.0


@dataclass(frozen=True)
class Onboarded:
    """A release that the champion knows and its training does not.

    Attributes:
        key: Of the release.
        share: Share of prompts that it took over or gave up, in [0, 1].
        loss_bound: Accuracy that it may cost at most, in [0, 1].
    """

    key: str
    share: float = 0.0
    loss_bound: float = 0.0


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether to train now.

    Attributes:
        trains: Whether to.
        reason: One sentence for a person.
        snapshot: Keys of the releases that the training will know; empty where there is none.
    """

    trains: bool
    reason: str
    snapshot: tuple[str, ...] = ()


def decide(
    waiting: Sequence[Onboarded],
    is_running: bool,
    seconds_since: float | None,
    rules: RetrainingRules = RetrainingRules(),
) -> RetrainingDecision:
    """Decide.

    Args:
        waiting: Releases since the snapshot of the last training.
        is_running: Whether a training runs.
        seconds_since: Since the last training ended, None where there was none.
        rules: The settings.
    """
    drift, regret = min(1.0, sum(one.share for one in waiting)), sum(one.loss_bound for one in waiting)
    calls = [
        (len(waiting) >= rules.newcomers, f"{len(waiting)} releases since the last training"),
        (bool(waiting) and drift >= rules.drift, f"{100 * drift:.0f} % of the prompts have changed hands"),
        (bool(waiting) and regret >= rules.regret, f"{100 * regret:.1f} points may be lost to newcomers"),
    ]
    called = "; ".join(reason for holds, reason in calls if holds)
    if not called:
        return RetrainingDecision(False, f"no call for a training: {'; '.join(reason for _, reason in calls)}")
    if is_running:
        return RetrainingDecision(False, f"a training runs; the next one will know all {len(waiting)} releases")
    if seconds_since is not None and seconds_since < rules.least_seconds:
        wait = (rules.least_seconds - seconds_since) / 60
        return RetrainingDecision(
            False, f"{called}, but the last training ended only now; the next may begin in {wait:.0f} min"
        )
    return RetrainingDecision(True, called, tuple(one.key for one in waiting))
