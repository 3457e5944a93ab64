"""Pools of any size, simulated from published averages of real models: who is best is known, without label noise.

A simulated candidate is a level and a shape. The level is the overall accuracy of a real model, drawn with replacement
from those within the range of the models whose shape is known: beyond it a shape would be extrapolated.
The shape says by how much it is better or worse on each subject, on the scale of log-odds: a mixture, in random
proportions, of the shapes of two of the ten real models nearest to that level. The shape is moved until the mean over
the subjects is the level. What a candidate does on a prompt is a coin thrown with its accuracy on the prompt's subject.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.policy import choice
from modelsat.rivals.rival import Fit, Labelled

NEAREST_SHAPES = 10
LEAST, MOST = 0.02, 0.98
_HALVINGS = 50


@dataclass(frozen=True)
class SimulatedPool:
    """Simulated candidates on real prompts.

    Attributes:
        train: Training prompts, with one outcome per candidate.
        validation: Validation prompts, likewise.
        vectors: Unit vectors of the test prompts (test, width).
        success: True success probabilities on the test prompts (test, candidates), in [0, 1].
    """

    train: Labelled
    validation: Labelled
    vectors: np.ndarray
    success: np.ndarray

    @property
    def level(self) -> np.ndarray:
        """Return the candidates' means on the training outcomes (candidates,)."""
        return np.asarray(self.train.outcomes.mean(axis=0))

    @property
    def single(self) -> int:
        """Return the column of the best single candidate, by training outcomes."""
        return int(self.level.argmax())

    def routed(self, fit: Fit) -> tuple[float, float]:
        """Return the true success of a rival's choices, and its own scores of them, means over the test prompts."""
        scores = fit(self.train, self.validation)(self.vectors)
        chosen = choice.choose(scores, mean_score=self.level)
        rows = np.arange(len(chosen))
        return float(self.success[rows, chosen].mean()), float(scores[rows, chosen].mean())


def draw_profiles(real: np.ndarray, levels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw candidates.

    Args:
        real: Accuracies of real models by subject (models, subjects), in [0, 1].
        levels: Overall accuracies of real models, some of them within the range of the means of `real`, in [0, 1].
        count: How many to draw.
        rng: Source of randomness.

    Returns:
        Success probabilities (count, subjects), in (0, 1); the mean of each row is the level that was drawn.
    """
    odds, overall = _log_odds(real), real.mean(axis=1)
    level = rng.choice(levels[(levels >= overall.min()) & (levels <= overall.max())], count)
    distance = np.abs(overall[None, :] - level[:, None])
    near = np.argsort(distance, axis=1, kind="stable")[:, :NEAREST_SHAPES]
    pair = rng.permuted(near, axis=1)[:, :2]
    share = rng.random((count, 1))
    # Where there is one real model only, it is mixed with itself.
    shape = share * odds[pair[:, 0]] + (1 - share) * odds[pair[:, -1]]
    return moved_to(shape, level)


def moved_to(shape: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Add one number to the log-odds of every candidate, such that its mean accuracy is its level.

    Args:
        shape: Log-odds (candidates, subjects).
        level: Wanted means (candidates,), in (0, 1).

    Returns:
        Success probabilities (candidates, subjects).
    """
    wanted = _log_odds(level)
    # At these bounds all subjects are on one side of the level.
    low, high = wanted - shape.max(axis=1), wanted - shape.min(axis=1)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        too_good = _probability(shape + middle[:, None]).mean(axis=1) > level
        low, high = np.where(too_good, low, middle), np.where(too_good, middle, high)
    return _probability(shape + ((low + high) / 2)[:, None])


def draw_outcomes(success: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Throw a coin for every prompt and candidate, float32 of the shape of `success` with values 0 and 1."""
    return (rng.random(success.shape) < success).astype(np.float32)


def draw_pool(
    profiles: np.ndarray,
    vectors: np.ndarray,
    subjects: np.ndarray,
    sizes: tuple[int, int, int],
    rng: np.random.Generator,
) -> SimulatedPool:
    """Draw prompts and throw the coins.

    Args:
        profiles: Success probabilities (candidates, subjects).
        vectors: Unit vectors of prompts to draw from (prompts, width).
        subjects: Subject of each prompt, columns of `profiles` (prompts,).
        sizes: How many prompts train, validate and test; together at most as many as there are.
        rng: Source of randomness.
    """
    rows = np.split(rng.permutation(len(vectors))[: sum(sizes)], np.cumsum(sizes)[:2])
    success = [profiles[:, subjects[part]].T for part in rows]
    train, validation = (
        Labelled(vectors[part], draw_outcomes(chance, rng), subjects[part].astype(str), np.full(chance.shape, np.nan))
        for part, chance in zip(rows[:2], success[:2], strict=True)
    )
    return SimulatedPool(train, validation, vectors[rows[2]], success[2])


def _log_odds(probability: np.ndarray) -> np.ndarray:
    inside = np.clip(probability, LEAST, MOST)
    return np.asarray(np.log(inside / (1 - inside)))


def _probability(log_odds: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
