"""InferenceDynamics: ranked tags of a prompt, and the candidates' mean scores by tag (peers.md, 3.2 and 3.3).

The annotator is a plug. The one here is a small classifier trained on the training prompts' tasks: it ranks the tasks
by likelihood, at fitting and at routing alike, so that no prompt is ever described by its benchmark's own label.
"""

from collections.abc import Callable

import numpy as np

from modelsat.outcomes import levels
from modelsat.rivals.rival import Labelled, Scorer, best, regret
from modelsat.rivals.task_classifier import posterior

Annotate = Callable[[np.ndarray], np.ndarray]
"""Unit vectors (prompts, width) to their most important tags first, whole numbers (prompts, ranks)."""

DECAY, RANKS = 0.5, 3
RARE, INVERSE_PENALTY = 10, 4.0


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with our annotator; the decay is chosen on validation prompts."""
    annotate, tags = annotator(train)
    return best((DECAY, 0.8, 0.25), lambda decay: profile(train, annotate, tags, decay), validation, regret)


def annotator(train: Labelled) -> tuple[Annotate, int]:
    """Train the classifier and return it with the number of tags; rare tasks share one tag, as rare phrases do there.

    Args:
        train: Prompts with tasks.
    """
    names, counts = np.unique(train.tasks, return_counts=True)
    common = {name: i for i, name in enumerate(names[counts >= RARE])}
    _, tags = np.unique([common.get(task, len(common)) for task in train.tasks], return_inverse=True)
    likelihood = posterior(train.vectors, tags, INVERSE_PENALTY)

    def annotate(vectors: np.ndarray) -> np.ndarray:
        return np.argsort(-likelihood(vectors), axis=1, kind="stable")[:, :RANKS]

    return annotate, int(tags.max()) + 1


def profile(train: Labelled, annotate: Annotate, tags: int, decay: float) -> Scorer:
    """Measure every candidate by tag and return the look-up.

    Args:
        train: The index set.
        annotate: The annotator.
        tags: How many tags there are.
        decay: Weight of a rank against the one before, in (0, 1].
    """
    annotated = annotate(train.vectors)
    weights = decay ** np.arange(annotated.shape[1])
    weights = weights / weights.sum()
    level = levels(train.outcomes)
    total, count = np.zeros((tags, len(level))), np.zeros((tags, len(level)))
    for rank, weight in enumerate(weights):
        np.add.at(total, annotated[:, rank], weight * train.right)
        np.add.at(count, annotated[:, rank], train.asked.astype(float))
    # As published: divided by the count and not by the weights.
    index = np.where(count > 0, total / np.maximum(count, 1), weights[0] * level)

    def score(vectors: np.ndarray) -> np.ndarray:
        return np.einsum("r,nrm->nm", weights, index[annotate(vectors)])

    return score
