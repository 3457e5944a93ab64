"""The capability encoder: a candidate's card becomes numbers and vectors that the network reads.

A card line has two parts: the topic of its task and the candidate's accuracy there. The sentence encoder reads the
topic (the five keywords). Sentence encoders barely distinguish 10 % from 90 %, so the accuracy enters as a number: its
distance from the zoo's mean, in logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LEAST, _MOST = 0.01, 0.99


@dataclass(frozen=True)
class CapabilityEncoder:
    """Turns shrunken accuracies into capability vectors.

    Attributes:
        meanings: Unit vectors of the tasks' keywords, float32 (tasks, width).
        zoo_mean: Mean logit accuracy of the training zoo per task, float32 (tasks,).
        scale: Standard deviation of the zoo's logits around `zoo_mean`, above 0.
    """

    meanings: np.ndarray
    zoo_mean: np.ndarray
    scale: float

    @property
    def tasks(self) -> int:
        """Return the number of card lines."""
        return int(self.meanings.shape[0])

    @property
    def width(self) -> int:
        """Return the length of a capability vector: the level, one number per card line, the profile."""
        return 1 + self.tasks + int(self.meanings.shape[1])

    def encode(self, accuracies: np.ndarray) -> np.ndarray:
        """Encode cards.

        Args:
            accuracies: Shrunken accuracies (candidates, tasks), in [0, 1].

        Returns:
            float32 (candidates, width). First the level: the mean deviation over all tasks. Then each line's deviation
            from the level. Then the profile: the lines' meanings, each scaled by its deviation, summed. A candidate's
            vector depends on its own card alone.
        """
        deviation = (_logit(accuracies) - self.zoo_mean) / self.scale
        level = deviation.mean(axis=1, keepdims=True)
        lines = deviation - level
        profile = lines @ self.meanings / np.sqrt(self.tasks)
        return np.concatenate([level, lines, profile], axis=1).astype(np.float32)


def fit(accuracies: np.ndarray, meanings: np.ndarray) -> CapabilityEncoder:
    """Measure the zoo's mean and spread.

    Args:
        accuracies: Shrunken accuracies of the training zoo (candidates, tasks).
        meanings: Unit vectors of the tasks' keywords (tasks, width).
    """
    logits = _logit(accuracies)
    mean = logits.mean(axis=0)
    scale = float((logits - mean).std())
    # Keyword vectors share a large common component, which would hide the differences between tasks.
    distinct = meanings - meanings.mean(axis=0) if len(meanings) > 1 else meanings
    distinct = distinct / np.maximum(np.linalg.norm(distinct, axis=1, keepdims=True), 1e-6)
    return CapabilityEncoder(distinct.astype(np.float32), mean.astype(np.float32), max(scale, 1e-3))


def describe(keywords: Sequence[Sequence[str]]) -> list[str]:
    """Return the text of each task that the sentence encoder reads."""
    return [", ".join(words) for words in keywords]


def _logit(accuracies: np.ndarray) -> np.ndarray:
    clipped = np.clip(np.asarray(accuracies, dtype=np.float64), _LEAST, _MOST)
    return np.log(clipped / (1 - clipped))
