"""The steps of an onboarding: files in, files out. Each is what one component of the pipeline calls."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from modelsat import __version__
from modelsat.aptitude import answer_checks
from modelsat.aptitude.answer_checks import Finding
from modelsat.bundle import bundle, opening
from modelsat.cluster.rollout import deployed
from modelsat.data import contracts
from modelsat.data.collection import Collection
from modelsat.evaluation.verdict import GateOutcome, GateVerdict
from modelsat.io import mlflow_server
from modelsat.io.atomic import write_json
from modelsat.onboarding import asked
from modelsat.onboarding import change as changes
from modelsat.onboarding import evidence as gathered
from modelsat.onboarding import order as orders
from modelsat.onboarding import shadow as shadows
from modelsat.onboarding.asking import AskingSettings
from modelsat.onboarding.change import Action
from modelsat.onboarding.order import Order
from modelsat.onboarding.order import read as read_order
from modelsat.onboarding.shadow import Shadow
from modelsat.reports import onboarded

__all__ = [
    "AskingSettings",
    "Judged",
    "Sources",
    "admit",
    "compare",
    "gather",
    "place",
    "read_order",
    "validate",
    "write_pages",
]


@dataclass(frozen=True)
class Sources:
    """Where results are, and where answers go.

    Attributes:
        scores: Folders or `s3://` prefixes with the candidate's results; empty asks it.
        zoo: Those behind the champion; empty takes what its lineage names.
        answers: Folder or `s3://` prefix that keeps what a candidate answered when asked.
        work: Folder on this machine where an interrupted test goes on.
    """

    scores: Sequence[str]
    zoo: Sequence[str]
    answers: str
    work: Path


@dataclass(frozen=True)
class Judged:
    """The shadow evaluation with its verdict and what KFP and MLflow show of it."""

    shadow: Shadow
    verdict: GateVerdict
    metrics: Mapping[str, float]

    @property
    def promotes(self) -> bool:
        """Say whether the changed bundle becomes champion."""
        return self.verdict.outcome is GateOutcome.PROMOTED

    def sentence(self) -> str:
        """Return the verdict in one sentence."""
        return onboarded.sentence(self.verdict)


def place(candidate: str, action: str, catalogue: str, champion_store: str, tracking_uri: str, path: Path) -> Order:
    """Find candidate and champion, write the order, and finish a promotion of it that was interrupted.

    Args:
        candidate: As of `order.place`, like the next three.
        action: Likewise.
        catalogue: Likewise.
        champion_store: Likewise.
        tracking_uri: MLflow server, which has to answer.
        path: Receives the order, JSON.

    Raises:
        InputError: There is no champion, no such candidate, or the change cannot be made.
        ServiceError: MLflow does not answer.
    """
    mlflow_server.check(tracking_uri)
    order = orders.place(candidate, action, catalogue, champion_store)
    order.write(path)
    if order.done:
        # A run may have been killed between its champion record and MLflow's alias.
        deployed.bring(deployed.RolloutTarget(champion_store, tracking_uri))
    return order


def gather(order: Order, sources: Sources, settings: AskingSettings, into: Path) -> tuple[str, int, dict[str, int]]:
    """Take the candidate's results, or ask it, and write them beside the zoo's.

    Returns:
        Key of the run, how many answers could not be read, and counts of scores, prompts and candidates.

    Raises:
        InputError: There are neither results nor an endpoint.
        ServiceError: The endpoint does not answer.
    """
    adds = order.change.action is Action.ADD
    asks = adds and not sources.scores and not asked.is_known_by_published(order, settings)
    with opening.opened_champion(order, with_router=asks and settings.adaptive) as parent:
        scores = list(sources.scores)
        if asks:
            scores = [asked.ask(parent, order, settings, sources.work, sources.answers)]
        zoo = sources.zoo or parent.lineage.get("sources", [])
        found = gathered.gather(parent, order.change, scores if adds else [], zoo, order.facts)
        found.write(into)
        own = gathered.only(found, [order.change.candidate]) if adds else None
        key = changes.run_key(parent, order.change, own, order.facts)
    return key, asked.unreadable(scores), found.counts()


def validate(order: Order, results: Path, unparsable: int, trusted: bool, page: Path) -> tuple[str, dict[str, int]]:
    """Judge the answers of a candidate that is to be added and write the page.

    Returns:
        What speaks against them in one sentence, "" where nothing does, and counts.
    """
    candidate = order.change.candidate
    findings: tuple[Finding, ...] = ()
    if order.change.action is Action.ADD:
        with opening.opened_champion(order, with_router=False) as parent:
            answers = gathered.only(Collection.read(results), [candidate])
            # Published scores stand without answers; they are no reason to refuse a candidate.
            if answers.scores.num_rows or not order.published.get(candidate):
                findings = answer_checks.check(asked.beside_zoo(parent, answers, candidate, unparsable))
    against = answer_checks.refusals(findings, trusted)
    onboarded.write_checks(candidate, findings, against, page)
    return onboarded.refusal(candidate, against), {"checks": len(findings), "refusals": len(against)}


def admit(order: Order, results: Path, router: Path, page: Path) -> str:
    """Write the changed bundle and the page with the candidate's card; return what was done in one sentence."""
    adds = order.change.action is Action.ADD
    found = Collection.read(results)
    own = gathered.only(found, [order.change.candidate]) if adds else None
    with opening.opened_champion(order) as parent:
        made = changes.apply(parent, order.change, own, order.facts, zoo=found, published=order.published).write(router)
    onboarded.write_card(made, order.change, page)
    return f"{order.change.action} {order.change.candidate}: bundle {made.digest[:12]} of {len(made.names)} candidates"


def compare(order: Order, results: Path, router: Path, max_loss: float) -> Judged:
    """Evaluate the changed bundle in the shadow of the champion."""
    with opening.opened_champion(order) as parent:
        found = shadows.compare(parent, bundle.read(router), Collection.read(results), order.change)
    return Judged(found, shadows.judge(found, order.change, max_loss), _metrics(found, order))


def write_pages(judged: Judged, order: Order, page: Path, decisions: Path, result: Path) -> None:
    """Write the page, both bundles' choices (Parquet) and the verdict (JSON)."""
    onboarded.write(judged.shadow, judged.verdict, order.change, page, f"modelsat {__version__}, bootstrap seed 0")
    contracts.write_plain(judged.shadow.choices, decisions)
    facts = {
        "verdict": asdict(judged.verdict) | {"sentence": judged.sentence()},
        "metrics": dict(judged.metrics),
        "before": judged.shadow.before,
        "after": judged.shadow.after,
        "yardsticks": None if judged.shadow.yardsticks is None else asdict(judged.shadow.yardsticks),
        "change": asdict(order.change),
        "parent": {"epoch": order.epoch, "model": order.model, "bundle": order.bundle_digest},
    }
    write_json(result, facts)


def _metrics(found: Shadow, order: Order) -> dict[str, float]:
    values = {
        "prompts": float(found.prompts),
        "share_of_traffic": found.share(order.change.candidate),
        "scored_prompts": float(found.scored),
    }
    if found.gain is not None and found.loss_bound is not None:
        values |= {
            "gain_over_champion": found.gain.value,
            "gain_over_champion_ci_low": found.gain.low,
            "gain_over_champion_ci_high": found.gain.high,
            "loss_bound": found.loss_bound,
        }
    if found.yardsticks is not None:
        changed, champion, best, always = found.yardsticks.lines
        values |= {
            "yardstick_prompts": float(found.yardsticks.prompts),
            "yardsticks_observed": float(found.yardsticks.observed),
            "changed_router_accuracy": changed.accuracy.value,
            "champion_accuracy": champion.accuracy.value,
            "best_single_accuracy": best.accuracy.value,
            "always_newcomer_accuracy": always.accuracy.value,
            "always_newcomer_gain_over_champion": always.gain.value,
            "always_newcomer_gain_over_best_single": found.yardsticks.over_best.value,
        }
    return values
