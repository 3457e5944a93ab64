"""UniRoute with a learned map: a softmax over clusters times the candidates' means in them.

Source: Jitkrittum et al., Universal Model Routing, ICLR 2026, arXiv 2502.08773 (LearnedMap).
"""

import numpy as np
import torch
from torch import nn

from modelsat.rivals.clusters import cluster
from modelsat.rivals.group_means import group_means
from modelsat.rivals.neural import train_head
from modelsat.rivals.rival import Labelled, Scorer, best

CLUSTERS = (20, 50, 100)


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with the number of clusters that predicts validation outcomes best."""
    return best(CLUSTERS, lambda count: by_map(train, validation, count), validation)


def by_map(train: Labelled, validation: Labelled, count: int) -> Scorer:
    """Fit the map to `count` clusters, whose means stay as they are."""
    centroids, groups = cluster(train.vectors, count, seed=0)
    means = group_means(train, groups, len(centroids), prior=0.0)
    return train_head(lambda width, _: Map(width, means, centroids), train, validation, epochs=40, batch=256, rate=3e-3)


class Map(nn.Module):
    """softmax(theta e) times fixed means; it starts at the nearest cluster.

    Args:
        width: Of the prompt vectors.
        means: Mean scores (clusters, candidates).
        centroids: Of the clusters (clusters, width).
    """

    def __init__(self, width: int, means: np.ndarray, centroids: np.ndarray) -> None:
        super().__init__()
        self.theta = nn.Linear(width, len(means))
        with torch.no_grad():
            self.theta.weight.copy_(torch.from_numpy(10.0 * centroids))
            self.theta.bias.zero_()
        self.means = nn.Parameter(torch.from_numpy(np.clip(means, 0.01, 0.99)).float(), requires_grad=False)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return log-odds (prompts, candidates)."""
        return torch.logit(torch.softmax(self.theta(vectors), dim=-1) @ self.means)
