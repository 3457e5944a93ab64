"""InferenceDynamics: ranked tags of a prompt, and the candidates' mean scores by tag.

Source: Shi et al., InferenceDynamics, ACL 2026, arXiv 2505.16303 (query annotation, profile and routing formulas).

The annotator can be exchanged. `fit` uses a small classifier trained on the tasks of the training prompts. It ranks the
tasks by likelihood both in fitting and in routing, so no prompt is described by the label of its benchmark.
`fit_annotated` takes the tags of any other annotator, such as an LLM (`tag_features`), in place of vectors.
"""

from collections.abc import Callable
from operator import itemgetter

import numpy as np

from modelsat.data.score_matrix import levels
from modelsat.rivals.rival import Labelled, Scorer, best, regret
from modelsat.rivals.task_classifier import posterior

Annotate = Callable[[np.ndarray], np.ndarray]
"""Features of prompts to their tags, the most important first: whole numbers (prompts, ranks), -1 after the last."""

DECAYS, LIKELIEST = (0.5, 0.8, 0.25), 3
RARE, INVERSE_PENALTY = 10, 4.0


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit with our annotator; scores are no probabilities, so the decay is chosen by what it routes to."""
    return best(DECAYS, lambda decay, known: profile(known, *annotator(known), decay), train, validation, regret)


def fit_annotated(train: Labelled, validation: Labelled) -> Scorer:
    """Fit to tags from another annotator; each kind of tag is measured separately and has equal weight.

    Args:
        train: Prompts with `tag_features` for vectors, (prompts, kinds, ranks).
        validation: The same; the decay is the one that routes them best.
    """

    def measured(decay: float, known: Labelled) -> Scorer:
        kinds, tags = range(known.vectors.shape[1]), int(known.vectors.max()) + 1
        scorers = [profile(known, itemgetter(np.s_[:, kind]), tags, decay) for kind in kinds]
        return lambda numbers: np.sum([scorer(numbers) for scorer in scorers], axis=0)

    return best(DECAYS, measured, train, validation, regret)


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
        return np.argsort(-likelihood(vectors), axis=1, kind="stable")[:, :LIKELIEST]

    return annotate, int(tags.max()) + 1


def profile(train: Labelled, annotate: Annotate, tags: int, decay: float) -> Scorer:
    """Measure every candidate by tag and return the look-up; all candidates score 0 where a prompt has no tag.

    Args:
        train: The index set.
        annotate: The annotator.
        tags: How many tags there are in the index set.
        decay: Weight of a rank against the one before, in (0, 1].
    """
    annotated = annotate(train.vectors)
    weights = rank_weights(annotated, decay)
    level = levels(train.outcomes)
    # The last row is of tags that the index set does not have.
    total, count = np.zeros((tags + 1, len(level))), np.zeros((tags + 1, len(level)))
    for rank in range(annotated.shape[1]):
        rows = annotated[:, rank] >= 0
        np.add.at(total, annotated[rows, rank], weights[rows, rank, None] * train.right[rows])
        np.add.at(count, annotated[rows, rank], train.asked[rows].astype(float))
    # As published: divided by the count and not by the weights.
    unmeasured = level / (decay ** np.arange(annotated.shape[1])).sum()
    index = np.where(count > 0, total / np.maximum(count, 1), unmeasured)

    def score(features: np.ndarray) -> np.ndarray:
        asked = annotate(features)
        return np.einsum("nr,nrm->nm", rank_weights(asked, decay), index[np.minimum(asked, tags)])

    return score


def rank_weights(annotated: np.ndarray, decay: float) -> np.ndarray:
    """Return the weights of ranked tags (prompts, ranks): of sum 1 per prompt, 0 where there is no tag."""
    weights = np.where(annotated >= 0, decay ** np.arange(annotated.shape[1]), 0.0)
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12))
