"""Expected outcomes of all models where each prompt was answered by one: what prompts share, then what each model adds.

Matrix methods fail here: with one answer a prompt, how hard it was and how good the model is cannot be told apart row
by row. So the prompt's ease is predicted from its vectors over all answers, and each model's deviation from that over
its own. What is predicted without leave-one-out skill is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelsat.routers.fusion import loo_ridge
from modelsat.routers.fusion.loo_ridge import Heads
from modelsat.routers.fusion.surface import described, kernel

LANDMARKS = 600
LEAST_ANSWERS = 40
"""A model with fewer answers has a level and no deviation of its own."""
_ROUNDS = 3
_PRIOR_ANSWERS = 5.0


@dataclass(frozen=True)
class ExpectedOutcomes:
    """A fitted model of outcomes; k landmarks, m models.

    Attributes:
        centre: Mean vector of the prompts, (layers, width).
        landmarks: Described prompts, (k, layers * width).
        root: What makes distances between features those of the kernel, (k, k).
        shared: What prompts share, one head; None without skill.
        base: Mean outcome beyond the levels, where there is no shared head.
        levels: By how much each model is better than the mean, (m,).
        own: Each model's deviation; None without skill.
    """

    centre: np.ndarray
    landmarks: np.ndarray
    root: np.ndarray
    shared: Heads | None
    base: float
    levels: np.ndarray
    own: Sequence[Heads | None]

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Return expected outcomes in [0, 1] of prompts with vectors (n, layers, width), (n, m)."""
        features = self._features(vectors)
        common = np.full(len(vectors), self.base) if self.shared is None else self.shared(features)[:, 0]
        expected = common[:, None] + self.levels
        for column, heads in enumerate(self.own):
            if heads is not None:
                expected[:, column] += heads(features)[:, 0]
        return np.asarray(np.clip(expected, 0.0, 1.0))

    def _features(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(kernel(described(vectors, self.centre) @ self.landmarks.T) @ self.root)


def fit(vectors: np.ndarray, model: np.ndarray, outcome: np.ndarray, models: int) -> ExpectedOutcomes:
    """Fit to answers, a row each.

    Args:
        vectors: Unit vectors of the prompts, (n, layers, width).
        model: Column of the model that answered, (n,).
        outcome: In [0, 1], (n,).
        models: How many columns there are.
    """
    centre = vectors.mean(axis=0)
    placed = described(vectors, centre)
    landmarks = placed[np.sort(np.random.default_rng(0).permutation(len(vectors))[:LANDMARKS])]
    values, axes = np.linalg.eigh(kernel(landmarks @ landmarks.T).astype(np.float64) + 1e-4 * np.eye(len(landmarks)))
    root = axes / np.sqrt(np.maximum(values, 1e-4))
    features = kernel(placed @ landmarks.T) @ root
    answers = np.bincount(model, minlength=models)
    levels, common = np.zeros(models), np.full(len(outcome), outcome.mean())
    for _ in range(_ROUNDS):
        levels = np.bincount(model, outcome - common, models) / (answers + _PRIOR_ANSWERS)
        shared = loo_ridge.fit(features, (outcome - levels[model])[:, None])
        base = float((outcome - levels[model]).mean())
        common = shared.held_out[:, 0] if shared.skill[0] > 0 else np.full(len(outcome), base)
    residual = outcome - levels[model] - common
    own: list[Heads | None] = []
    for column in range(models):
        mine = model == column
        heads = loo_ridge.fit(features[mine], residual[mine][:, None]) if mine.sum() >= LEAST_ANSWERS else None
        own.append(heads if heads is not None and heads.skill[0] > 0 else None)
    return ExpectedOutcomes(centre, landmarks, root, shared if shared.skill[0] > 0 else None, base, levels, own)
