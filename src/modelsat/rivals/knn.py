"""kNN: the mean over the nearest training prompts (Li, arXiv 2505.12601), as the product's own bundle computes it."""

import numpy as np

from modelsat.rivals.rival import Labelled, Scorer
from modelsat.routers.knn import Knn, choose_neighbours


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with the number of neighbours that routes validation prompts best."""
    neighbours = choose_neighbours(train.vectors, train.outcomes, validation.vectors, validation.outcomes)
    names = [str(i) for i in range(train.outcomes.shape[1])]
    router = Knn(names, None, train.vectors, train.outcomes, neighbours)  # type: ignore[arg-type]

    def score(vectors: np.ndarray) -> np.ndarray:
        return router.from_embeddings(vectors)

    return score
