"""Promotion in a cluster: the real API server, MLflow's real alias, and the record alone where there is no service."""

from dataclasses import dataclass

from modelsat.bundle import champions
from modelsat.bundle.champions import Champion
from modelsat.cluster.api import Cluster
from modelsat.cluster.rollout import inference_service
from modelsat.cluster.rollout.plan import Rollout, RolloutRules
from modelsat.cluster.rollout.probing import Probes
from modelsat.cluster.rollout.promotion import Promoter
from modelsat.errors import InputError
from modelsat.io import mlflow_registry


@dataclass(frozen=True)
class RolloutTarget:
    """Where a promotion takes place.

    Attributes:
        store: Folder or `s3://` prefix of champion records.
        tracking_uri: MLflow server, whose alias mirrors the record.
        service: InferenceService whose traffic is shifted; empty where endpoints follow the records by themselves.
        namespace: Of the service; empty takes that of this pod.
        check_seconds: Time from one check of the challenger to the next.
    """

    store: str
    tracking_uri: str
    service: str = ""
    namespace: str = ""
    check_seconds: float = RolloutRules().check_seconds

    def mirror(self, champion: Champion) -> None:
        """Point MLflow's alias at a champion, unless a newer one was recorded and mirrored meanwhile.

        Raises:
            InputError: The alias was at an epoch whose record is not there any more.
        """
        name, _, version = champion.model.rpartition("/")
        mirrored = mlflow_registry.mirrored_epoch(self.tracking_uri, name)
        if mirrored > champion.epoch:
            where = f"the alias of {name!r} at MLflow"
            champions.require_not_behind(self.store, champions.current(self.store), mirrored, where)
            return
        mlflow_registry.mirror_champion(self.tracking_uri, name, version, champion.epoch)

    def promoter(self, timeline: list[str]) -> Promoter:
        """Return a promoter that prints its timeline and keeps it.

        Raises:
            InputError: This process knows no cluster.
        """

        def say(line: str) -> None:
            timeline.append(line)
            print(line, flush=True)  # noqa: T201

        services = Cluster(inference_service.GROUP, inference_service.VERSION, inference_service.PLURAL, self.namespace)
        rules = RolloutRules(check_seconds=self.check_seconds)
        return Promoter(services, self.service, self.store, self.mirror, rules, say)


def promote(wanted: Rollout, where: RolloutTarget, probes: Probes) -> tuple[Champion, str]:
    """Promote a challenger and return its record with a Markdown page: the champion and the timeline.

    Raises:
        ConflictError: Another run promotes, or promoted since the comparison.
        VerdictNo: The challenger was worse than the champion and is back at no traffic.
    """
    timeline: list[str] = []
    if where.service:
        champion = where.promoter(timeline).promote(wanted, probes)
    else:
        # MLflow is loaded first: it takes seconds, and a kill in between would leave a record without its alias.
        mlflow_registry.client(where.tracking_uri)
        champion = champions.promote(
            where.store,
            wanted.bundle_uri,
            wanted.bundle_digest,
            wanted.model,
            wanted.run_id,
            wanted.verdict,
            wanted.against_epoch,
        )
        where.mirror(champion)
    steps = "".join(f"1. {line}\n" for line in dict.fromkeys(timeline))
    return champion, champions.page(champion) + (f"\n{steps}" if steps else "")


def bring(where: RolloutTarget) -> Champion | None:
    """Finish a promotion that was interrupted, bring endpoint and alias to the record, and return the champion.

    Raises:
        InputError: MLflow does not know the champion's version.
        ServiceError: MLflow does not answer.
    """
    if where.service:
        return where.promoter([]).bring()
    champion = champions.current(where.store)
    if champion is not None:
        where.mirror(champion)
    return champion


def earlier(store: str, epoch: int | None) -> Champion:
    """Return the champion to go back to.

    Args:
        store: Folder or `s3://` prefix of champion records.
        epoch: Whose champion; None takes the one before the present.

    Raises:
        InputError: There is no champion yet, none before the present one, or none of that epoch.
    """
    newest = champions.required(store).epoch
    if epoch is None and newest == 1:
        raise InputError(f"{store!r} has had one champion alone; there is none before it to return to")
    return champions.of_epoch(store, newest - 1 if epoch is None else epoch)


def roll_back(where: RolloutTarget, epoch: int | None) -> Champion | None:
    """Take back a promotion under way; where there is none, make an earlier champion the next epoch's.

    Args:
        where: As for a promotion.
        epoch: Whose champion to return to; None takes the one before the present.

    Returns:
        The champion afterwards.

    Raises:
        InputError: There is no champion yet, none before the present one, or none of that epoch.
        ConflictError: Another promotion happened at the same time.
    """
    promoter = where.promoter([]) if where.service else None
    if promoter is not None and epoch is None and promoter.take_back("taken back by hand"):
        return promoter.bring()
    newest = champions.required(where.store).epoch
    old = earlier(where.store, epoch)
    champion = champions.promote(
        where.store,
        old.bundle_uri,
        old.bundle_digest,
        old.model,
        f"rollback-of-{newest}-to-{old.epoch}",
        f"rolled back to epoch {old.epoch}",
        newest,
    )
    if promoter is not None:
        return promoter.bring()
    where.mirror(champion)
    return champion
