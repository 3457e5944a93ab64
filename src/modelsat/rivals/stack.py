"""The stack: the mean of kNN and task classifier, the strongest simple rival."""

import numpy as np

from modelsat.rivals import knn, task_classifier
from modelsat.rivals.rival import Labelled, Scorer


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit both."""
    members = [knn.fit(train, validation), task_classifier.fit(train, validation)]

    def score(vectors: np.ndarray) -> np.ndarray:
        return np.mean([member(vectors) for member in members], axis=0)

    return score
