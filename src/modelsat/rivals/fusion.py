"""Fusion behind the interface of the rivals, for one harness. Candidates with few answers are placed, not fitted."""

import numpy as np

from modelsat.data import score_matrix
from modelsat.policy import choice
from modelsat.rivals.remembered import Remembered
from modelsat.rivals.rival import Labelled, Scorer
from modelsat.routers.fusion import newcomer, surface
from modelsat.routers.fusion.newcomer import NewcomerAnswers
from modelsat.routers.fusion.surface import Surface

KNOWN_SHARE = 0.5
"""A candidate with fewer answers than this share of the largest number is treated as new."""


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


def zoo_and_late(outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the candidates that are fitted, and of those that are placed, of outcomes (n, m)."""
    given = (~np.isnan(outcomes)).sum(axis=0)
    late = np.flatnonzero(given < KNOWN_SHARE * given.max())
    return np.setdiff1d(np.arange(len(given)), late), late


def placed(zoo: Surface, prompts: Labelled, columns: np.ndarray, late: np.ndarray) -> Surface:
    """Return a surface with late candidates behind its own.

    Args:
        zoo: The surface of the candidates in `columns`.
        prompts: With the outcomes of all.
        columns: As of `zoo_and_late`.
        late: Likewise.
    """
    asked = ~np.isnan(prompts.outcomes[:, late])
    rows = np.flatnonzero(asked.any(axis=1))
    fitted = zoo
    if len(late):
        features = zoo.features(prompts.vectors[rows])
        peers = score_matrix.filled(prompts.outcomes[np.ix_(rows, columns)])
    for i, column in enumerate(late):
        mine = asked[rows, i]
        answers = NewcomerAnswers(prompts.outcomes[rows, column][mine], peers[mine], features[mine])
        fitted = newcomer.place(fitted, answers)
    return fitted


def _placed(train: Labelled, validation: Labelled) -> tuple[Surface, np.ndarray]:
    """Return a surface with all candidates, and each candidate's position on it."""
    known = train.joined(validation)
    zoo, late = zoo_and_late(known.outcomes)
    return placed(_surface(known.of(zoo)), known, zoo, late), np.argsort(np.concatenate([zoo, late]))


_surface = Remembered(lambda prompts: surface.fit(prompts.vectors, prompts.outcomes, prompts.tasks))
