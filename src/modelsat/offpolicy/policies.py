"""The policies that are compared: learned from earlier requests, each chooses a model for every later one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from modelsat.offpolicy import expected
from modelsat.offpolicy.evidence import Design
from modelsat.offpolicy.judging import Judge, Judged
from modelsat.policy import choice
from modelsat.policy.costs import tokens_in as lengths_of
from modelsat.policy.promise import WEIGHTS
from modelsat.routers.fusion import cost_head, surface
from modelsat.routers.fusion.cost_head import CostHead
from modelsat.routers.fusion.surface import Surface
from modelsat.routers.neighbours import means, overall_means

SINGLE, KNN, OURS = "best single", "kNN + price rule", "modelsat"
NEIGHBOURS = 50
PARTS = 3
_KIND = "requests"


@dataclass(frozen=True)
class Answered:
    """Earlier answers as routers learn from them; n requests, m models.

    Attributes:
        vectors: Unit vectors of the prompts, (n, layers, width).
        texts: The prompts, (n,).
        model: Column of the model that answered, (n,).
        outcome: In [0, 1], (n,).
        cost_usd: NaN where unknown, (n,).
        question: Which question each asks, integers, (n,).
        models: How many columns there are.
    """

    vectors: np.ndarray
    texts: np.ndarray
    model: np.ndarray
    outcome: np.ndarray
    cost_usd: np.ndarray
    question: np.ndarray
    models: int

    def take(self, rows: np.ndarray) -> "Answered":
        """Return some of the requests."""
        vectors, texts, model = self.vectors[rows], self.texts[rows], self.model[rows]
        return Answered(
            vectors, texts, model, self.outcome[rows], self.cost_usd[rows], self.question[rows], self.models
        )

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return values (n,) in the column of each request's model, NaN elsewhere, (n, m)."""
        out = np.full((len(values), self.models), np.nan)
        out[np.arange(len(values)), self.model] = values
        return out


@dataclass(frozen=True)
class Learned:
    """What was learned from earlier answers; m models.

    Attributes:
        expected: Expected outcomes of each model, by which estimates are made robust.
        surface: Ours; None where expected outcomes stand in for it, which it is fitted to.
        head: What answers cost, per model; None where too little is known.
        mean_score: Mean outcome of each model's answers, which decides exact ties, (m,).
        mean_cost: Their mean cost, NaN where none is known, (m,).
        known: The answers.
    """

    expected: expected.ExpectedOutcomes
    surface: Surface | None
    head: CostHead | None
    mean_score: np.ndarray
    mean_cost: np.ndarray
    known: Answered

    def cost(self, vectors: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Return expected costs in USD (n, m), NaN where nothing is known of a model's."""
        usual = np.tile(self.mean_cost, (len(texts), 1))
        if self.head is None:
            return usual
        found = self.head(vectors, lengths_of(list(texts)))
        return np.asarray(np.where(np.isnan(found), usual, found))

    def of_ours(self, vectors: np.ndarray) -> np.ndarray:
        """Return success probabilities by ours, (n, m)."""
        if self.surface is None:
            return self.expected(vectors)
        return self.surface.success_probability(self.surface.directions(vectors))

    def of_knn(self, vectors: np.ndarray) -> np.ndarray:
        """Return mean outcomes over the nearest earlier prompts, (n, m)."""
        return means(vectors[:, -1], self.known.vectors[:, -1], self.outcomes, self.mean_score, self.neighbours)

    @property
    def outcomes(self) -> np.ndarray:
        """Return the outcomes as kNN reads them, float32 (n, m), NaN where not asked."""
        return self.known.spread(self.known.outcome).astype(np.float32)

    @property
    def neighbours(self) -> int:
        """Return of how many earlier prompts kNN takes the mean: about `NEIGHBOURS` answers of each model."""
        return NEIGHBOURS * self.known.models


@dataclass(frozen=True)
class Policy:
    """A fitted policy.

    Attributes:
        name: `SINGLE`, `KNN` or `OURS`.
        column: The model of `SINGLE`.
        cost_weight: Of the others, in [0, 1].
    """

    name: str
    column: int = -1
    cost_weight: float = 0.0


def learn(known: Answered, settling: bool = False) -> Learned:
    """Learn from earlier answers.

    The gaps of the matrix of outcomes are filled by `expected`; then the router that needs no network is fitted as to
    full results.

    Args:
        known: The answers.
        settling: Whether this is only to settle cost weights, for which expected outcomes do.
    """
    outcomes = expected.fit(known.vectors, known.model, known.outcome, known.models)
    fitted = None
    if not settling:
        first, observed = _by_question(known)
        vectors = known.vectors[first]
        completed = np.where(np.isnan(observed), outcomes(vectors), observed)
        fitted = surface.fit(vectors, completed, np.full(len(completed), _KIND))
    paid = known.spread(known.cost_usd)
    head = cost_head.fit(known.vectors, lengths_of(list(known.texts)), paid)
    asked = ~np.isnan(paid)
    total = np.where(asked, paid, 0.0).sum(axis=0)
    mean_cost = np.where(asked.any(axis=0), total / np.maximum(asked.sum(axis=0), 1), np.nan)
    mean_score = overall_means(known.spread(known.outcome))
    return Learned(outcomes, fitted, head, mean_score, mean_cost, known)


def choices(policy: Policy, learned: Learned, vectors: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return the column that a policy chooses for each prompt, (n,)."""
    if policy.name == SINGLE:
        return np.full(len(texts), policy.column)
    if policy.name == KNN:
        cost = np.tile(learned.mean_cost, (len(texts), 1))
        return choice.choose(learned.of_knn(vectors), None, learned.mean_score, cost, policy.cost_weight)
    cost = learned.cost(vectors, texts)
    return choice.choose(learned.of_ours(vectors), None, learned.mean_score, cost, policy.cost_weight)


def settle(known: Answered, judge: Judge, progress: Callable[[int, int], None] = lambda *_: None) -> tuple[Policy, ...]:
    """Settle the best single model and the cost weights of both routers on earlier requests.

    Routers are fitted without each part of the requests in turn and judged on it. Of all settings, the cheapest is
    taken whose value is within one standard error of the best one's (Breiman et al., 1984): what is within noise
    decides nothing, and money is not noise.

    Args:
        known: Earlier answers.
        judge: Judges choices on them.
        progress: Called with (parts done, parts in all).
    """
    n, m = len(known.outcome), known.models
    # Requests that ask the same are held out together.
    _, place = np.unique(known.question, return_inverse=True)
    part = (np.random.default_rng(0).permutation(int(place.max()) + 1) % PARTS)[place]
    probabilities = {name: np.empty((n, m)) for name in (KNN, OURS)}
    costs = {name: np.empty((n, m)) for name in (KNN, OURS)}
    outcomes = np.empty((n, m))
    for held_out in range(PARTS):
        here = part == held_out
        fitted = learn(known.take(~here), settling=True)
        vectors, texts = known.vectors[here], known.texts[here]
        probabilities[KNN][here], probabilities[OURS][here] = fitted.of_knn(vectors), fitted.of_ours(vectors)
        costs[OURS][here] = fitted.cost(vectors, texts)
        costs[KNN][here] = fitted.mean_cost
        outcomes[here] = fitted.expected(vectors)
        progress(held_out + 1, PARTS)
    knowing = judge.knowing(outcomes, costs[OURS])
    judged = knowing.imagined if judge.design is Design.NONE else knowing.judged
    singles = [judged(np.full(n, column)) for column in range(m)]
    policies = [Policy(SINGLE, column=cheapest(singles))]
    for name in (KNN, OURS):
        chosen = [choice.choose(probabilities[name], None, None, costs[name], weight) for weight in WEIGHTS]
        policies.append(Policy(name, cost_weight=WEIGHTS[cheapest(list(map(judged, chosen)))]))
    return tuple(policies)


def cheapest(settings: Sequence[Judged]) -> int:
    """Return the setting of least cost among those whose value is within one standard error of the best one's.

    A setting of which too little is judged is left out, unless all are. Where costs are unknown, the best is taken.
    """
    told = [i for i, one in enumerate(settings) if one.is_told] or list(range(len(settings)))
    values = {i: settings[i].value for i in told}
    best = max(told, key=lambda i: float(np.nanmean(values[i])))
    near = []
    for i in told:
        short = values[best] - values[i]
        short = short[~np.isnan(short)]
        if not len(short) or short.mean() <= short.std() / np.sqrt(len(short)):
            near.append(i)
    spent = {i: float(np.nanmean(settings[i].cost)) if np.any(~np.isnan(settings[i].cost)) else np.nan for i in near}
    if any(np.isnan(value) for value in spent.values()):
        return best
    return min(near, key=lambda i: (spent[i], -float(np.nanmean(values[i]))))


def _by_question(known: Answered) -> tuple[np.ndarray, np.ndarray]:
    """Return each question's first request, (q,), and each model's mean outcome there, (q, m), NaN where not asked."""
    _, first, place = np.unique(known.question, return_index=True, return_inverse=True)
    size = len(first) * known.models
    cell = place * known.models + known.model
    answers = np.bincount(cell, minlength=size)
    total = np.bincount(cell, known.outcome, size)
    observed = np.where(answers > 0, total / np.maximum(answers, 1), np.nan)
    return first, observed.reshape(len(first), known.models)
