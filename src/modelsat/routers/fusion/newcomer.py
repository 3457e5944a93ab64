"""Places a new candidate on a fitted surface from a few answers, without training.

Its level is estimated from the zoo's scores on the same questions; its relative performance between questions shifts
its loadings away from the zoo's mean (Bayesian linear regression). Its probabilities are expected values. For a choice
they are reduced by an uncertainty margin, one standard deviation of its level, so that a few lucky answers do not
attract all traffic. With many answers it also gets a direction of its own, for strengths that no candidate in the zoo
has.
"""

from dataclasses import dataclass, replace

import numpy as np

from modelsat.routers.fusion import level, loo_ridge
from modelsat.routers.fusion.surface import Surface

DIRECTIONS = 8
CAUTION = 1.0
NOISE = 0.12
"""Variance of one answer around the prediction from the zoo's answers to the same question."""
_ANY_LOADING = 0.01
"""Prior variance of a loading: a small zoo says little about the spread of loadings."""
_OWN_DIRECTION_ANSWERS = 200
FEWEST_FAIR = 16
"""Fewer answers of a fair sample say less of a level than all answers do."""
FAIR_SHARE = 1 / 3
"""Least share of all answers: hundreds of others tell more than a few fair ones."""


@dataclass(frozen=True)
class NewcomerAnswers:
    """Answers of one new candidate to q questions.

    Attributes:
        scores: In [0, 1], (q,).
        zoo: Scores of the surface's candidates on them, observed or expected, (q, m), no NaN.
        features: As of `Surface.features`, (q, k + c).
        fair: Which of them are a fair sample, boolean (q,); the level is read off those where there are 16 and a
            third of all at least, else off all. None stands for all.
        before: Mean and variance of its level without answers; None takes what the zoo makes likely.
    """

    scores: np.ndarray
    zoo: np.ndarray
    features: np.ndarray
    fair: np.ndarray | None = None
    before: tuple[float, float] | None = None


@dataclass(frozen=True)
class Belief:
    """A Gaussian belief about a place: level and first r loadings; `mean` (1 + r,), `covariance` (1 + r, 1 + r)."""

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def uncertainty_margin(self) -> float:
        """Return the uncertainty margin of the new candidate's probabilities: one standard deviation of its level."""
        return CAUTION * float(np.sqrt(self.covariance[0, 0]))


def believe(
    surface: Surface,
    scores: np.ndarray,
    zoo: np.ndarray,
    fair: np.ndarray | None = None,
    before: tuple[float, float] | None = None,
) -> Belief:
    """Return the posterior of a new candidate's position; without answers, the zoo's distribution.

    Candidates that were placed earlier are left out, because little is known about them.

    Args:
        surface: The zoo's.
        scores: As of `NewcomerAnswers`.
        zoo: As of `NewcomerAnswers`.
        fair: As of `NewcomerAnswers`.
        before: As of `NewcomerAnswers`.
    """
    levels, known = surface.means[: surface.zoo].astype(np.float64), surface.loadings[: surface.zoo]
    r = min(DIRECTIONS, int(np.count_nonzero(known.any(axis=0))))
    loadings = known[:, :r].astype(np.float64)
    is_enough = fair is not None and fair.sum() >= max(FEWEST_FAIR, FAIR_SHARE * len(fair))
    sample = fair if is_enough else slice(None)
    mean, variance = level.read(levels, zoo[sample], scores[sample], before)
    spread = _centred(loadings)
    precision = np.linalg.inv(spread.T @ spread / len(loadings) + _ANY_LOADING * np.eye(r))
    # Centred: the overall difficulty of the questions is part of the level.
    design = _centred(surface.observed(zoo)[:, :r])
    posterior = np.linalg.inv(precision + design.T @ design / NOISE)
    posterior_mean = posterior @ (precision @ loadings.mean(axis=0) + design.T @ _centred(scores) / NOISE)
    covariance = np.zeros((1 + r, 1 + r))
    covariance[0, 0], covariance[1:, 1:] = variance, posterior
    return Belief(np.concatenate([[mean], posterior_mean]), covariance)


def place(surface: Surface, answers: NewcomerAnswers) -> Surface:
    """Return the surface with one more candidate, the last."""
    belief = believe(surface, answers.scores, answers.zoo, answers.fair, answers.before)
    mean, margin = float(np.clip(belief.mean[0], 0.0, 1.0)), belief.uncertainty_margin
    loadings = np.zeros(surface.loadings.shape[1])
    loadings[: len(belief.mean) - 1] = belief.mean[1:]
    own = _own_direction(answers, surface.observed(answers.zoo) @ loadings)
    if own is None:
        return _with(surface, mean, margin, loadings)
    weights = np.column_stack([surface.weights, own.weights[:, 0]])
    wider = replace(
        surface,
        weights=weights.astype(np.float32),
        intercept=np.append(surface.intercept, own.intercept).astype(np.float32),
        loadings=np.column_stack([surface.loadings, np.zeros(len(surface.means))]).astype(np.float32),
    )
    return _with(wider, mean, margin, np.append(loadings, 1.0))


def _centred(values: np.ndarray) -> np.ndarray:
    return np.asarray(values - values.mean(axis=0) if len(values) else values, dtype=np.float64)


def _own_direction(answers: NewcomerAnswers, expected: np.ndarray) -> loo_ridge.Heads | None:
    """Fit a direction to the residual; None if leave-one-out shows no predictive skill."""
    if len(answers.scores) < _OWN_DIRECTION_ANSWERS:
        return None
    heads = loo_ridge.fit(answers.features, _centred(answers.scores - expected)[:, None])
    return heads if heads.skill[0] > 0 else None


def _with(surface: Surface, mean: float, margin: float, loadings: np.ndarray) -> Surface:
    return replace(
        surface,
        means=np.append(surface.means, mean).astype(np.float32),
        doubt=np.append(surface.doubt, margin).astype(np.float32),
        loadings=np.vstack([surface.loadings, loadings]).astype(np.float32),
    )
