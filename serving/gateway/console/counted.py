"""What a gateway has counted since it started: the numbers of its `/metrics`, by candidate."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Metric

from serving import metric_names as names
from serving.gateway.console.metric_samples import MetricSamples
from serving.gateway.decision import FALLBACK


@dataclass(frozen=True)
class CandidateCounts:
    """Counts of one candidate; means are None where they are over nothing.

    Attributes:
        answers: That it gave.
        share: Of all answers, in [0, 1].
        promised: Mean success probability of its answers, in [0, 1].
        rated: Answers that a client rated.
        rated_promised: Mean success probability of those, in [0, 1].
        realised: Mean outcome of those, in [0, 1].
        paid_usd: For answers whose price is known; None where none is.
    """

    answers: int
    share: float
    promised: float | None
    rated: int
    rated_promised: float | None
    realised: float | None
    paid_usd: float | None


@dataclass(frozen=True)
class Counted:
    """Counts of a gateway.

    Attributes:
        since: When it began to count.
        candidates: By name, those with most answers first.
        answers: Of all candidates.
        fallbacks: Answers that were not given as the router wished.
        paid_usd: For answers whose price at the best single candidate is known, too; None where there are none.
        best_single_usd: What those would have cost there.
        rated: Answers that a client rated.
        rated_promised: Mean success probability of those.
        realised: Mean outcome of those.
    """

    since: datetime
    candidates: dict[str, CandidateCounts]
    answers: int
    fallbacks: int
    paid_usd: float | None
    best_single_usd: float | None
    rated: int
    rated_promised: float | None
    realised: float | None

    @property
    def saved(self) -> float | None:
        """Return which share of what the best single candidate would have cost was saved; None where not known."""
        if not self.best_single_usd or self.paid_usd is None:
            return None
        return 1 - self.paid_usd / self.best_single_usd


def read(since: datetime, metrics: Iterable[Metric]) -> Counted:
    """Read the counts of a gateway.

    Args:
        since: When it began to count.
        metrics: As its registry collects them.
    """
    found = MetricSamples(metrics)
    answers = found.by(names.REQUESTS, "model")
    total = sum(answers.values())
    probability, promises = (found.by(f"{names.SUCCESS_PROBABILITY}_{end}", "model") for end in ("sum", "count"))
    rated, promised, realised, paid = (
        found.by(name, "model") for name in (names.RATED, names.PROMISED_SUCCESS, names.REALISED_SUCCESS, names.PAID)
    )
    candidates = {
        name: CandidateCounts(
            int(answers.get(name, 0)),
            answers.get(name, 0.0) / total if total else 0.0,
            _mean(probability.get(name), promises.get(name)),
            int(rated.get(name, 0)),
            _mean(promised.get(name), rated.get(name)),
            _mean(realised.get(name), rated.get(name)),
            paid.get(name),
        )
        for name in sorted(answers.keys() | rated.keys() | paid.keys(), key=lambda name: (-answers.get(name, 0), name))
    }
    all_rated = sum(rated.values())
    compared = found.total(names.PAID_COMPARED) or None
    return Counted(
        since,
        candidates,
        int(total),
        int(found.total(names.REQUESTS, outcome=FALLBACK) or 0),
        compared,
        None if compared is None else found.total(names.PAID_BEST_SINGLE),
        int(all_rated),
        _mean(sum(promised.values()), all_rated),
        _mean(sum(realised.values()), all_rated),
    )


def _mean(total: float | None, count: float | None) -> float | None:
    return total / count if total is not None and count else None
