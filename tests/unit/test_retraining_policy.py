"""When training is called for: by the number of newcomers, by drift, by what may be lost; one at a time."""

import pytest

from modelsat.onboarding.releases.retraining import Onboarded, RetrainingRules, decide

RULES = RetrainingRules(newcomers=3, drift=0.5, regret=0.04, least_seconds=600)


def releases(n: int, share: float = 0.0, loss_bound: float = 0.0) -> list[Onboarded]:
    return [Onboarded(f"r{i:03d}", share, loss_bound) for i in range(n)]


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        (releases(3), "3 releases since the last training"),
        (releases(2, share=0.25), "50 % of the prompts have changed hands"),
        (releases(1, loss_bound=0.045), "4.5 points may be lost to newcomers"),
        (releases(3, share=0.2), "3 releases since the last training; 60 % of the prompts have changed hands"),
    ],
)
def test_each_call_is_heard_and_named(waiting: list[Onboarded], reason: str) -> None:
    decision = decide(waiting, is_running=False, seconds_since=None, rules=RULES)

    assert (decision.trains, decision.reason) == (True, reason if ";" in reason else decision.reason)
    assert reason in decision.reason
    assert decision.snapshot == tuple(one.key for one in waiting)


@pytest.mark.parametrize("waiting", [[], releases(2), releases(2, share=0.24), releases(1, loss_bound=0.039)])
def test_without_a_call_nothing_is_trained(waiting: list[Onboarded]) -> None:
    decision = decide(waiting, is_running=False, seconds_since=None, rules=RULES)

    assert not decision.trains
    assert decision.snapshot == ()
    assert decision.reason.startswith("no call for a training")


def test_one_training_runs_at_a_time() -> None:
    decision = decide(releases(9), is_running=True, seconds_since=None, rules=RULES)

    assert not decision.trains
    assert "the next one will know all 9 releases" in decision.reason


@pytest.mark.parametrize(("seconds", "trains"), [(599.0, False), (600.0, True)])
def test_trainings_keep_their_distance(seconds: float, trains: bool) -> None:
    assert decide(releases(3), is_running=False, seconds_since=seconds, rules=RULES).trains is trains


def test_hundred_releases_in_a_minute_are_one_training_now_and_all_others_in_the_next() -> None:
    waiting: list[Onboarded] = []
    snapshots: list[tuple[str, ...]] = []
    ends_at = None
    rules = RetrainingRules(newcomers=5, least_seconds=0)

    for second in range(200):
        if second < 100:
            waiting += [Onboarded(f"r{second:03d}")]
        if ends_at is not None and second >= ends_at:
            ends_at = None
        decision = decide(waiting, is_running=ends_at is not None, seconds_since=None, rules=rules)
        if decision.trains:
            snapshots.append(decision.snapshot)
            waiting, ends_at = [], second + 120

    assert [len(snapshot) for snapshot in snapshots] == [5, 95]
    assert [key for snapshot in snapshots for key in snapshot] == [f"r{i:03d}" for i in range(100)]
