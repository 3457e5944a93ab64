"""kNN: the mean over the nearest training prompts (Li, arXiv 2505.12601), as the product's own bundle computes it."""

import numpy as np

from modelsat.rivals.rival import Labelled, Scorer, best
from modelsat.routers.neighbours import means, overall_means

NEIGHBOURS = (200, 100, 50, 20)


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with the number of neighbours that predicts validation outcomes best."""
    return best(NEIGHBOURS, nearest, train, validation)


def nearest(neighbours: int, known: Labelled) -> Scorer:
    """Average over that many of the known prompts."""
    outcomes = known.outcomes.astype(np.float32)
    overall = overall_means(outcomes)
    return lambda vectors: means(vectors, known.vectors, outcomes, overall, neighbours)
