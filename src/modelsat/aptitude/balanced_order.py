"""Orders prompts so that every beginning is a fair sample of all: of tasks, difficulty and the zoo's outcomes.

A score on a fair sample is the level, also for a candidate unlike all known ones. Questions chosen because they
separate the known candidates are no such sample: they flatter the candidates that they were chosen with, and leave out
what hardly any solved, which is where a stronger candidate shows. Here the next prompt is the one that brings the mean
of the chosen prompts' traits nearest to the mean of all (kernel herding; Chen, Welling and Smola, Super-Samples from
Kernel Herding, 2010), among few prompts drawn by chance: what is not among the traits stays a random sample.
"""

import numpy as np

from modelsat.data import score_matrix

DRAWN = 200
"""Prompts drawn at each step, of which the best is taken."""
DIFFICULTIES = 10
"""Strata of difficulty, of equally many prompts each."""
MOST_CANDIDATES = 64
"""Candidates whose outcomes are balanced, spread evenly over levels; more only take time."""
MOST_MEASURED = 256
"""Candidates by whom difficulty is measured, spread evenly over mean scores; more take memory and tell no more.

With 1,000 simulated candidates on 4,000 prompts, a candidate's mean over the first 50, 100 and 200 questions was 4.5,
3.2 and 2.2 points off its success on all, as with all measured (4.5, 3.2, 2.3; by chance 5.4, 3.6, 2.6; six draws).
"""
ALMOST_WHOLE = 0.9
"""Share of a beginning's questions that are answered; providers refuse some."""
_OF_OUTCOMES = 3.0
"""Weight of one candidate's outcomes beside the weight 1 of a task's and of a stratum's membership."""


def traits(outcomes: np.ndarray, tasks: np.ndarray) -> np.ndarray:
    """Return what a sample is balanced by, (prompts, traits).

    Args:
        outcomes: Scores (prompts, candidates) in [0, 1], NaN where not run.
        tasks: Task of each prompt, (prompts,).
    """
    if outcomes.shape[1] > MOST_MEASURED:
        outcomes = outcomes[:, np.sort(_spread_over(_means(outcomes), MOST_MEASURED))]
    known = score_matrix.filled(outcomes)
    levels = known.mean(axis=0)
    taken = _spread_over(levels, MOST_CANDIDATES)
    deviations = known[:, taken] - levels[taken]
    deviations *= _OF_OUTCOMES / max(float(deviations.std()), 1e-9)
    place = np.argsort(np.argsort(known.mean(axis=1), kind="stable"), kind="stable")
    return np.concatenate([_membership(tasks), _membership(place * DIFFICULTIES // len(known)), deviations], axis=1)


def order(traits: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """Return the rows of the `size` first prompts, in their order.

    Args:
        traits: As of `traits`, (prompts, traits).
        size: At most the number of prompts.
        seed: Of the draws; the same seed gives the same order.
    """
    rng = np.random.default_rng(seed)
    centred = traits - traits.mean(axis=0)
    lengths = (centred**2).sum(axis=1)
    total = np.zeros(centred.shape[1])
    left = np.arange(len(centred))
    chosen = np.empty(size, dtype=np.int64)
    for step in range(size):
        drawn = rng.choice(len(left), min(DRAWN, len(left)), replace=False)
        rows = left[drawn]
        # Rounding must not decide between equals, so that every machine orders alike.
        best = drawn[int(np.argmin(np.round(lengths[rows] + 2 * centred[rows] @ total, 6)))]
        chosen[step] = left[best]
        total += centred[left[best]]
        left = np.delete(left, best)
    return chosen


def beginning(answered: np.ndarray) -> np.ndarray:
    """Return which answers are of the longest beginning of an order that is answered almost whole.

    Those are a fair sample; answers beyond it are of questions that were chosen for what they tell.

    Args:
        answered: Whether each question is answered, in the order, boolean (questions,).
    """
    share = np.cumsum(answered) / np.arange(1, len(answered) + 1)
    whole = np.flatnonzero(share >= ALMOST_WHOLE)
    return np.asarray(answered & (np.arange(len(answered)) <= (whole[-1] if len(whole) else -1)))


def _means(outcomes: np.ndarray) -> np.ndarray:
    """Return the mean score of each candidate, 0 for one that was not run."""
    asked = ~np.isnan(outcomes)
    return np.asarray(outcomes.sum(axis=0, where=asked, dtype=np.float64) / np.maximum(asked.sum(axis=0), 1))


def _spread_over(levels: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many candidates, evenly spread from the lowest level to the highest, in this order."""
    order = np.argsort(levels, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(len(order), most)).round().astype(int))]


def _membership(groups: np.ndarray) -> np.ndarray:
    """Return membership (prompts, groups), each group with the same weight whatever its size."""
    inside = (np.unique(groups)[None, :] == groups[:, None]).astype(np.float64)
    return np.asarray(inside / np.sqrt(inside.mean(axis=0)))
