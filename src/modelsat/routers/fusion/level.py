"""How strong a newcomer is, read off what the zoo scored on the same questions.

A test's questions are chosen, not drawn: they are harder and tell more than other prompts, so a score on them is no
level. The zoo's scores on these very questions against its levels are a line, and the newcomer's score is read off it
backwards (classical calibration; Osborne, Statistical Calibration: A Review, 1991).
"""

import numpy as np

ANY_LEVEL = 1 / 12
"""Variance of a level of which nothing is known, anywhere in [0, 1]: the next release may beat the whole zoo."""
_SLOPE_VARIANCE = 0.25
"""Of the line around 1, where a point on the questions is a point on all prompts."""
_LEAST_SLOPE = 0.25
"""A better candidate is never expected to score less, whatever a small zoo did on a few questions."""
_DOUBT = 2.0
"""How many candidates' worth the binomial variance of a score counts beside the zoo's distances from the line."""


def prior(levels: np.ndarray) -> tuple[float, float]:
    """Return mean and variance of the level of a newcomer that answered nothing; `levels` are the zoo's, (m,)."""
    return float(levels.mean()), float(levels.var()) + ANY_LEVEL


def read(levels: np.ndarray, zoo: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return mean and variance of a newcomer's level.

    Args:
        levels: Mean score of each of the zoo's candidates on all prompts, (m,), in [0, 1].
        zoo: What these scored on q questions, (q, m), no NaN.
        scores: What the newcomer scored there, (q,), in [0, 1].
    """
    centre, variance = prior(levels)
    if not len(scores):
        return centre, variance
    level, there = levels - centre, zoo.mean(axis=0)
    middle = float(there.mean())
    binomial = max(middle * (1 - middle), 0.05) / len(scores)
    precision = level @ level / binomial + 1 / _SLOPE_VARIANCE
    slope = max(float((level @ (there - middle) / binomial + 1 / _SLOPE_VARIANCE) / precision), _LEAST_SLOPE)
    distances = there - middle - slope * level
    noise = (float(distances @ distances) + _DOUBT * binomial) / len(levels) * (1 + 1 / len(levels))
    known = 1 / (1 / variance + slope**2 / noise)
    return centre + known * slope / noise * (float(scores.mean()) - middle), known
