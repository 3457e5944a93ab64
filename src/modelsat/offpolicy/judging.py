"""Judges choices on logged requests by what the log can say, request by request."""

from dataclasses import dataclass, replace

import numpy as np

from modelsat.offpolicy import estimators, evidence
from modelsat.offpolicy.evidence import ENOUGH, Design
from modelsat.offpolicy.requests import RequestLog

MOST_UNJUDGED = 0.10
"""Share of choices on shared prompts that may fall on models that were not asked there, as in the gate."""
MOST_OF_ONE = 0.05
"""Share of all weight that one request may have: of more, the estimate is that request's luck."""
_SURE, _NEAR = 3.0, 0.01


@dataclass(frozen=True)
class Judged:
    """Choices as judged; n requests.

    Attributes:
        value: Estimated outcome of each choice, (n,), NaN where it is not judged.
        cost: Likewise its cost in USD.
        matched: Share of judged requests whose choice was made then, too, in [0, 1].
        effective: How many requests the estimate rests on.
        mean_weight: Of the weights, 1 where the log supports all choices.
        fault: Why nothing can be told; empty where something can.
        checks: Other estimates of the value by name, for a reader who wants to compare.
        seconds: Mean time of an answer, NaN where unknown.
    """

    value: np.ndarray
    cost: np.ndarray
    matched: float
    effective: float
    mean_weight: float
    fault: str
    checks: dict[str, float]
    seconds: float = np.nan

    @property
    def is_told(self) -> bool:
        """Say whether the log can tell what the choices are worth."""
        return not self.fault


@dataclass(frozen=True)
class Judge:
    """Judges choices on requests of one design; n requests, m models.

    Attributes:
        design: By what they are judged.
        outcome: What came of the answer that was given, (n,).
        cost_usd: What it cost, NaN where unknown, (n,).
        latency_seconds: How long it took, NaN where unknown, (n,).
        logged: Column of the model that gave it, (n,), -1 for one that no policy may choose.
        propensity: Probability with which it was chosen, (n,).
        question: Which question is asked, integers from 0, (n,).
        judges: Which requests count, boolean (n,): those that were left to chance, or share their prompt.
        expected: Expected outcomes of all models, (n, m); 0 where no model of outcomes is at hand.
        expected_cost: Expected costs, (n, m), NaN where unknown.
    """

    design: Design
    outcome: np.ndarray
    cost_usd: np.ndarray
    latency_seconds: np.ndarray
    logged: np.ndarray
    propensity: np.ndarray
    question: np.ndarray
    judges: np.ndarray
    expected: np.ndarray
    expected_cost: np.ndarray

    def knowing(self, expected: np.ndarray, expected_cost: np.ndarray) -> "Judge":
        """Return the judge with expected outcomes and costs, (n, m), by models that did not see these requests."""
        return replace(self, expected=expected, expected_cost=expected_cost)

    def incumbent(self) -> Judged:
        """Return what was, on the requests that count."""
        value, cost = (np.where(self.judges, one, np.nan) for one in (self.outcome, self.cost_usd))
        return Judged(value, cost, 1.0, float(self.judges.sum()), 1.0, "", {}, self._seconds(np.ones(len(value))))

    def judged(self, chosen: np.ndarray) -> Judged:
        """Judge a choice per request, (n,)."""
        if self.design is Design.NONE or self.judges.sum() < ENOUGH:
            matched = float((chosen == self.logged).mean())
            nothing = np.full(len(chosen), np.nan)
            return Judged(nothing, nothing, matched, 0.0, 0.0, "no choice of the log was left to chance", {})
        return self._weighted(chosen) if self.design is Design.RANDOMISED else self._shared(chosen)

    def imagined(self, chosen: np.ndarray) -> Judged:
        """Return what is expected of a choice per request, (n,), where nothing else settles a policy."""
        rows = np.arange(len(chosen))
        return Judged(self.expected[rows, chosen], self.expected_cost[rows, chosen], 0.0, 0.0, 1.0, "", {})

    def _weighted(self, chosen: np.ndarray) -> Judged:
        rows = np.flatnonzero(self.judges)
        picked, logged = chosen[rows], self.logged[rows]
        weight = estimators.weights(picked, logged, self.propensity[rows])
        y = self.outcome[rows]
        value, cost = (np.full(len(chosen), np.nan) for _ in range(2))
        value[rows] = estimators.doubly_robust(y, weight, *_of_both(self.expected[rows], picked, logged, y))
        paid = self.cost_usd[rows]
        cost[rows] = estimators.doubly_robust(paid, weight, *_of_both(self.expected_cost[rows], picked, logged, paid))
        # A cost that nobody knows hides a whole sum only where it would have counted.
        unknown = np.isnan(cost[rows])
        if unknown.mean() <= MOST_UNJUDGED and (~unknown).any():
            cost[rows[unknown]] = np.nanmean(cost[rows])
        return Judged(
            value,
            cost,
            float((picked == logged).mean()),
            estimators.effective_requests(weight),
            float(weight.mean()),
            _fault(weight),
            {
                "inverse propensity": estimators.inverse_propensity(y, weight),
                "self-normalised": estimators.self_normalised(y, weight),
                "doubly robust": float(value[rows].mean()),
            },
            self._seconds(np.where(chosen == self.logged, 1.0 / self.propensity, 0.0)),
        )

    def _seconds(self, weight: np.ndarray) -> float:
        """Return the weighted mean time of the answers that count, by weights (n,); NaN where none is known."""
        known = self.judges & ~np.isnan(self.latency_seconds)
        return estimators.self_normalised(self.latency_seconds[known], weight[known])

    def _shared(self, chosen: np.ndarray) -> Judged:
        """Give each request the mean of the answers that its question had from the model that is chosen for it."""
        size, m = int(self.question.max()) + 1, self.expected.shape[1]
        rows = self.judges & (self.logged >= 0)
        place = self.question[rows] * m + self.logged[rows]
        answers = np.bincount(place, minlength=size * m)
        wanted = self.question * m + chosen
        matched = self.judges & (answers[wanted] > 0)
        value, cost = (
            np.where(matched, (np.bincount(place, one[rows], size * m) / np.maximum(answers, 1))[wanted], np.nan)
            for one in (self.outcome, self.cost_usd)
        )
        share = float(matched.sum() / self.judges.sum())
        fault = ""
        if share < 1 - MOST_UNJUDGED:
            fault = f"{100 * (1 - share):.0f} % of its choices fall on models that were not asked there"
        return Judged(
            value,
            cost,
            share,
            float(matched.sum()),
            share,
            fault,
            {"matched mean": float(np.nanmean(value)) if matched.any() else np.nan},
            self._seconds((chosen == self.logged).astype(np.float64)),
        )


def of(part: RequestLog, column: np.ndarray, question: np.ndarray, models: int) -> Judge:
    """Return the judge of a part of a log, by what that part can say.

    Args:
        part: Requests, n.
        column: Of the model that answered each, -1 for one that no policy may choose, (n,).
        question: Which question each asks, integers, (n,).
        models: How many columns there are.
    """
    found = evidence.design(part)
    judges = np.zeros(len(part), dtype=bool)
    if found is Design.RANDOMISED:
        judges = evidence.is_open(part)
    elif found is Design.SHARED:
        judges = evidence.shared_prompts(part)
    _, place = np.unique(question, return_inverse=True)
    nothing = np.zeros((len(part), models))
    return Judge(
        found,
        part.outcome,
        part.cost_usd,
        part.latency_seconds,
        column,
        part.propensity,
        place,
        judges,
        nothing,
        nothing,
    )


def _of_both(
    table: np.ndarray, picked: np.ndarray, logged: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is expected of the choice and of what was chosen then; of a model without a column, what came."""
    rows = np.arange(len(picked))
    return table[rows, picked], np.where(logged >= 0, table[rows, np.maximum(logged, 0)], known)


def _fault(weight: np.ndarray) -> str:
    """Return why weights support no estimate, "" where they do."""
    effective = estimators.effective_requests(weight)
    if effective < ENOUGH:
        return f"the log made its choices so rarely that they weigh as {effective:.0f} requests"
    if estimators.largest_share(weight) > MOST_OF_ONE:
        return f"one request would make {100 * estimators.largest_share(weight):.0f} % of the estimate"
    missing = 1.0 - float(weight.mean())
    error = float(weight.std()) / np.sqrt(len(weight))
    if missing > max(_SURE * error, _NEAR):
        return f"about {100 * missing:.0f} % of its choices had no chance of being made"
    return ""
