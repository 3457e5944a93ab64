"""The gateway's Prometheus metrics; candidates are few, and clients are never labels."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving import metric_names as names
from serving.gateway.decision import RoutingDecision
from serving.gateway.turn_costs import expected
from serving.gateway.usage import Usage
from serving.metric_names import SECONDS


class Telemetry:
    """Counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(names.REQUESTS, "Answered requests.", ["model", "outcome"], registry=registry)
        self.fallbacks = Counter(names.FALLBACKS, "Upstreams that failed.", ["model", "reason"], registry=registry)
        self.upstream_faults = Counter(
            names.UPSTREAM_FAULTS,
            "Calls that were no answer, by no fault of the client.",
            ["model", "reason"],
            registry=registry,
        )
        self.upstream_out = Gauge(
            names.UPSTREAM_OUT,
            "1 from a fault of key, credit, model or address until the upstream answers.",
            ["model"],
            registry=registry,
        )
        self.routing_seconds = Histogram(
            names.ROUTING_SECONDS, "Time to a decision.", buckets=SECONDS, registry=registry
        )
        self.upstream_seconds = Histogram(
            names.UPSTREAM_SECONDS,
            "Time to an upstream's first byte.",
            ["model"],
            buckets=(*SECONDS, 10.0, 30.0, 60.0),
            registry=registry,
        )
        self._success = Histogram(
            names.SUCCESS_PROBABILITY,
            "Success probability of the candidate that was chosen.",
            ["model"],
            buckets=[i / 10 for i in range(1, 11)],
            registry=registry,
        )
        self._cost = Counter(names.EXPECTED_COST, "Expected cost of what was chosen.", ["model"], registry=registry)
        self._best_single_cost = Counter(
            names.BEST_SINGLE_COST, "Expected cost, had all gone to the best single.", registry=registry
        )
        self._tokens = Counter(
            names.TOKENS,
            "Tokens as upstreams counted them: prompt, cached, answer.",
            ["model", "kind"],
            registry=registry,
        )
        self._paid = Counter(
            names.PAID, "What answers cost, as charged or at list prices.", ["model"], registry=registry
        )
        self._paid_compared = Counter(
            names.PAID_COMPARED, "The same, of answers whose price at the best single is known.", registry=registry
        )
        self._paid_best_single = Counter(
            names.PAID_BEST_SINGLE, "What these had cost at the best single candidate.", registry=registry
        )
        self._uncounted = Counter(
            names.UNCOUNTED, "Answers of which the upstream did not say what they used.", ["model"], registry=registry
        )
        self._promised = Counter(
            names.PROMISED_SUCCESS, "Sum of the success probabilities of rated answers.", ["model"], registry=registry
        )
        self._realised = Counter(
            names.REALISED_SUCCESS, "Sum of the outcomes of rated answers.", ["model"], registry=registry
        )
        self._rated = Counter(names.RATED, "Answers that a client rated, each once.", ["model"], registry=registry)
        self._refused = Counter(names.REFUSED, "Requests that were not answered.", ["reason"], registry=registry)
        self.dearest_share = Gauge(
            names.DEAREST_SHARE,
            "Largest share of requests that any client sends to the most expensive model.",
            registry=registry,
        )
        self.escalations = Counter(
            names.ESCALATIONS, "Decisions in which the most expensive model was withheld.", registry=registry
        )
        self.sessions_out = Gauge(
            names.SESSIONS_OUT, "1 while the store of shared sessions does not answer.", registry=registry
        )
        self.feedback = Counter(
            names.FEEDBACK, "Rows that the feedback log took: answers and outcomes.", ["event"], registry=registry
        )
        self.feedback_lost = Counter(
            names.FEEDBACK_LOST, "Rows of the feedback log for which there was no room.", registry=registry
        )

    def decided(self, decision: RoutingDecision, candidate: str) -> None:
        """Count what a decision promises and costs, as far as the router said so."""
        rows = {row["candidate"]: row for row in decision.ranked}
        chosen, single = rows.get(candidate), rows.get(decision.best_single)
        if chosen is None:
            return
        self._success.labels(candidate).observe(chosen["success_probability"])
        cost, single_cost = expected(chosen), None if single is None else expected(single)
        # Both or none: only then can the two be compared.
        if cost is not None and single_cost is not None:
            self._cost.labels(candidate).inc(cost)
            self._best_single_cost.inc(single_cost)

    def used(self, candidate: str, usage: Usage | None, paid: float | None, best_single: float | None) -> None:
        """Count what an answer used and cost.

        Args:
            candidate: Who answered.
            usage: As its upstream counted; None where it did not say.
            paid: In USD; None where it is not known.
            best_single: What the answer had cost at the best single candidate, in USD; None where that is not known.
        """
        if usage is None:
            self._uncounted.labels(candidate).inc()
            return
        kinds = {"prompt": usage.tokens_in - usage.cached_in, "cached": usage.cached_in, "answer": usage.tokens_out}
        for kind, tokens in kinds.items():
            self._tokens.labels(candidate, kind).inc(tokens)
        if paid is not None:
            self._paid.labels(candidate).inc(paid)
            if best_single is not None:
                self._paid_compared.inc(paid)
                self._paid_best_single.inc(best_single)

    def rated(self, candidate: str, promised: float, realised: float) -> None:
        """Count the first outcome that a client reports of a candidate's answer, beside its success probability."""
        self._promised.labels(candidate).inc(promised)
        self._realised.labels(candidate).inc(realised)
        self._rated.labels(candidate).inc()

    def refused(self, reason: str) -> None:
        """Count a request that was not answered."""
        self._refused.labels(reason).inc()
