"""How foreign a prompt is: its distance from the prompts that a router was trained on, on a scale from 0 to 1.

The statistic is the prompt's similarity to the nearest landmark: the cosine of the centred vectors of the last layer,
which is the one that language models for embeddings are trained to make similar where texts mean similar things. Two
similarities that come from the landmarks alone calibrate it:

- 0, familiar: at least as near as nine in ten training prompts are to the nearest other training prompt.
- 1, foreign: no nearer than chance. Chance vectors draw each coordinate from another training prompt, so they keep its
  distribution but mean nothing; 99 in 100 of them are further away.

The value is linear in between. It says how much a prediction rests on prompts like this one. It changes no prediction:
how far the surface flattens is its own matter (`modelsat.routers.fusion.surface`), and starts earlier.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.routers.fusion.surface import Surface

FAMILIAR_SHARE = 0.9
CHANCE_SHARE = 0.99
_SHUFFLES = 4


@dataclass(frozen=True)
class ForeignScale:
    """The calibrated scale of one surface.

    Attributes:
        centre: Mean vector of the training prompts in the last layer, (width,).
        landmarks: Centred unit vectors of the landmark prompts there, (k, width).
        chance: Similarity up to which a prompt is foreign, a cosine.
        familiar: Similarity from which on it is familiar, a cosine greater than `chance`.
    """

    centre: np.ndarray
    landmarks: np.ndarray
    chance: float
    familiar: float

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Return how foreign prompts are, (n, layers, width) to float32 (n,) in [0, 1]."""
        nearest = (_unit(vectors[:, -1] - self.centre) @ self.landmarks.T).max(axis=1, initial=-1.0)
        return np.clip((self.familiar - nearest) / (self.familiar - self.chance), 0.0, 1.0).astype(np.float32)


def scale(surface: Surface) -> ForeignScale:
    """Calibrate the scale of a surface; the same surface always gives the same scale."""
    layers = len(surface.centre)
    landmarks = _unit(surface.landmarks.reshape(len(surface.landmarks), layers, -1)[:, -1])
    others = landmarks @ landmarks.T
    np.fill_diagonal(others, -1.0)
    nearest = others.max(axis=1)
    familiar = float(np.quantile(nearest, 1 - FAMILIAR_SHARE))
    rng = np.random.default_rng(0)
    by_chance = [(_unit(rng.permuted(landmarks, axis=0)) @ landmarks.T).max(axis=1) for _ in range(_SHUFFLES)]
    # Where training prompts are no nearer to each other than chance, the farthest of them mark the end of the scale.
    chance = min(float(np.quantile(by_chance, CHANCE_SHARE)), float(np.quantile(nearest, 0.01)), familiar - 1e-3)
    return ForeignScale(surface.centre[-1], landmarks, chance, familiar)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6), dtype=np.float32)
