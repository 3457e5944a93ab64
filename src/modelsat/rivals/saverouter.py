"""SAVERouter's estimator: group means shrunk to a two-way prior, and a ridge on what they leave.

Source: SAVERouter, arXiv 2609.37402 (estimator; its acquisition of labels is left out).
"""

from itertools import product

import numpy as np

from modelsat.rivals.clusters import cluster, nearest
from modelsat.rivals.group_means import membership
from modelsat.rivals.ridge import solve
from modelsat.rivals.rival import Labelled, Scorer, best

CLUSTERS = (10, 30, 100)
PRIOR_PROMPTS = (10.0, 40.0)
PENALTIES = (30.0, 100.0)
ADDITIVE_PENALTY = 1.0
LEAST_OBSERVATIONS = 8


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with the clusters, prior and penalty that predict validation outcomes best."""
    return best(product(CLUSTERS, PRIOR_PROMPTS, PENALTIES), shrunken, train, validation)


def shrunken(setting: tuple[int, float, float], train: Labelled) -> Scorer:
    """Fit one setting.

    Args:
        setting: Number of clusters, how many prompts the two-way prior counts for in a cell, and the penalty of the
            residual ridge.
        train: Prompts with outcomes.
    """
    clusters, prior, penalty = setting
    centroids, groups = cluster(train.vectors, clusters, seed=0)
    member = membership(groups, len(centroids))
    n, right = member @ train.asked, member @ train.right
    base = two_way(n, right)
    cells = (right + prior * base) / (n + prior)
    # Each prompt's own outcome is left out of the cell that it is compared with, else residuals are too small.
    without = (right[groups] - train.right + prior * base[groups]) / (n[groups] - train.asked + prior)
    residual = np.where(train.asked, train.right - without, 0.0)
    weights = solve(train.vectors, residual, train.asked, penalty)
    weights[:, train.asked.sum(axis=0) < LEAST_OBSERVATIONS] = 0.0

    def score(vectors: np.ndarray) -> np.ndarray:
        return np.clip(cells[nearest(vectors, centroids)] + vectors @ weights, 0.0, 1.0)

    return score


def two_way(n: np.ndarray, right: np.ndarray, rounds: int = 20) -> np.ndarray:
    """Fit b + u_g + v_m to cell means by ridge, clipped to [0, 1].

    Args:
        n: Observations per cell (groups, candidates).
        right: Sums of scores per cell.
        rounds: Of alternating least squares.
    """
    total = right.sum() / max(n.sum(), 1.0)
    group, candidate = np.zeros((len(n), 1)), np.zeros((1, n.shape[1]))
    for _ in range(rounds):
        group = (right - n * (total + candidate)).sum(axis=1, keepdims=True) / (
            n.sum(axis=1, keepdims=True) + ADDITIVE_PENALTY
        )
        candidate = (right - n * (total + group)).sum(axis=0, keepdims=True) / (
            n.sum(axis=0, keepdims=True) + ADDITIVE_PENALTY
        )
    return np.clip(total + group + candidate, 0.0, 1.0)
