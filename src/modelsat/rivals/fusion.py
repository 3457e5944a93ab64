"""Fusion behind the interface of the rivals, for one harness. Candidates with few answers are placed, not fitted."""

import hashlib

import numpy as np

from modelsat.data import score_matrix
from modelsat.policy import choice
from modelsat.rivals.rival import Labelled, Scorer
from modelsat.routers.fusion import newcomer, surface
from modelsat.routers.fusion.newcomer import NewcomerAnswers
from modelsat.routers.fusion.surface import Surface

KNOWN_SHARE = 0.5
"""A candidate with fewer answers than this share of the largest number is treated as new."""

# The same zoo is fitted for every draw and every number of a newcomer's outcomes.
_MOST_KEPT = 4
_KEPT: dict[str, Surface] = {}


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit a surface to training and validation prompts; its settings come from leave-one-out errors.

    Scores are probabilities less the uncertainty margins of new candidates.
    """
    fitted, order = _placed(train, validation)
    return lambda fresh: choice.assured(fitted.success_probability(fitted.directions(fresh)), fitted.doubt)[:, order]


def fit_probability(train: Labelled, validation: Labelled) -> Scorer:
    """Fit the same; scores are the probabilities themselves."""
    fitted, order = _placed(train, validation)
    return lambda fresh: fitted.success_probability(fitted.directions(fresh))[:, order]


def _placed(train: Labelled, validation: Labelled) -> tuple[Surface, np.ndarray]:
    """Return a surface with all candidates, and each candidate's position on it."""
    known = train.joined(validation)
    vectors, scores, tasks = known.vectors, known.outcomes, known.tasks
    given = (~np.isnan(scores)).sum(axis=0)
    late = np.flatnonzero(given < KNOWN_SHARE * given.max())
    zoo = np.setdiff1d(np.arange(len(given)), late)
    fitted = _fitted(vectors, scores[:, zoo], tasks)
    asked = ~np.isnan(scores[:, late])
    rows = np.flatnonzero(asked.any(axis=1))
    if len(late):
        features, peers = fitted.features(vectors[rows]), score_matrix.filled(scores[np.ix_(rows, zoo)])
    for i, column in enumerate(late):
        mine = asked[rows, i]
        fitted = newcomer.place(fitted, NewcomerAnswers(scores[rows, column][mine], peers[mine], features[mine]))
    return fitted, np.argsort(np.concatenate([zoo, late]))


def _fitted(vectors: np.ndarray, scores: np.ndarray, tasks: np.ndarray) -> Surface:
    hashed = hashlib.sha256(vectors.tobytes() + scores.tobytes() + "\x00".join(map(str, tasks)).encode())
    key = hashed.hexdigest()
    if key not in _KEPT:
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = surface.fit(vectors, scores, tasks)
    return _KEPT[key]
