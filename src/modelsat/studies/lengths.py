"""How long an answer will be, in tokens: a length head per candidate, fitted to answers whose length was logged.

The head is ridge's, on the logarithm of the length: answers are long by factors and not by sums. Prompt by prompt it is
closer than the candidate's mean, and at least as close as its means on the predicted task (docs/results.md, money). A
candidate of whom few answers were logged is drawn to its own level by the penalty; one of whom none was logged is taken
to be as long as the others are on average, prompt by prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from modelsat.data import score_matrix
from modelsat.policy.costs import DEFAULT_TOKENS_OUT
from modelsat.rivals import ridge
from modelsat.rivals.rival import Fit, Labelled, Scorer, best, on_last_layer
from modelsat.studies import cross_validation
from modelsat.studies.cross_validation import Folds

Head = Callable[[Labelled], Scorer]
"""Fits outcomes in [0, 1], here log lengths as a share of the longest."""

RIDGE: tuple[Head, ...] = tuple(partial(ridge.heads, penalty) for penalty in ridge.PENALTIES)
PRIOR_ANSWERS = 5.0


def logged(
    scores: pa.Table, prompt_ids: Sequence[str], candidates: Sequence[str], column: str = "tokens_out"
) -> np.ndarray:
    """Return what was logged beside the scores, float32 (prompts, candidates), NaN where nothing was.

    Args:
        scores: Table of the contract `SCORES`.
        prompt_ids: Row order.
        candidates: Column order.
        column: `tokens_out`, `tokens_in`, `cost_usd` or `latency_seconds`.
    """
    names = ["prompt_id", "candidate", column]
    return score_matrix.matrix(scores.select(names).rename_columns([*names[:2], "score"]), prompt_ids, candidates)


def middle(train: Labelled, validation: Labelled, heads: Sequence[Head] = RIDGE) -> Scorer:
    """Fit the head whose absolute log error on validation prompts is least.

    Args:
        train: Prompts with answer lengths in tokens in the place of outcomes, NaN where not logged.
        validation: The same.
        heads: To choose from.

    Returns:
        Function from vectors (prompts, width) to lengths in tokens (prompts, candidates) in the middle of what is
        likely: half of the answers are longer, but long ones by more, so costs need the mean (`fit`).
    """
    heard = np.asarray(train.asked.any(axis=0))
    if not heard.any():
        return lambda vectors: np.full((len(vectors), len(heard)), DEFAULT_TOKENS_OUT)
    longest = float(np.log1p(max(np.nanmax(train.outcomes), 1.0)))
    # Heads predict in [0, 1]: no answer is expected to be longer than the longest that was logged.
    known, asked = (
        replace(part, outcomes=np.log1p(part.outcomes).astype(np.float32) / longest) for part in (train, validation)
    )
    chosen = best(heads, lambda head, part: head(part), known, asked, _distance)

    def tokens(vectors: np.ndarray) -> np.ndarray:
        lengths = np.expm1(longest * chosen(vectors))
        lengths[:, ~heard] = lengths[:, heard].mean(axis=1, keepdims=True)
        return lengths

    return tokens


def fit(train: Labelled, validation: Labelled, heads: Sequence[Head] = RIDGE) -> Scorer:
    """Fit mean lengths: the middle, times by how much each candidate's known answers are longer than that in sum.

    Args:
        train: Prompts with answer lengths in tokens in the place of outcomes, NaN where not logged.
        validation: The same.
        heads: To choose from.

    Returns:
        Function from vectors (prompts, width) to expected lengths in tokens (prompts, candidates).
    """
    lengths, known = middle(train, validation, heads), train.joined(validation)
    factor = _longer(known.right, np.where(known.asked, lengths(known.vectors), 0.0))
    return lambda vectors: lengths(vectors) * factor


def held_out(folds: Folds, vectors: np.ndarray, tokens: np.ndarray, fit: Fit = fit) -> np.ndarray:
    """Expect the lengths of every prompt by a head that was fitted without its fold.

    Args:
        folds: The set.
        vectors: Unit vectors of its prompts (n, width).
        tokens: Logged answer lengths (n, candidates), NaN where not logged.
        fit: Fits the head.

    Returns:
        Expected answer lengths in tokens (n, candidates), no NaN.
    """
    lengths = replace(folds, arena=replace(folds.arena, truth=tokens))
    return cross_validation.held_out_scores(lengths, vectors, on_last_layer(fit))


def _distance(predicted: np.ndarray, truth: Labelled) -> np.ndarray:
    return np.where(truth.asked, np.abs(predicted - truth.right), 0.0).sum(axis=1)


def _longer(real: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the ratio of the sums (prompts, candidates), mixed with that over all where few answers were logged."""
    answers = max(int((expected > 0).sum()), 1)
    if not expected.any():
        return np.ones(real.shape[1])
    usual, prior = real.sum() / expected.sum(), PRIOR_ANSWERS * expected.sum() / answers
    return np.asarray((real.sum(axis=0) + prior * usual) / (expected.sum(axis=0) + prior))
