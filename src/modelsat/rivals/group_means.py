"""Mean scores by group of prompts, shrunk where a group is thin: the table behind every local average."""

import numpy as np

from modelsat.data.score_matrix import levels
from modelsat.rivals.rival import Labelled


def membership(groups: np.ndarray, count: int) -> np.ndarray:
    """Return which prompt is in which group as 0 and 1, float64 (count, prompts): a product with it sums by group."""
    member = np.zeros((count, len(groups)))
    member[groups, np.arange(len(groups))] = 1.0
    return member


def group_means(train: Labelled, groups: np.ndarray, count: int, prior: float) -> np.ndarray:
    """Return the mean score of every candidate in every group.

    Args:
        train: Prompts with outcomes.
        groups: Group of each prompt, whole numbers in [0, count).
        count: Number of groups.
        prior: How many prompts the candidate's overall level counts for in each group; 0 does not shrink, and a
            group in which a candidate was not run has its level all the same.

    Returns:
        float64 array (count, candidates) in [0, 1].
    """
    member = membership(groups, count)
    n = member @ train.asked
    right = member @ train.right
    level = levels(train.outcomes)
    return np.asarray(np.where(n + prior > 0, (right + prior * level) / np.maximum(n + prior, 1e-12), level))
