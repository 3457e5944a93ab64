"""Places a newcomer on a fitted surface by a few answers, without training.

Its loadings have the zoo's distribution as prior, its mean hardly any; its answers, set against what the zoo scored on
the same questions, move them (Bayesian linear regression). What remains is trusted with caution: from the mean the
newcomer loses a standard deviation of what is unknown of it, so that a lucky handful of answers does not take over the
traffic.
With many answers it also gets a direction of its own, for strengths that nobody in the zoo has.
"""

from dataclasses import dataclass, replace

import numpy as np

from modelsat.fusion import loo_ridge
from modelsat.fusion.surface import Surface

DIRECTIONS = 8
CAUTION = 1.0
NOISE = 0.12
"""Variance of one answer around what the zoo's answers to the same question say."""
_ANY_MEAN = 1 / 12
"""Variance of a mean of which nothing is known, anywhere in [0, 1]: the next release may beat the whole zoo."""
_ANY_LOADING = 0.01
"""The same of a loading: with a handful of candidates their spread is hardly known."""
_OWN_DIRECTION_ANSWERS = 200


@dataclass(frozen=True)
class Answers:
    """What one newcomer answered; q questions.

    Attributes:
        scores: In [0, 1], (q,).
        directions: Where the questions lie, (q, r).
        features: As of `Surface.features`, (q, k + c).
    """

    scores: np.ndarray
    directions: np.ndarray
    features: np.ndarray


def place(surface: Surface, answers: Answers) -> Surface:
    """Return the surface with one more candidate, the last."""
    centre, spread = prior(surface)
    r = len(centre) - 1
    design = np.column_stack([np.ones(len(answers.scores)), answers.directions[:, :r]])
    precision = np.linalg.inv(spread) + design.T @ design / NOISE
    unknown = np.linalg.inv(precision)
    found = unknown @ (np.linalg.solve(spread, centre) + design.T @ answers.scores / NOISE)
    mean = float(np.clip(found[0] - CAUTION * np.sqrt(unknown[0, 0]), 0.0, 1.0))
    loadings = np.zeros(surface.loadings.shape[1])
    loadings[:r] = found[1:]
    own = _own_direction(answers, design @ found)
    if own is None:
        return _with(surface, mean, loadings)
    weights = np.column_stack([surface.weights, own.weights[:, 0]])
    wider = replace(
        surface,
        weights=weights.astype(np.float32),
        intercept=np.append(surface.intercept, own.intercept).astype(np.float32),
        loadings=np.column_stack([surface.loadings, np.zeros(len(surface.means))]).astype(np.float32),
    )
    return _with(wider, mean, np.append(loadings, 1.0))


def prior(surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (1 + r,) and covariance (1 + r, 1 + r) of a newcomer's mean and first r loadings.

    Loadings are spread as in the zoo; the mean is hardly bound by it.
    Newcomers that were placed before are left out: cautious as their means are, each would draw the next one down.
    """
    means, known = surface.means[: surface.zoo], surface.loadings[: surface.zoo]
    r = min(DIRECTIONS, int(np.count_nonzero(known.any(axis=0))))
    zoo = np.column_stack([means, known[:, :r]]).astype(np.float64)
    possible = np.diag([_ANY_MEAN, *[_ANY_LOADING] * r])
    return zoo.mean(axis=0), np.cov(zoo.T, bias=True).reshape(r + 1, r + 1) + possible


def _own_direction(answers: Answers, expected: np.ndarray) -> loo_ridge.Heads | None:
    """Fit what the zoo's directions leave unexplained; None where leave-one-out cannot tell it either."""
    if len(answers.scores) < _OWN_DIRECTION_ANSWERS:
        return None
    rest = answers.scores - expected
    heads = loo_ridge.fit(answers.features, (rest - rest.mean())[:, None])
    return heads if heads.skill[0] > 0 else None


def _with(surface: Surface, mean: float, loadings: np.ndarray) -> Surface:
    return replace(
        surface,
        means=np.append(surface.means, mean).astype(np.float32),
        loadings=np.vstack([surface.loadings, loadings]).astype(np.float32),
    )
