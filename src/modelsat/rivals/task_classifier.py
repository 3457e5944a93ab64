"""Task classifier: guess the task of a prompt from its vector, and mix the candidates' means on the tasks."""

import warnings
from collections.abc import Callable

import numpy as np

from modelsat.rivals.group_means import group_means
from modelsat.rivals.rival import Labelled, Scorer, best

INVERSE_PENALTIES = (1.0, 4.0, 16.0)
PRIOR_PROMPTS = 5.0


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with the penalty of the classifier that predicts validation outcomes best."""
    return best(INVERSE_PENALTIES, classify, train, validation)


def classify(inverse_penalty: float, train: Labelled) -> Scorer:
    """Mix the means on the tasks by how likely each task is."""
    names, tasks = np.unique(train.tasks, return_inverse=True)
    means = group_means(train, tasks, len(names), PRIOR_PROMPTS)
    likelihood = posterior(train.vectors, tasks, inverse_penalty)

    def score(vectors: np.ndarray) -> np.ndarray:
        return likelihood(vectors) @ means

    return score


def posterior(vectors: np.ndarray, labels: np.ndarray, inverse_penalty: float) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a multinomial logistic regression.

    Args:
        vectors: Unit vectors (n, width).
        labels: Whole numbers from 0 without gaps (n,).
        inverse_penalty: Of the squared weights, above 0.

    Returns:
        Function from vectors to probabilities (prompts, labels).
    """
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) == 1:
        return lambda asked: np.ones((len(asked), 1))
    with warnings.catch_warnings():
        # A label of one prompt or a fit that stops a little early is no reason to be loud.
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=inverse_penalty, max_iter=200).fit(vectors, labels)
    return lambda asked: np.asarray(model.predict_proba(asked))
