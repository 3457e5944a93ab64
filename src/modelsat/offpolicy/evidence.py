"""What a log can say: whether choices were left to chance, or the same prompts were put to several models.

Randomised: the probability of each choice is known and below 1. Then any policy whose choices had a chance can be
judged by weights. Shared: the same prompt was answered by two models or more. Then a choice is judged where it is one
of them. Everything else says what the incumbent did and nothing of another choice.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from modelsat.offpolicy.requests import RequestLog
from modelsat.text.rendering import stem_digest

ENOUGH = 50
"""Judged requests or prompts of which fewer tell nothing, as in the gate."""
_NEIGHBOURS = 10
_SURE = 4.0
_TESTED = 2000


class Design(StrEnum):
    """By what a log can be judged."""

    RANDOMISED = "randomised"
    SHARED = "shared"
    NONE = "none"


@dataclass(frozen=True)
class Dependence:
    """How far the choice of the model follows what lies near: prompts alike, or requests at about the same time.

    Attributes:
        agreement: Share of neighbours that the same model answered, in [0, 1].
        expected: That share where models were drawn by chance.
        deviations: Their difference in standard errors.
    """

    agreement: float
    expected: float
    deviations: float

    @property
    def is_certain(self) -> bool:
        """Say whether chance alone does not explain it."""
        return self.deviations > _SURE


def by_prompt(prompts: np.ndarray) -> np.ndarray:
    """Return which question each request asks, integers from 0, (n,): spelling and options aside."""
    found: dict[str, int] = {}
    return np.asarray([found.setdefault(stem_digest(str(text)), len(found)) for text in prompts], dtype=np.int64)


def is_open(log: RequestLog) -> np.ndarray:
    """Say which choices were left to chance with a known probability, boolean (n,)."""
    return np.asarray(log.propensity < 1.0)


def shared_prompts(log: RequestLog) -> np.ndarray:
    """Say which requests ask what another model was asked, too, boolean (n,)."""
    question = by_prompt(log.prompt)
    _, model = np.unique(log.model.astype(str), return_inverse=True)
    pairs = np.unique(np.column_stack([question, model]), axis=0)
    several = np.bincount(pairs[:, 0], minlength=int(question.max(initial=-1)) + 1) > 1
    return np.asarray(several[question])


def design(log: RequestLog) -> Design:
    """Return by what a log, or a part of one, can be judged."""
    if is_open(log).sum() >= ENOUGH:
        return Design.RANDOMISED
    shared = shared_prompts(log)
    if len(np.unique(by_prompt(log.prompt[shared]))) >= ENOUGH:
        return Design.SHARED
    return Design.NONE


def dependence_on_prompts(vectors: np.ndarray, model: np.ndarray, seed: int = 0) -> Dependence:
    """Compare the models of the most similar prompts (the nearest-neighbour test of Schilling, 1986).

    Args:
        vectors: Unit vectors of the prompts, (n, width).
        model: Column of the model that answered each, (n,).
        seed: Of the rows that are looked at, and of the permutations.
    """
    rows = np.random.default_rng(seed).permutation(len(vectors))[:_TESTED]
    vectors, model = vectors[rows], model[rows]
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    few = min(_NEIGHBOURS, len(vectors) - 1)
    return _compared(np.argpartition(-similarity, few - 1, axis=1)[:, :few], model, seed)


def dependence_on_time(model: np.ndarray, seed: int = 0) -> Dependence:
    """Compare the models of requests that follow each other; rows are in the order of time."""
    few = min(_NEIGHBOURS, len(model) - 1)
    after = (np.arange(len(model))[:, None] + np.arange(1, few + 1)) % len(model)
    return _compared(after, model, seed)


def _compared(neighbours: np.ndarray, model: np.ndarray, seed: int, permutations: int = 100) -> Dependence:
    rng = np.random.default_rng(seed)
    found = float((model[neighbours] == model[:, None]).mean())
    chance = []
    for _ in range(permutations):
        drawn = rng.permutation(model)
        chance.append(float((drawn[neighbours] == drawn[:, None]).mean()))
    spread = max(float(np.std(chance)), 1e-9)
    return Dependence(found, float(np.mean(chance)), (found - float(np.mean(chance))) / spread)


def with_shares(log: RequestLog) -> RequestLog:
    """Return the log with each model's share of the requests as the probability of its choice where none is known."""
    _, model, counts = np.unique(log.model.astype(str), return_inverse=True, return_counts=True)
    share = counts[model] / len(log)
    return replace(log, propensity=np.where(np.isnan(log.propensity), share, log.propensity))
