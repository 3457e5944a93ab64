"""UniRoute with a learned map: a softmax over clusters times the candidates' means in them.

Source: Jitkrittum et al., Universal Model Routing, ICLR 2026, arXiv 2502.08773 (LearnedMap).
"""

import numpy as np
import torch
from torch import nn

from modelsat.rivals.clusters import cluster
from modelsat.rivals.group_means import group_means
from modelsat.rivals.neural import Make, Schedule, stopped, trained
from modelsat.rivals.rival import Labelled, Scorer, contrast, smoothest

CLUSTERS = (20, 50, 100)
SCHEDULE = Schedule(epochs=40, rate=3e-3)


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with the number of clusters, and of epochs, that predicts validation outcomes best."""
    tried = [(count, *stopped(maps(count, train), train, validation, SCHEDULE)) for count in CLUSTERS]
    losses = np.stack([contrast(scorer(validation.vectors), validation) for _, _, scorer in tried])
    count, epochs, _ = tried[smoothest(losses)]
    known = train.joined(validation)
    return trained(maps(count, known), known, SCHEDULE, epochs)


def maps(count: int, known: Labelled) -> Make:
    """Return what makes the map to `count` clusters of the prompts, whose means stay as they are."""
    centroids, groups = cluster(known.vectors, count, seed=0)
    means = group_means(known, groups, len(centroids), prior=0.0)
    return lambda width, _: Map(width, means, centroids)


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
