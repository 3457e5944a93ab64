"""The next step of a promotion as a pure function of the observed state: no clock, no network, no memory.

    no rollout ──begin──► 10 % ──raise──► 50 % ──raise──► 100 % ──record──► settle ──► no rollout
                             └───────────────┴───────────────┴──go back──► restore ──► settle

Every process that runs it (the promoting step, its retry after a kill, the reconciler) observes the same state and
takes the same step. Each change of the InferenceService is a compare-and-set on its resourceVersion, so of two
processes one acts and the other observes again. The champion record alone decides which version is champion
(`modelsat.bundle.champions`).
"""

from dataclasses import dataclass
from enum import StrEnum

from modelsat.bundle.champions import Champion
from modelsat.cluster.rollout.evidence import ProbeVerdict


@dataclass(frozen=True)
class RolloutRules:
    """How a rollout goes.

    Attributes:
        stages: Shares of traffic in percent, ascending, ending with 100.
        check_seconds: Time from one check to the next.
        checks: Checks of a stage before it may pass.
        ready_seconds: How long a stage may wait for ready pods.
        proof_seconds: How long a stage may wait for enough answers once it is ready.
    """

    stages: tuple[int, ...] = (10, 50, 100)
    check_seconds: float = 20.0
    checks: int = 3
    ready_seconds: float = 900.0
    proof_seconds: float = 900.0


@dataclass(frozen=True)
class Rollout:
    """A promotion under way, as it stands on the InferenceService.

    Attributes:
        run_id: Run that promotes; the key that makes it idempotent.
        against_epoch: Epoch of the champion that the gate compared with, 0 for none.
        bundle_uri: Challenger's bundle.
        bundle_digest: Its digest.
        model: Registered name and version.
        verdict: The gate's outcome.
        percent: Share of traffic that the challenger is to have.
        stage_since: Seconds since 1970 at which the present stage began.
        revision: Newest revision before what is served was last changed; readiness of another one counts.
        before: Arguments of the predictor before the start, for the way back where there is no champion.
        fault: Why it goes back; empty while it goes on.
        way: How traffic is shared, a `traffic.TrafficWay`; empty in promotions of 0.1.0: then by the deployment mode.
    """

    run_id: str
    against_epoch: int
    bundle_uri: str
    bundle_digest: str
    model: str
    verdict: str
    percent: int = 0
    stage_since: float = 0.0
    revision: str = ""
    before: tuple[str, ...] = ()
    fault: str = ""
    way: str = ""


@dataclass(frozen=True)
class Observed:
    """The observed state.

    Attributes:
        splits: The deployment mode can give two versions shares of the traffic.
        bundle: The bundle that the InferenceService names; empty if it follows the champion records by itself.
        epoch: Of the champion to which alias and endpoint were last brought, 0 for none.
        ready: Whether that bundle is ready.
        rollout: The promotion under way.
        champion: By the newest record.
        stage_seconds: Time since the present stage began.
        verdict: On the challenger, with the sentence behind it.
    """

    splits: bool
    bundle: str
    epoch: int
    ready: bool
    rollout: Rollout | None
    champion: Champion | None
    stage_seconds: float = 0.0
    verdict: tuple[ProbeVerdict, str] = (ProbeVerdict.UNDECIDED, "not probed yet")


class StepAction(StrEnum):
    """One step; each is safe to repeat."""

    NOTHING = "nothing to do"
    WAIT = "wait"
    RAISE = "raise the share"
    RECORD = "record the champion"
    GO_BACK = "go back"
    RESTORE = "restore the champion's bundle"
    SETTLE = "settle"
    FOLLOW = "follow the record"


@dataclass(frozen=True)
class PlannedStep:
    """What to do, at which share, and why."""

    do: StepAction
    why: str = ""
    percent: int = 0


def first_share(splits: bool, champion: Champion | None, rules: RolloutRules) -> int:
    """Return the share a challenger begins with: all of it where nothing serves yet, or where nothing can be split."""
    return rules.stages[0] if splits and champion is not None else 100


def next_step(observed: Observed, rules: RolloutRules = RolloutRules()) -> PlannedStep:
    """Return the next step towards the state that the records and the probes call for."""
    rollout, champion = observed.rollout, observed.champion
    if rollout is None:
        if champion is None or (observed.epoch == champion.epoch and observed.bundle in ("", champion.bundle_uri)):
            return PlannedStep(StepAction.NOTHING)
        return PlannedStep(
            StepAction.FOLLOW, f"epoch {champion.epoch} is champion, and alias or endpoint are not there yet"
        )
    if champion is not None and champion.run_id == rollout.run_id and champion.epoch > rollout.against_epoch:
        return PlannedStep(StepAction.SETTLE, f"epoch {champion.epoch} is recorded", 100)
    if rollout.fault:
        return _back(observed, rollout)
    epoch = champion.epoch if champion is not None else 0
    if epoch != rollout.against_epoch:
        return PlannedStep(
            StepAction.GO_BACK, f"epoch {epoch} was promoted since the comparison with epoch {rollout.against_epoch}"
        )
    return _forward(observed, rollout, rules)


def _forward(observed: Observed, rollout: Rollout, rules: RolloutRules) -> PlannedStep:
    verdict, why = observed.verdict
    if verdict is ProbeVerdict.BAD:
        return PlannedStep(StepAction.GO_BACK, why)
    if not observed.ready:
        if observed.stage_seconds > rules.ready_seconds:
            return PlannedStep(StepAction.GO_BACK, f"its pods were not ready within {rules.ready_seconds:.0f} s")
        return PlannedStep(StepAction.WAIT, "its pods are not ready yet", rollout.percent)
    # Without a champion there is no comparison, so ready pods are sufficient.
    if verdict is ProbeVerdict.UNDECIDED and observed.champion is not None:
        if observed.stage_seconds > rules.ready_seconds + rules.proof_seconds:
            return PlannedStep(StepAction.GO_BACK, f"too few answers to judge by: {why}")
        return PlannedStep(StepAction.WAIT, why, rollout.percent)
    higher = [stage for stage in rules.stages if stage > rollout.percent]
    if higher:
        return PlannedStep(StepAction.RAISE, why, higher[0])
    return PlannedStep(StepAction.RECORD, why, 100)


def _back(observed: Observed, rollout: Rollout) -> PlannedStep:
    if observed.bundle == rollout.bundle_uri:
        return PlannedStep(StepAction.RESTORE, rollout.fault)
    if observed.champion is None:
        # No version was served before, so none will be ready before the first record.
        return PlannedStep(StepAction.SETTLE, rollout.fault)
    return (
        PlannedStep(StepAction.SETTLE, rollout.fault)
        if observed.ready
        else PlannedStep(StepAction.WAIT, "the champion's pods are not ready yet")
    )
