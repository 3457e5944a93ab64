"""The Avengers and Avengers-Pro: ranks of candidates in clusters of prompts, voting left out.

Sources: Zhang et al., The Avengers, AAAI 2026, arXiv 2505.19797, and its authors' code; Zhang et al., Beyond GPT-5
(Avengers-Pro), DAI 2025, arXiv 2508.12631, for the weighing of accuracy and cost.

The recipe's known weaknesses are kept: no shrinkage, ranks instead of margins, centroids that are not of unit length. A
missing price counts as the most expensive; the published code treats it as free.
"""

import numpy as np

from modelsat.policy.choice import relative_costs
from modelsat.rivals.clusters import cluster
from modelsat.rivals.group_means import group_means, membership
from modelsat.rivals.rival import Labelled, Scorer

CLUSTERS, NEAREST, SHARPNESS, SEED = 64, 3, 6.0, 42
PRO_CLUSTERS, PRO_NEAREST, PRO_SHARPNESS, PRO_ACCURACY_WEIGHT = 40, 3, 9.0, 0.7


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit The Avengers to all prompts; its settings are the paper's, so there is nothing to choose."""
    train = train.joined(validation)
    centroids, groups = cluster(train.vectors, CLUSTERS, SEED)
    accuracy = group_means(train, groups, len(centroids), prior=0.0)
    return _by_rank(centroids, _ranks(accuracy), NEAREST, SHARPNESS, offset=0.1)


def fit_pro(train: Labelled, validation: Labelled) -> Scorer:
    """Fit Avengers-Pro to all prompts with the published weights, 0.7 on accuracy and 0.3 on cheapness."""
    train = train.joined(validation)
    centroids, groups = cluster(train.vectors, PRO_CLUSTERS, SEED, starts=10)
    accuracy = group_means(train, groups, len(centroids), prior=0.0)
    cost = _cluster_costs(train.cost, groups, len(centroids))
    spread = np.ptp(accuracy, axis=1, keepdims=True)
    lowest = accuracy.min(axis=1, keepdims=True)
    scaled = np.where(spread > 0, (accuracy - lowest) / np.where(spread > 0, spread, 1.0), 1.0)
    utility = PRO_ACCURACY_WEIGHT * scaled + (1 - PRO_ACCURACY_WEIGHT) * (1 - relative_costs(cost))
    return _by_rank(centroids, _ranks(utility), PRO_NEAREST, PRO_SHARPNESS, offset=1.0)


def _cluster_costs(cost: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    priced = ~np.isnan(cost).any(axis=0)
    member = membership(groups, count)
    means = member @ np.nan_to_num(cost) / np.maximum(member.sum(axis=1, keepdims=True), 1)
    return np.where(priced, means, np.nan)


def _ranks(utility: np.ndarray) -> np.ndarray:
    """Rank candidates within each cluster, 0 for the best."""
    order = np.argsort(-utility, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(utility.shape[1])[None, :], axis=1)
    return ranks


def _by_rank(centroids: np.ndarray, ranks: np.ndarray, nearest: int, sharpness: float, offset: float) -> Scorer:
    reciprocal = 1.0 / (ranks + offset)

    def score(vectors: np.ndarray) -> np.ndarray:
        distance = 1.0 - vectors @ centroids.T
        count = min(nearest, len(centroids))
        near = np.argsort(distance, axis=1, kind="stable")[:, :count]
        weight = np.exp(-sharpness * np.take_along_axis(distance, near, axis=1))
        weight /= weight.sum(axis=1, keepdims=True)
        return np.einsum("nk,nkm->nm", weight, reciprocal[near])

    return score
