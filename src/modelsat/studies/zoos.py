"""The paper's zoos mirrored on any candidates: which of them may be chosen, by size and training mean alone.

Small: all of at most ten billion parameters, as the paper's zoo of 7 to 9 billion. High-performance: the best one and
those close behind it, as its three largest. Mixed: both together, the weak beside the strong. A candidate whose size
is unknown is not small. Source: Capability Instruction Tuning (Model-SAT), AAAI 2025, arXiv 2502.17282, experiments.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from modelsat.rivals.rival import Labelled, PromptFit, PromptScorer
from modelsat.studies.cross_validation import Folds

SMALL_PARAMETERS = 10e9
CLOSE_BEHIND = 0.06

Zoo = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Parameters (m,), NaN where unknown, and training means (m,) in [0, 1] to who belongs to it, boolean (m,)."""


def small(n_params: np.ndarray, level: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """Return all candidates of at most ten billion parameters."""
    return np.asarray(n_params <= SMALL_PARAMETERS)


def high_performance(n_params: np.ndarray, level: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """Return all candidates within six points of the best."""
    return np.asarray(level >= level.max() - CLOSE_BEHIND)


def mixed(n_params: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return the small ones and the best ones; nobody where none is small."""
    weak = small(n_params, level)
    return (weak | high_performance(n_params, level)) & weak.any()


ZOOS: dict[str, Zoo] = {"small": small, "mixed": mixed, "high-performance": high_performance}


def within(folds: Folds, zoo: Zoo, n_params: np.ndarray) -> Folds:
    """Restrict a set to a zoo; who belongs is decided per fold, on the training prompts of that fold.

    Args:
        folds: The set.
        zoo: The rule.
        n_params: Parameters of its candidates (m,), NaN where unknown.
    """
    arena = folds.arena
    pool = np.zeros_like(arena.pool)
    for fold in range(folds.count):
        pool[folds.fold == fold] = zoo(n_params, arena.truth[folds.fold != fold].mean(axis=0))
    truth, prior, label_prior, cost = (
        np.where(pool, of_all, np.nan) for of_all in (arena.truth, arena.prior, arena.label_prior, arena.cost)
    )
    inside = replace(arena, pool=pool, truth=truth, prior=prior, label_prior=label_prior, cost=cost)
    if arena.paid is not None:
        inside = replace(inside, paid=np.where(pool, arena.paid, np.nan))
    return replace(folds, arena=inside)


def fit_within(fit: PromptFit, zoo: Zoo, n_params: np.ndarray) -> PromptFit:
    """Return the rival that is fitted to the zoo's candidates alone; its utilities of all others are NaN.

    Args:
        fit: The rival.
        zoo: The rule, applied to the training prompts.
        n_params: Parameters of all candidates (m,), NaN where unknown.
    """

    def fit_to_zoo(train: Labelled, validation: Labelled) -> PromptScorer:
        inside = zoo(n_params, train.joined(validation).outcomes.mean(axis=0))
        scorer = fit(*(part.of(np.flatnonzero(inside)) for part in (train, validation)))

        def score(vectors: np.ndarray, texts: Sequence[str] | np.ndarray | None = None, /) -> np.ndarray:
            utilities = np.full((len(vectors), len(inside)), np.nan)
            utilities[:, inside] = scorer(vectors, texts)
            return utilities

        return score

    return fit_to_zoo
