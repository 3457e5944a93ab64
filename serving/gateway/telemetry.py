"""The gateway's Prometheus metrics; candidates are few, and clients are never labels."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class Telemetry:
    """Counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "modelsat_requests_total", "Answered requests.", ["model", "outcome"], registry=self.registry
        )
        self.fallbacks = Counter(
            "modelsat_fallbacks_total", "Upstreams that failed.", ["model", "reason"], registry=self.registry
        )
        self.routing_seconds = Histogram(
            "modelsat_routing_seconds",
            "Time to a decision.",
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
            registry=self.registry,
        )
