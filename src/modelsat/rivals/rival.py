"""The interface of the rivals: their input and output.

A rival is a function `fit(train, validation)` that returns a scorer; hyper-parameters are chosen on validation prompts.
A scorer sees only the vector of a prompt; task labels are available in fitting and never in routing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import TypeVar

import numpy as np

from modelsat.policy import choice

Scorer = Callable[[np.ndarray], np.ndarray]
"""Unit vectors (prompts, width) to utilities (prompts, candidates), the larger the better."""

Setting = TypeVar("Setting")


@dataclass(frozen=True)
class Labelled:
    """Prompts whose outcomes are known; n prompts, m candidates.

    Attributes:
        vectors: Unit vectors of the prompts, float32 (n, width), or one per layer, (n, layers, width).
        outcomes: Scores in [0, 1], float32 (n, m), NaN where not run.
        tasks: Task of each prompt, length n.
        cost: Expected cost in USD, (n, m), NaN where a price is missing.
    """

    vectors: np.ndarray
    outcomes: np.ndarray
    tasks: np.ndarray
    cost: np.ndarray

    @property
    def asked(self) -> np.ndarray:
        """Say which candidates were run on which prompts, boolean (n, m)."""
        return ~np.isnan(self.outcomes)

    @property
    def right(self) -> np.ndarray:
        """Return the scores with 0 where not run, for sums beside `asked`."""
        return np.nan_to_num(self.outcomes)

    def take(self, rows: np.ndarray) -> "Labelled":
        """Return some of the prompts."""
        return Labelled(self.vectors[rows], self.outcomes[rows], self.tasks[rows], self.cost[rows])

    def of(self, candidates: Sequence[int] | np.ndarray) -> "Labelled":
        """Return the prompts with some of the candidates, in the given order."""
        kept = list(candidates)
        return replace(self, outcomes=self.outcomes[:, kept], cost=self.cost[:, kept])


Fit = Callable[[Labelled, Labelled], Scorer]


def on_last_layer(fit: Fit) -> Fit:
    """Return the rival applied to the last layer only, which is what the published methods use."""

    @wraps(fit)
    def fitted(train: Labelled, validation: Labelled) -> Scorer:
        scorer = fit(*(replace(part, vectors=_last_layer(part.vectors)) for part in (train, validation)))
        return lambda vectors: scorer(_last_layer(vectors))

    return fitted


def _last_layer(vectors: np.ndarray) -> np.ndarray:
    return vectors[:, -1] if vectors.ndim == 3 else vectors


def brier(scores: np.ndarray, truth: Labelled) -> float:
    """Return the mean squared distance of predicted and observed scores over what was run."""
    return float(((scores - truth.right) ** 2)[truth.asked].mean())


def regret(scores: np.ndarray, truth: Labelled) -> float:
    """Return how much less than 1 the chosen candidates score on average, among those that were run."""
    answered = truth.asked.any(axis=1)
    means = truth.right.sum(axis=0) / np.maximum(truth.asked.sum(axis=0), 1)
    chosen = choice.choose(scores, truth.asked, means)[answered]
    return 1.0 - float(truth.right[answered][np.arange(len(chosen)), chosen].mean())


def best(
    settings: Iterable[Setting],
    fit: Callable[[Setting], Scorer],
    validation: Labelled,
    loss: Callable[[np.ndarray, Labelled], float] = brier,
) -> Scorer:
    """Return the scorer with the least loss on validation prompts; of equal ones the first."""
    scorers = [fit(setting) for setting in settings]
    losses = [loss(scorer(validation.vectors), validation) for scorer in scorers]
    return scorers[int(np.argmin(losses))]
