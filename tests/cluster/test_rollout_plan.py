"""The plan of a promotion: what is done next in every state, and that repeating or reordering does no harm."""

import dataclasses
import itertools

import pytest

from modelsat.bundle.champions import Champion
from modelsat.cluster.rollout.evidence import ProbeVerdict
from modelsat.cluster.rollout.plan import (
    Observed,
    PlannedStep,
    Rollout,
    RolloutRules,
    StepAction,
    first_share,
    next_step,
)

OLD = Champion(3, "b/old", "old", "router/3", "run-3", "promoted", "2026-01-01")
NEW = Champion(4, "b/new", "new", "router/4", "run-4", "promoted", "2026-01-02")
OTHER = Champion(4, "b/other", "other", "router/5", "run-5", "promoted", "2026-01-02")
ROLLOUT = Rollout("run-4", 3, "b/new", "new", "router/4", "promoted", percent=10)
GOOD, BAD, OPEN = (ProbeVerdict.GOOD, "fine"), (ProbeVerdict.BAD, "slow"), (ProbeVerdict.UNDECIDED, "few")


def seen(**other: object) -> Observed:
    usual = Observed(True, "b/new", 3, True, ROLLOUT, OLD, 30.0, OPEN)
    return dataclasses.replace(usual, **other)  # type: ignore[arg-type]


def at(percent: int, **other: object) -> Rollout:
    return dataclasses.replace(ROLLOUT, percent=percent, **other)  # type: ignore[arg-type]


def test_stages_follow_one_another_as_long_as_the_challenger_is_good() -> None:
    steps = [next_step(seen(rollout=at(percent), verdict=GOOD)) for percent in (10, 50, 100)]

    assert [(step.do, step.percent) for step in steps] == [
        (StepAction.RAISE, 50),
        (StepAction.RAISE, 100),
        (StepAction.RECORD, 100),
    ]


@pytest.mark.parametrize("percent", [10, 50, 100])
@pytest.mark.parametrize("ready", [True, False])
def test_a_bad_challenger_goes_back_from_every_stage(percent: int, ready: bool) -> None:
    assert next_step(seen(rollout=at(percent), verdict=BAD, ready=ready)) == PlannedStep(StepAction.GO_BACK, "slow")


def test_pods_that_are_not_ready_are_waited_for_and_not_for_ever() -> None:
    rules = RolloutRules(ready_seconds=100)

    assert next_step(seen(ready=False, stage_seconds=99, verdict=GOOD), rules).do is StepAction.WAIT
    assert next_step(seen(ready=False, stage_seconds=101, verdict=GOOD), rules).do is StepAction.GO_BACK


def test_what_is_not_known_never_promotes() -> None:
    rules = RolloutRules(ready_seconds=100, proof_seconds=50)

    assert next_step(seen(stage_seconds=149), rules).do is StepAction.WAIT
    assert next_step(seen(stage_seconds=151), rules).do is StepAction.GO_BACK


def test_the_first_challenger_needs_ready_pods_only_and_takes_all() -> None:
    first = dataclasses.replace(ROLLOUT, against_epoch=0, percent=first_share(True, None, RolloutRules()))

    assert first.percent == 100
    assert next_step(seen(champion=None, rollout=first, ready=False)).do is StepAction.WAIT
    assert next_step(seen(champion=None, rollout=first)).do is StepAction.RECORD


def test_where_traffic_cannot_be_split_the_only_stage_is_all_of_it() -> None:
    assert first_share(False, OLD, RolloutRules()) == 100
    assert first_share(True, OLD, RolloutRules()) == 10


@pytest.mark.parametrize(("percent", "fault"), list(itertools.product((10, 50, 100), ("", "slow"))))
def test_a_recorded_promotion_is_settled_whatever_else_is_seen(percent: int, fault: str) -> None:
    for verdict, ready in itertools.product((GOOD, BAD, OPEN), (True, False)):
        one = seen(rollout=at(percent, fault=fault), champion=NEW, verdict=verdict, ready=ready)

        assert next_step(one).do is StepAction.SETTLE


def test_a_promotion_that_somebody_else_overtook_goes_back() -> None:
    step = next_step(seen(champion=OTHER, verdict=GOOD))

    assert step.do is StepAction.GO_BACK
    assert "epoch 4" in step.why


def test_the_way_back_restores_then_waits_then_settles() -> None:
    back = at(10, fault="slow")

    assert next_step(seen(rollout=back)).do is StepAction.RESTORE
    assert next_step(seen(rollout=back, bundle="b/old", ready=False)).do is StepAction.WAIT
    assert next_step(seen(rollout=back, bundle="b/old")).do is StepAction.SETTLE


def test_the_way_back_before_the_first_champion_ends_without_ready_pods() -> None:
    back = dataclasses.replace(ROLLOUT, against_epoch=0, fault="not ready")

    assert next_step(seen(champion=None, rollout=back, ready=False)).do is StepAction.RESTORE
    assert next_step(seen(champion=None, rollout=back, ready=False, bundle="")).do is StepAction.SETTLE


@pytest.mark.parametrize(
    ("bundle", "epoch", "champion", "do"),
    [
        ("b/old", 3, OLD, StepAction.NOTHING),
        ("", 3, OLD, StepAction.NOTHING),
        ("", 0, None, StepAction.NOTHING),
        ("b/new", 3, OLD, StepAction.FOLLOW),
        ("b/old", 2, OLD, StepAction.FOLLOW),
        ("", 2, OLD, StepAction.FOLLOW),
    ],
)
def test_without_a_promotion_alias_and_endpoint_follow_the_record(
    bundle: str, epoch: int, champion: Champion | None, do: StepAction
) -> None:
    assert next_step(seen(rollout=None, bundle=bundle, epoch=epoch, champion=champion)).do is do
