"""Carries out a promotion: observes, takes the step that `plan.next_step` returns, and observes again.

Nothing of a promotion is kept in this process but the probes' answers: killed at any point, the same call, another
process or the reconciler goes on from what stands on the InferenceService and in the champion records.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelsat.bundle import champions
from modelsat.bundle.champions import Champion
from modelsat.cluster.api import Objects
from modelsat.cluster.rollout import changes, plan, probing
from modelsat.cluster.rollout import inference_service as service_of
from modelsat.cluster.rollout.evidence import Pairs, judge
from modelsat.cluster.rollout.plan import Observed, PlannedStep, Rollout, RolloutRules, StepAction
from modelsat.cluster.rollout.probing import ProbeAnswer, Probes
from modelsat.cluster.rollout.traffic import TrafficWay, way
from modelsat.errors import ConflictError, InputError, ServiceError, VerdictNo

PROBES_PER_CHECK = 80
_ANSWERED = 0.8
_SAID = {
    TrafficWay.KNATIVE: "",
    TrafficWay.CANARY: f", as KServe's canary {service_of.CHALLENGER!r}",
    TrafficWay.ROLLING: ", by a rolling update, since this deployment mode cannot split traffic",
}


@dataclass(frozen=True)
class Promoter:
    """Brings one InferenceService and MLflow's alias to the champion records.

    Attributes:
        services: The InferenceServices of the namespace.
        name: Of the one whose traffic is shifted.
        store: Folder or `s3://` prefix of champion records.
        mirror: Points MLflow's alias at a champion; safe to repeat.
        rules: How a rollout goes.
        say: Called with each line of the timeline.
        ask: Asks an endpoint a prompt.
        now: Seconds since 1970.
        sleep: Waits for so many seconds.
    """

    services: Objects
    name: str
    store: str
    mirror: Callable[[Champion], None]
    rules: RolloutRules = RolloutRules()  # noqa: RUF009 - frozen
    say: Callable[[str], None] = print
    ask: probing.Ask = probing.ask
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def promote(self, wanted: Rollout, probes: Probes) -> Champion:
        """Take a challenger through the stages and return its record.

        Args:
            wanted: The challenger; a second call with the same run continues the first one.
            probes: Held-out prompts to ask both versions.

        Raises:
            ConflictError: Another run promotes, or promoted since the comparison.
            VerdictNo: The challenger was worse than the champion and is back at no traffic.
        """
        probing.keep(self.store, wanted.run_id, probes)
        self.bring(self._begin(wanted, probes))
        mine = champions.of_run(self.store, wanted.run_id, wanted.against_epoch)
        if mine is None:
            run, fault = service_of.last_rollback(self._read())
            why = fault if run == wanted.run_id else "another promotion came after it"
            raise VerdictNo(f"{wanted.model} was taken back ({why}); the champion before serves on")
        return mine

    def bring(self, before: list[ProbeAnswer] | None = None) -> Champion | None:
        """Take all remaining steps, including those of a promotion under way, and return the champion.

        Args:
            before: What the champion answered before the start, where it cannot be asked beside the challenger.
        """
        pairs, stage, since = Pairs(), ("", 0), 0
        while True:
            service = self._read()
            rollout, champion = service_of.rollout(service), champions.current(self.store)
            followed = service_of.epoch(service)
            champions.require_not_behind(self.store, champion, followed, f"InferenceService {self.name!r}")
            if rollout is not None:
                if (rollout.run_id, rollout.percent) != stage:
                    pairs = pairs if stage[0] == rollout.run_id else Pairs()
                    stage, since = (rollout.run_id, rollout.percent), len(pairs.failed)
                if not rollout.fault and champion is not None and service_of.ready(service, rollout):
                    past = before or probing.champion_side(pairs)
                    pairs += self._check(service, rollout, champion, len(pairs.failed), past)
                    # A controller may have changed the object during probing, so it is read again.
                    service = self._read()
                    if service_of.rollout(service) != rollout:
                        continue
            step = plan.next_step(self._seen(service, rollout, champion, pairs, since), self.rules)
            if step.do is StepAction.NOTHING:
                return champion
            self.say(_line(step))
            if step.do is StepAction.WAIT:
                self._require_progress(rollout)
                self.sleep(self.rules.check_seconds)
            else:
                self._do(step, service, rollout, champion)

    def _require_progress(self, rollout: Rollout | None) -> None:
        """Refuse to wait for ever on the way back; forward, the plan itself turns back."""
        if rollout is not None and rollout.fault and self.now() - rollout.stage_since > self.rules.ready_seconds:
            raise ServiceError(
                f"the champion's pods are not ready again {self.rules.ready_seconds:.0f} s after {rollout.model} was "
                f"taken back; look at the pods of InferenceService {self.name!r}, the reconciler goes on then"
            )

    def take_back(self, why: str) -> bool:
        """Mark a promotion under way to go back; return whether there was one."""
        while (rollout := service_of.rollout(service := self._read())) is not None:
            if rollout.fault or self._do(PlannedStep(StepAction.GO_BACK, why), service, rollout, None):
                return True
        return False

    def _begin(self, wanted: Rollout, probes: Probes) -> list[ProbeAnswer]:
        """Write the challenger into the InferenceService, once; return what the champion answered before."""
        before: list[ProbeAnswer] | None = None
        while champions.of_run(self.store, wanted.run_id, wanted.against_epoch) is None:
            # The service is read first: a later promotion changes it, and then our replacement is refused.
            service = self._read()
            champion, under_way = champions.current(self.store), service_of.rollout(service)
            if under_way is not None and under_way.run_id == wanted.run_id:
                break
            self._require_free(wanted, champion, under_way, service)
            try:
                how = self._way(service, wanted) if champion is not None else service_of.traffic_way(service)
            except ConflictError:
                continue
            begun, split = replace(wanted, way=how), how is not TrafficWay.ROLLING
            if before is None:
                before = [] if split or champion is None else self._baseline(service, probes)
                # The object may have changed while the champion was asked, so it is read again.
                continue
            share = plan.first_share(split, champion, self.rules)
            try:
                self.services.replace(changes.begun(service, begun, share, self.now()))
            except ConflictError:
                # Another promotion has begun, or a controller has updated the status, which also counts as a change.
                continue
            self.say(f"{wanted.model} begins with {share} % of the traffic{_SAID[how]}")
            return before
        return []

    def _way(self, service: dict[str, Any], wanted: Rollout) -> TrafficWay:
        """Return how traffic is shared; whether `spec.canary` is known the API server says in a dry run.

        Its definition is not asked: a minimal one keeps every field, and KServe's webhook has rules of its own.
        """
        mode = service_of.deployment_mode(service)
        if way(mode, knows_canary=True) is not TrafficWay.CANARY:
            return way(mode, knows_canary=False)
        tried = changes.begun(service, replace(wanted, way=TrafficWay.CANARY), self.rules.stages[0], self.now())
        try:
            known = service_of.has_challenger(self.services.replace(tried, dry_run=True))
        except InputError as error:
            self.say(f"spec.canary is not to be had here ({error})")
            known = False
        return way(mode, known)

    def _require_free(
        self, wanted: Rollout, champion: Champion | None, under_way: Rollout | None, service: dict[str, Any]
    ) -> None:
        run, fault = service_of.last_rollback(service)
        if run == wanted.run_id:
            raise VerdictNo(f"{wanted.model} was taken back ({fault}); the champion before serves on")
        epoch = champion.epoch if champion is not None else 0
        if epoch != wanted.against_epoch:
            raise ConflictError(
                f"epoch {epoch} in {self.store!r} was promoted after this run compared with epoch "
                f"{wanted.against_epoch}; run the pipeline again to compare with the new champion"
            )
        if under_way is not None:
            raise ConflictError(
                f"run {under_way.run_id} promotes {under_way.model} at InferenceService {self.name!r}; "
                "wait for its end and run the pipeline again"
            )

    def _baseline(self, service: dict[str, Any], probes: Probes) -> list[ProbeAnswer]:
        address = service_of.addresses(service)[1]
        return [self.ask(address, text) for text in probes.prompts[:PROBES_PER_CHECK]] if address else []

    def _check(
        self, service: dict[str, Any], rollout: Rollout, champion: Champion, done: int, before: list[ProbeAnswer]
    ) -> Pairs:
        probes = probing.kept(self.store, rollout.run_id)
        addresses = service_of.addresses(service, rollout)
        beside = service_of.splits(service, rollout) and rollout.percent < 100
        if not addresses[1] or (beside and not addresses[0]):
            return Pairs()
        versions = probing.version(champion.bundle_digest), probing.version(rollout.bundle_digest)
        rows = np.arange(done, done + PROBES_PER_CHECK) % len(probes.prompts)
        pairs = probing.pairs(addresses, versions, probes, rows, before, self.ask)
        if beside:
            counted = probing.counts(service_of.split_address(service, rollout), probes, self.ask)
            self.say(f"answers at the service's own address: {counted}{_unsplit(counted, versions)}")
        return pairs

    def _seen(
        self, service: dict[str, Any], rollout: Rollout | None, champion: Champion | None, pairs: Pairs, since: int
    ) -> Observed:
        needed = math.ceil(_ANSWERED * self.rules.checks * PROBES_PER_CHECK)
        return Observed(
            splits=service_of.splits(service, rollout),
            bundle=service_of.bundle(service),
            epoch=service_of.epoch(service),
            ready=service_of.ready(service, rollout),
            rollout=rollout,
            champion=champion,
            stage_seconds=self.now() - rollout.stage_since if rollout is not None else 0.0,
            verdict=judge(pairs, since, needed),
        )

    def _do(
        self, step: PlannedStep, service: dict[str, Any], rollout: Rollout | None, champion: Champion | None
    ) -> bool:
        """Take one step; return whether the object was unchanged since it was read."""
        try:
            if step.do is StepAction.RECORD and rollout is not None:
                champions.promote(
                    self.store,
                    rollout.bundle_uri,
                    rollout.bundle_digest,
                    rollout.model,
                    rollout.run_id,
                    rollout.verdict,
                    rollout.against_epoch,
                )
                return True
            if step.do in (StepAction.SETTLE, StepAction.FOLLOW) and champion is not None:
                # The alias first: the note that all is done must not be there before it is.
                self.mirror(champion)
            self.services.replace(changes.after(step, service, rollout, champion, self.now()))
        except ConflictError:
            return False
        return True

    def _read(self) -> dict[str, Any]:
        service = self.services.read(self.name)
        if service is None:
            raise InputError(
                f"there is no InferenceService {self.name!r}; apply an overlay of infra/overlays, or name another"
            )
        return service


def _unsplit(counted: dict[str, int], versions: tuple[str, str]) -> str:
    """Return what it means that clients meet the champion alone; the spec says nothing of that."""
    if counted.get(versions[0], 0) == 0 or versions[1] in counted:
        return ""
    return "; none by the challenger, which KServe 0.20, and any ingress but the Gateway API, give no share of clients"


def _line(step: PlannedStep) -> str:
    share = f" {step.percent} %" if step.percent else ""
    return f"{step.do}{share}: {step.why}"
