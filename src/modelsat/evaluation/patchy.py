"""Patchy results: each candidate was run on a part of the prompts, and which part is taken to be chance.

The 95 % rule (`modelsat.data.score_matrix.core_candidates`) measures on complete rows alone. Results of which hardly a
row is complete can be measured under the assumption that outcomes are missing at random: whether a candidate was run
on a prompt then says nothing about how it would have done there. `contradictions` says where the results speak against
that.
"""

from typing import NamedTuple

import numpy as np

from modelsat.data import score_matrix

MIN_SHARE = 0.20
"""Share of a set's prompts that a candidate has to be run on, in [0, 1]: of fewer its level is little known."""
ASSUMPTION = (
    "Whether a candidate was run on a prompt is taken to say nothing about how it would have done "
    f"there. Each prompt's candidates are those that were run on it, of those run on at least {100 * MIN_SHARE:.0f} % "
    "of their set; reference lines choose from the same."
)
_SURE = 4.0
_FEWEST = 20


class Contradiction(NamedTuple):
    """A candidate that was run on easier or harder prompts than it was spared.

    Attributes:
        column: Its column.
        easier: By how much more others score on the prompts that it was run on, in [-1, 1].
    """

    column: int
    easier: float


def contradictions(outcomes: np.ndarray) -> list[Contradiction]:
    """Return the candidates whose prompts differ in difficulty from those that they were not run on.

    How difficult a prompt is, the other candidates say: the mean of what they scored there beyond their own levels. A
    candidate is returned where the means of its prompts and of the others are four standard errors apart.

    Args:
        outcomes: Scores (prompts, candidates) of one set, NaN where not run.

    Returns:
        The largest difference first.
    """
    ran = ~np.isnan(outcomes)
    beyond = np.where(ran, outcomes - score_matrix.levels(outcomes), 0.0)
    found = []
    for column in range(outcomes.shape[1]):
        others = np.delete(np.arange(outcomes.shape[1]), column)
        told = ran[:, others].any(axis=1)
        easiness = beyond[told][:, others].sum(axis=1) / ran[told][:, others].sum(axis=1)
        mine, spared = easiness[ran[told, column]], easiness[~ran[told, column]]
        if min(len(mine), len(spared)) < _FEWEST:
            continue
        error = np.sqrt(mine.var() / len(mine) + spared.var() / len(spared))
        difference = float(mine.mean() - spared.mean())
        if abs(difference) > _SURE * error:
            found.append(Contradiction(column, difference))
    return sorted(found, key=lambda one: -abs(one.easier))
