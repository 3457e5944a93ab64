"""What the endpoint counts: decisions, how long they took, drift of prompts and of the mix, and who is champion."""

from collections import Counter as Counts
from collections import deque
from datetime import datetime

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from modelsat.bundle.bundle import Bundle
from modelsat.bundle.champions import Champion
from modelsat.bundle.ranking import Ranking
from modelsat.challenger import chosen_mix
from modelsat.routers.router import FOREIGN
from serving import metric_names as names

RECENT = 1000
"""How many decisions make the mix that is compared with the expected one."""


class EndpointTelemetry:
    """Metrics of one endpoint.

    Args:
        registry: Where they are kept; by default the one that KServe's `/metrics` shows.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(name, says, labels, registry=registry)

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(name, says, labels, registry=registry)

        self._decisions = counter(names.DECISIONS, "Prompts by chosen candidate.", "model")
        self.decision_seconds = Histogram(
            names.DECISION_SECONDS, "Time of a request, waiting included.", buckets=names.SECONDS, registry=registry
        )
        self._prompts = counter(names.PROMPTS, "Prompts, and how many were truncated or foreign.", "kind")
        self._refused = counter(names.REFUSED, "Requests that were not answered.", "reason")
        self.waiting = gauge(names.PROMPTS_WAITING, "Prompts that wait to be read.")
        self._distance = gauge(names.MIX_DISTANCE, f"Distance of the last {RECENT} choices from the expected mix.")
        self._expected = gauge(names.EXPECTED_SHARE, "Share of choices that the evaluation lets expect.", "model")
        self._ready = gauge(names.READY, "1 once a router serves.")
        self._router = gauge(names.ROUTER_INFO, "1 for the router that serves.", "version", "kind")
        self._candidate = gauge(
            names.CANDIDATE_INFO, "Price of an answer in USD per million tokens, NaN where missing.", "model"
        )
        self._not_trained_on = gauge(names.NOT_TRAINED_ON, "Candidates that training did not know.")
        self._epoch = gauge(names.EPOCH, "Epoch of the champion that serves.")
        self._promoted_at = gauge(names.PROMOTED_AT, "When the champion that serves was promoted.")
        self.champions_refused = counter(names.CHAMPIONS_REFUSED, "Champions whose bundle was refused.")
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._mix: dict[str, float] = {}
        for kind in ("all", "truncated", "foreign"):
            self._prompts.labels(kind)

    def serves(self, bundle: Bundle) -> None:
        """Note that a bundle serves from now on; the mix is counted anew."""
        self._recent.clear()
        self._mix = bundle.lineage.get("expected_share", {})
        for one in (self._expected, self._router, self._candidate):
            one.clear()
        for name, share in self._mix.items():
            self._expected.labels(name).set(share)
        self._router.labels(bundle.digest[:12], bundle.router.kind).set(1)
        for name, price in zip(bundle.names, bundle.pool.price_out, strict=True):
            self._candidate.labels(name).set(price)
        self._not_trained_on.set(int((~bundle.pool.seen_in_training).sum()))
        self._ready.set(1)

    def promoted(self, champion: Champion) -> None:
        """Note whose record the endpoint follows."""
        self._epoch.set(champion.epoch)
        self._promoted_at.set(datetime.fromisoformat(champion.promoted_at).timestamp())

    def decided(self, ranking: Ranking) -> None:
        """Count the choices of one request."""
        for model in ranking.model:
            self._decisions.labels(model).inc()
        self._prompts.labels("all").inc(len(ranking.model))
        self._prompts.labels("truncated").inc(int(ranking.truncated.sum()))
        self._prompts.labels("foreign").inc(int((ranking.foreign >= FOREIGN).sum()))
        self._recent.extend(ranking.model)
        if self._mix:
            shares = {name: count / len(self._recent) for name, count in Counts(self._recent).items()}
            self._distance.set(chosen_mix.distance(shares, self._mix))

    def refused(self, reason: str) -> None:
        """Count a request that was not answered."""
        self._refused.labels(reason).inc()
