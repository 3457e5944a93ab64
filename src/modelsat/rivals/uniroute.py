"""UniRoute with k-means: a candidate is its vector of mean scores in clusters of prompts.

Source: Jitkrittum et al., Universal Model Routing, ICLR 2026, arXiv 2502.08773 (K-means variant).
"""

import numpy as np

from modelsat.rivals.clusters import cluster, nearest
from modelsat.rivals.group_means import group_means
from modelsat.rivals.rival import Labelled, Scorer, best

CLUSTERS = (5, 10, 20, 50, 100, 300)


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with the number of clusters that predicts validation outcomes best."""
    return best(CLUSTERS, by_cluster, train, validation)


def by_cluster(count: int, train: Labelled) -> Scorer:
    """Average scores within each of `count` clusters; a candidate that was not run in one has its overall level."""
    centroids, groups = cluster(train.vectors, count, seed=0)
    means = group_means(train, groups, len(centroids), prior=0.0)

    def score(vectors: np.ndarray) -> np.ndarray:
        return np.asarray(means[nearest(vectors, centroids)])

    return score
