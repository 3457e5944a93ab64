"""Which upstreams are out for a while: a refused key, a gone model or an empty account fails every request.

Each time it fails again an upstream stays out twice as long. It is still called where no other candidate is left, and
where a client names it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.gateway.telemetry import Telemetry
from serving.gateway.upstream_faults import UpstreamFault

FIRST_SECONDS, MOST_SECONDS = 30.0, 600.0
"""How long an upstream is out after its first failure, and at most."""
logger = logging.getLogger("modelsat.gateway")


@dataclass(frozen=True)
class Circuit:
    """Standing of one upstream.

    Attributes:
        failures: In a row that took it out.
        out_until: On the clock of the caller.
        reason: Of the last failure; empty where there was none.
    """

    failures: int = 0
    out_until: float = float("-inf")
    reason: str = ""

    def is_out(self, now: float) -> bool:
        """Say whether other candidates go first."""
        return now < self.out_until


def after_failure(circuit: Circuit, reason: str, now: float) -> Circuit:
    """Return the circuit after a failure that the next request would meet, too.

    Requests that were in flight when the upstream was taken out fail together and count once.
    """
    if circuit.is_out(now):
        return circuit
    seconds = min(FIRST_SECONDS * 2 ** min(circuit.failures, 20), MOST_SECONDS)
    return Circuit(circuit.failures + 1, now + seconds, reason)


class UpstreamHealth:
    """Standing of all upstreams of one gateway.

    Args:
        telemetry: Counts faults.
        clock: Seconds that never go back.
    """

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float] = time.monotonic) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._circuits: dict[str, Circuit] = {}
        self.takes_new_limit: set[str] = set()
        """Candidates whose upstream asked for `max_completion_tokens` in place of `max_tokens`."""

    def split(self, order: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return which candidates are called, in their order, and which are out; all are called where all are out."""
        if not self._circuits:
            return list(order), []
        now = self._clock()
        out = [name for name in order if self._circuits.get(name, Circuit()).is_out(now)]
        called = [name for name in order if name not in out]
        return (called, out) if called else (list(order), [])

    def reason(self, candidate: str) -> str:
        """Return why a candidate is out."""
        return self._circuits[candidate].reason

    def failed(self, candidate: str, fault: UpstreamFault) -> None:
        """Count a fault, and take the upstream out where the next request would meet it, too."""
        self._telemetry.upstream_faults.labels(candidate, fault.reason).inc()
        if not fault.takes_out:
            return
        before, now = self._circuits.get(candidate, Circuit()), self._clock()
        after = self._circuits[candidate] = after_failure(before, fault.reason, now)
        if after is not before:
            seconds = after.out_until - now
            self._telemetry.upstream_out.labels(candidate).set(1)
            logger.error(
                "the upstream of %s is out for %.0f s: %s; check its key, credit, model and base_url",
                candidate,
                seconds,
                fault.reason,
            )

    def answered(self, candidate: str) -> None:
        """Note that an upstream works."""
        if self._circuits.pop(candidate, None) is not None:
            self._telemetry.upstream_out.labels(candidate).set(0)
            logger.info("the upstream of %s answers again", candidate)

    def standing(self) -> dict[str, dict[str, object]]:
        """Return each upstream whose last call took it out: why, how often in a row, and for how many seconds more."""
        now = self._clock()
        return {
            name: {
                "reason": circuit.reason,
                "failures": circuit.failures,
                "seconds": round(max(0.0, circuit.out_until - now)),
            }
            for name, circuit in self._circuits.items()
        }
