"""The interface of the rivals: their input and output.

A rival is a function `fit(train, validation)` that returns a scorer. Hyper-parameters are chosen on the validation
prompts; then the rival is fitted again to all prompts it was given, so that every row of a table learns from the same
prompts (`best`). A scorer sees a prompt's vector, and its text where it reads texts; task labels are available in
fitting and never in routing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Protocol, TypeVar

import numpy as np

from modelsat.policy import choice

Scorer = Callable[[np.ndarray], np.ndarray]
"""Unit vectors (prompts, width) to utilities (prompts, candidates), the larger the better."""

Setting = TypeVar("Setting")


class PromptScorer(Protocol):
    """What a named rival returns: a scorer of vectors that can be given the prompts' texts beside them."""

    def __call__(self, vectors: np.ndarray, texts: Sequence[str] | np.ndarray | None = None, /) -> np.ndarray:
        """Return utilities (prompts, candidates), the larger the better."""


@dataclass(frozen=True)
class Labelled:
    """Prompts whose outcomes are known; n prompts, m candidates.

    Attributes:
        vectors: Unit vectors of the prompts, float32 (n, width), or one per layer, (n, layers, width).
        outcomes: Scores in [0, 1], float32 (n, m), NaN where not run.
        tasks: Task of each prompt, length n.
        cost: Expected cost in USD, (n, m), NaN where a price is missing.
        texts: What a router reads of each prompt, length n; None where no rival that reads texts is fitted.
    """

    vectors: np.ndarray
    outcomes: np.ndarray
    tasks: np.ndarray
    cost: np.ndarray
    texts: np.ndarray | None = None

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
        texts = None if self.texts is None else self.texts[rows]
        return Labelled(self.vectors[rows], self.outcomes[rows], self.tasks[rows], self.cost[rows], texts)

    def of(self, candidates: Sequence[int] | np.ndarray) -> "Labelled":
        """Return the prompts with some of the candidates, in the given order."""
        kept = list(candidates)
        return replace(self, outcomes=self.outcomes[:, kept], cost=self.cost[:, kept])

    def joined(self, others: "Labelled") -> "Labelled":
        """Return these prompts and then others, with texts where both have them."""
        texts = None if self.texts is None or others.texts is None else np.concatenate([self.texts, others.texts])
        return Labelled(
            np.concatenate([self.vectors, others.vectors]),
            np.concatenate([self.outcomes, others.outcomes]),
            np.concatenate([self.tasks, others.tasks]),
            np.concatenate([self.cost, others.cost]),
            texts,
        )


Fit = Callable[[Labelled, Labelled], Scorer]
PromptFit = Callable[[Labelled, Labelled], PromptScorer]


def on_last_layer(fit: Fit) -> PromptFit:
    """Return the rival applied to the last layer only, which is what the published methods use."""

    @wraps(fit)
    def fitted(train: Labelled, validation: Labelled) -> PromptScorer:
        scorer = fit(*(replace(part, vectors=last_layer(part.vectors)) for part in (train, validation)))
        return lambda vectors, _=None: scorer(last_layer(vectors))

    return fitted


def on_all_layers(fit: Fit) -> PromptFit:
    """Return the rival as it is, with a scorer that can be given texts too."""

    @wraps(fit)
    def fitted(train: Labelled, validation: Labelled) -> PromptScorer:
        scorer = fit(train, validation)
        return lambda vectors, _=None: scorer(vectors)

    return fitted


def last_layer(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors of the last layer, (n, width), of vectors (n, width) or (n, layers, width)."""
    return vectors[:, -1] if vectors.ndim == 3 else vectors


def contrast(scores: np.ndarray, truth: Labelled) -> np.ndarray:
    """Return each prompt's mean squared error of the differences between its candidates, (n,); 0 where none was run.

    Predicted and observed scores are both taken from their mean over the candidates that were run on the prompt, so how
    hard a prompt is for all of them, which no choice depends on, does not count.
    """
    asked = truth.asked
    run = np.maximum(asked.sum(axis=1, keepdims=True), 1)
    error = np.where(asked, scores - truth.right, 0.0)
    centred = np.where(asked, error - error.sum(axis=1, keepdims=True) / run, 0.0)
    return np.asarray((centred**2).sum(axis=1) / run[:, 0])


def regret(scores: np.ndarray, truth: Labelled) -> np.ndarray:
    """Return how much less than 1 the chosen candidate of each prompt scores, among those that were run there, (n,).

    A prompt on which none was run is left out.
    """
    answered = truth.asked.any(axis=1)
    means = truth.right.sum(axis=0) / np.maximum(truth.asked.sum(axis=0), 1)
    chosen = choice.choose(scores, truth.asked, means)[answered]
    return np.asarray(1.0 - truth.right[answered][np.arange(len(chosen)), chosen])


def best(
    settings: Iterable[Setting],
    fit: Callable[[Setting, Labelled], Scorer],
    train: Labelled,
    validation: Labelled,
    loss: Callable[[np.ndarray, Labelled], np.ndarray] = contrast,
) -> Scorer:
    """Choose a setting on the validation prompts and return the scorer that it gives on all prompts.

    The first setting is chosen that is within one standard error of the least loss, prompt by prompt (Breiman et al.,
    Classification and Regression Trees, 1984, section 3.4.3): a few hundred prompts tell no more.

    Args:
        settings: To choose from, the smoothest first.
        fit: Fits one setting to prompts.
        train: Prompts that each setting is fitted to for the choice.
        validation: Prompts on which its loss counts; the chosen setting is fitted to both.
        loss: Of scores on prompts, one number per prompt. `contrast` uses every outcome of a prompt. Accuracy uses one,
            that of the chosen candidate, and is mostly noise here; log-loss prefers settings that tell hard prompts
            from easy ones and candidates badly (ridge lost 0.7 points by it on zeroeval and specialists).
    """
    settings = list(settings)
    losses = np.stack([loss(fit(setting, train)(validation.vectors), validation) for setting in settings])
    return fit(settings[smoothest(losses)], train.joined(validation))


def smoothest(losses: np.ndarray) -> int:
    """Return the first row that is within one standard error of the row of least mean loss, (settings, n)."""
    excess = losses - losses[int(np.argmin(losses.mean(axis=1)))]
    return int(np.argmax(excess.mean(axis=1) <= excess.std(axis=1) / np.sqrt(losses.shape[1]) + 1e-12))
