"""Which questions tell most about where a newcomer should be chosen, and when further answers would change nothing.

A newcomer's place on the outcome surface (its level and its loadings) is the Gaussian belief of
`modelsat.routers.fusion.newcomer`, which answers narrow. What counts is not the place itself but the choices that
follow from it: a question is worth the variance that its answer takes from the newcomer's success on real prompts,
each prompt weighted by how open the choice there is (greedy A-optimal design; Chaloner and Verdinelli, Bayesian
experimental design, 1995, section 2). All functions are pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from modelsat.routers.fusion.newcomer import CAUTION, NOISE, Belief

BLOCK = 32
LARGEST_SHARE_OF_A_TASK = 0.25
SETTLED = 0.01
"""Share of the prompts on which the choice may still change when asking stops."""


@dataclass(frozen=True)
class Choices:
    """Where choices are made; p prompts.

    Attributes:
        design: Where the prompts lie, (p, d).
        best: Success of the best candidate that the newcomer would have to beat, (p,), in [0, 1].
    """

    design: np.ndarray
    best: np.ndarray

    def margins(self, belief: Belief) -> tuple[np.ndarray, np.ndarray]:
        """Return by how much the newcomer beats the best one on each prompt, and the standard deviation of that."""
        variance = np.einsum("pi,ij,pj->p", self.design, belief.covariance, self.design)
        return self.design @ belief.mean - self.best, np.sqrt(np.maximum(variance, 1e-12))


def design(directions: np.ndarray, size: int) -> np.ndarray:
    """Return rows of a design of `size` columns: 1 for the mean, then directions (n, at least size - 1)."""
    return np.column_stack([np.ones(len(directions)), directions[:, : size - 1]])


def unsettled(belief: Belief, choices: Choices) -> float:
    """Return on which share of the prompts the choice would change, on average, if the place were known exactly.

    The choice as it stands is made with caution: it does not count on the newcomer's uncertainty margin.
    """
    margin, deviation = choices.margins(belief)
    stands = margin - belief.uncertainty_margin > 0
    wins = _normal_cdf(margin / deviation)
    return float(np.where(stands, 1 - wins, wins).mean())


def next_block(
    belief: Belief, choices: Choices, questions: np.ndarray, tasks: Sequence[str], size: int = BLOCK
) -> list[int]:
    """Choose the questions to ask next, the most telling first.

    Args:
        belief: What is known of the newcomer.
        choices: Where choices are made.
        questions: Where the questions lie that were not asked yet, (n, d).
        tasks: Task of each, (n,); none gets more than a quarter of a block where there are others.
        size: Questions wanted.

    Returns:
        Rows of `questions`, all of them where there are no more than `size`.
    """
    weights = _weights(belief, choices)
    counts = choices.design.T @ (weights[:, None] * choices.design)
    # What is not known of the mean is taken from it: a newcomer is chosen too rarely until it is known.
    counts[0, 0] += CAUTION**2 * weights.sum()
    covariance = belief.covariance
    room = dict.fromkeys(tasks, max(ceil(size * LARGEST_SHARE_OF_A_TASK), ceil(size / max(len(set(tasks)), 1))))
    is_open = np.ones(len(questions), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < size and is_open.any():
        moved = questions @ covariance
        noise = NOISE + np.einsum("ni,ni->n", moved, questions)
        gain = np.einsum("ni,ij,nj->n", moved, counts, moved) / noise
        row = int(np.argmax(np.where(is_open, gain, -np.inf)))
        chosen.append(row)
        is_open[row] = False
        covariance = covariance - np.outer(moved[row], moved[row]) / noise[row]
        room[tasks[row]] -= 1
        if not room[tasks[row]]:
            is_open &= np.asarray([task != tasks[row] for task in tasks])
    return chosen


def _weights(belief: Belief, choices: Choices) -> np.ndarray:
    """Return how open the choice is on each prompt: the density of a tie, relative to the most open one, (p,)."""
    margin, deviation = choices.margins(belief)
    density = np.exp(-0.5 * (margin / deviation) ** 2) / deviation
    return np.asarray(density / max(float(density.max(initial=0.0)), 1e-12))


def _normal_cdf(z: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))
