"""Estimates the level of a new candidate from the zoo's scores on the same questions.

A test's questions are selected, not sampled: they are harder and more discriminative than other prompts, so the score
on them is not the level. The zoo's scores on these questions are regressed on its levels, and the line is inverted for
the new candidate's score (classical calibration; Osborne, Statistical Calibration: A Review, 1991).
"""

import numpy as np

ANY_LEVEL = 1 / 12
"""Variance of an unknown level, anywhere in [0, 1]: the next release may beat the whole zoo."""
_SLOPE_VARIANCE = 0.25
"""Prior variance of the slope around 1, where a point on the questions is a point on all prompts."""
_LEAST_SLOPE = 0.25
"""Least slope: a better candidate is never expected to score lower, even if a small zoo suggests it."""
_DOUBT = 2.0
"""How many candidates' worth the binomial variance of a score counts beside the zoo's distances from the line."""


def prior(levels: np.ndarray) -> tuple[float, float]:
    """Return mean and variance of the level of a new candidate without answers; `levels` are the zoo's, (m,)."""
    return float(levels.mean()), float(levels.var()) + ANY_LEVEL


def read(
    levels: np.ndarray, zoo: np.ndarray, scores: np.ndarray, before: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Return mean and variance of a new candidate's level.

    The variance of its score, given how hard the questions are, is at least that of sampling so many answers.

    Args:
        levels: Mean score of each of the zoo's candidates on all prompts, (m,), in [0, 1].
        zoo: Their scores on q questions, observed or expected, (q, m), no NaN.
        scores: The new candidate's scores there, (q,), in [0, 1].
        before: Mean and variance of its level without answers; None takes `prior`.
    """
    centre = float(levels.mean())
    expected, variance = before or prior(levels)
    if not len(scores):
        return expected, variance
    level, there = levels - centre, zoo.mean(axis=0)
    middle = float(there.mean())
    binomial = max(middle * (1 - middle), 0.05) / len(scores)
    precision = level @ level / binomial + 1 / _SLOPE_VARIANCE
    slope = max(float((level @ (there - middle) / binomial + 1 / _SLOPE_VARIANCE) / precision), _LEAST_SLOPE)
    distances = there - middle - slope * level
    noise = (float(distances @ distances) + _DOUBT * binomial) / len(levels) * (1 + 1 / len(levels))
    # Expected scores lie on the line by construction: how far a drawn score lies from it is known from its sampling.
    ease = zoo.mean(axis=1)
    noise = max(noise, float((ease * (1 - ease)).mean()) / len(scores))
    known = 1 / (1 / variance + slope**2 / noise)
    surprise = float(scores.mean()) - middle - slope * (expected - centre)
    return expected + known * slope / noise * surprise, known
