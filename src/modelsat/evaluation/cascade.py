"""What a cascade costs where answers can be checked: the cheapest candidate first, the next one where it failed.

It reads no prompt. From the outcomes of all candidates it is computed exactly, for a checker that is right about an
answer with a given probability: it passes a wrong answer, and sends a right one back, with the rest. The last
candidate's answer is delivered whatever the checker says.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cascade:
    """What came of it.

    Attributes:
        accuracy: Mean score of what is delivered, in [0, 1].
        cost_usd: Mean cost per prompt, all candidates that were asked included.
        asked: How many candidates were asked per prompt.
    """

    accuracy: float
    cost_usd: float
    asked: float


def run(outcomes: np.ndarray, cost: np.ndarray, precision: float = 1.0) -> Cascade:
    """Run a cascade over prompts.

    Args:
        outcomes: Scores (n, steps) of the candidates in the order in which they are asked, in [0, 1]; a score between
            the two counts as right with that probability.
        cost: Cost of each answer in USD, of the same shape.
        precision: Probability that the checker is right about an answer, in [0.5, 1].
    """
    n, steps = outcomes.shape
    reached, delivered, spent, asked = np.ones(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for step in range(steps):
        right = outcomes[:, step].astype(np.float64)
        spent += reached * cost[:, step]
        asked += reached
        last = step == steps - 1
        passes_right, passes_wrong = (1.0, 1.0) if last else (precision, 1.0 - precision)
        delivered += reached * right * passes_right
        reached = reached * (right * (1 - passes_right) + (1 - right) * (1 - passes_wrong))
    return Cascade(float(delivered.mean()), float(spent.mean()), float(asked.mean()))
