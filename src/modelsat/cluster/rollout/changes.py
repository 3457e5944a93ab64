"""The change of each promotion step to the InferenceService: the current object in, its replacement out."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modelsat.bundle.champions import Champion
from modelsat.cluster.rollout import inference_service as service_of
from modelsat.cluster.rollout.plan import PlannedStep, Rollout, StepAction
from modelsat.cluster.rollout.traffic import TrafficWay


def begun(service: Mapping[str, Any], wanted: Rollout, share: int, now: float) -> dict[str, Any]:
    """Return it with the challenger's bundle at its first share of the traffic."""
    words = service_of.arguments(service)
    rollout = replace(
        wanted,
        percent=share,
        stage_since=now,
        revision=service_of.newest_revision(service),
        before=tuple(words),
    )
    share_or_all = share if share < 100 else None
    if share < 100 and service_of.traffic_way(service, rollout) is TrafficWay.CANARY:
        # The champion's predictor stays as it is: the challenger stands beside it.
        return service_of.changed(service, rollout, None, share_or_all)
    return service_of.changed(service, rollout, service_of.serving(words, wanted.bundle_uri), share_or_all)


def after(
    step: PlannedStep, service: Mapping[str, Any], rollout: Rollout | None, champion: Champion | None, now: float
) -> dict[str, Any]:
    """Return it as a step leaves it; recording a champion and waiting change nothing in it."""
    words, share = service_of.arguments(service), service_of.percent(service)
    if rollout is None or step.do in (StepAction.SETTLE, StepAction.FOLLOW):
        return _settled(service, words, rollout, champion)
    canary = service_of.traffic_way(service, rollout) is TrafficWay.CANARY
    if step.do is StepAction.RAISE:
        raised = replace(rollout, percent=step.percent, stage_since=now)
        # At 100 % the challenger beside has all traffic while the champion's pods are replaced by its own.
        taken_over = service_of.serving(words, rollout.bundle_uri) if canary and step.percent == 100 else None
        return service_of.changed(service, raised, taken_over, step.percent)
    if step.do is StepAction.GO_BACK:
        # No traffic at once where KServe still pins the version before; at 100 % it no longer does. A challenger that
        # stands beside the champion is taken away.
        share = 0 if share is not None and share < 100 and not canary else None
        return service_of.changed(service, replace(rollout, fault=step.why), None, share)
    if step.do is StepAction.RESTORE:
        words = list(rollout.before) if champion is None else service_of.serving(words, champion.bundle_uri)
        newest = service_of.newest_revision(service)
        # A challenger that never became a revision leaves no new revision to wait for.
        revision = "" if newest == rollout.revision else newest
        back = replace(rollout, revision=revision, stage_since=now)
        return service_of.changed(service, back, words, 0 if share == 0 else None)
    return dict(service)


def _settled(
    service: Mapping[str, Any], words: list[str], rollout: Rollout | None, champion: Champion | None
) -> dict[str, Any]:
    notes = {}
    if champion is not None:
        notes[service_of.EPOCH] = str(champion.epoch)
        if service_of.bundle(service):
            words = service_of.serving(words, champion.bundle_uri)
    if rollout is not None and (champion is None or champion.run_id != rollout.run_id):
        notes[service_of.LAST_ROLLBACK] = json.dumps({"run_id": rollout.run_id, "fault": rollout.fault})
    return service_of.changed(service, None, words, None, notes)
