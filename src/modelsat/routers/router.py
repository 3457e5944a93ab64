"""The one interface of everything that can route: a success probability for each prompt and candidate."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelsat.routers.profile import Profile

Tensors = dict[str, np.ndarray]
Progress = Callable[[int, int], None]

FOREIGN = 0.5
"""From here on a prompt counts as foreign; of held-out prompts one or two in a hundred do."""


@dataclass(frozen=True)
class Prediction:
    """A router's predictions for n prompts, each read once.

    Attributes:
        success_probability: float32 (n, candidates), in [0, 1].
        truncated: Whether only a part of the prompt was read, (n,).
        foreign: Distance of a prompt from the training prompts, from 0 for familiar to 1, (n,); 0 if the router does
            not measure it.
        cost_usd: Expected cost as the router's cost head predicts it, float64 (n, candidates), NaN for a candidate
            without a head; None where the router has none.
    """

    success_probability: np.ndarray
    truncated: np.ndarray
    foreign: np.ndarray
    cost_usd: np.ndarray | None = None

    def rows(self, taken: slice) -> "Prediction":
        """Return the predictions of some of the prompts."""
        cost = None if self.cost_usd is None else self.cost_usd[taken]
        return Prediction(self.success_probability[taken], self.truncated[taken], self.foreign[taken], cost)


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Return predictions of one router, one after the other."""
    told = [part.cost_usd for part in parts if part.cost_usd is not None]
    return Prediction(
        np.concatenate([part.success_probability for part in parts]),
        np.concatenate([part.truncated for part in parts]),
        np.concatenate([part.foreign for part in parts]),
        np.concatenate(told) if told else None,
    )


@dataclass(frozen=True)
class Member:
    """What one part of a router says of n prompts.

    Attributes:
        name: As users see it, such as `fusion` or `Model-SAT`.
        weight: Its weight in the router's success probability, in [0, 1]; all weights add up to 1.
        success_probability: float32 (n, candidates), in [0, 1], NaN for a candidate that it was not asked about.
    """

    name: str
    weight: float
    success_probability: np.ndarray


class Router(ABC):
    """Scores candidates for prompts.

    Attributes:
        kind: The name under which a bundle stores routers of this class.
        candidates: The candidates in the order of the columns of every result.
    """

    kind: ClassVar[str]
    candidates: tuple[str, ...]

    @abstractmethod
    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Estimate the probability that each candidate handles each prompt.

        Args:
            texts: Prompts as `rendering.render_prompt` makes them.
            progress: Called now and then with (prompts done, prompts in all).

        Returns:
            float32 array of shape (prompts, candidates), values in [0, 1], no NaN.
        """

    @abstractmethod
    def admit(self, newcomers: Profile) -> "Router":
        """Return a router that knows further candidates, without training; columns of the old ones stay first."""

    @abstractmethod
    def save(self, folder: Path) -> dict[str, Any]:
        """Write tensors and tokenizer files into an existing folder and return the settings that `load` needs."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> "Router":
        """Rebuild the router that `save` wrote."""

    @property
    def doubt(self) -> np.ndarray:
        """Return the uncertainty margin of each candidate's probability, float32 (candidates,), at least 0.

        Probabilities are expected values. A choice subtracts the margin, so that a new candidate with few answers needs
        some evidence before it is chosen.
        """
        return np.zeros(len(self.candidates), dtype=np.float32)

    @property
    def predicts_cost(self) -> bool:
        """Say whether `read` tells what answers cost."""
        return False

    @property
    def tells_foreign(self) -> bool:
        """Say whether `read` tells how foreign prompts are."""
        return False

    def forgetting_cost(self, column: int) -> "Router":  # noqa: ARG002
        """Return the router without what it learned of what a candidate costs, by column, whose prices have changed."""
        return self

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Return which prompts the router reads only in part, as a boolean array of shape (prompts,)."""
        return np.zeros(len(texts), dtype=bool)

    def read(self, texts: Sequence[str]) -> Prediction:
        """Return all predictions that a request needs."""
        return Prediction(
            self.success_probability(texts), self.truncated(texts), np.zeros(len(texts), dtype=np.float32)
        )

    def members(self, texts: Sequence[str]) -> list[Member]:
        """Return what each part of the router says, before calibration; a router without parts is its only member."""
        return [Member(self.kind, 1.0, self.success_probability(texts))]

    def likeness(self, texts: Sequence[str]) -> np.ndarray | None:  # noqa: ARG002
        """Return the similarity of prompts to the aptitude questions in their frozen order.

        Returns:
            Cosines (prompts, questions), -1 for a question that the router does not hold; None where it compares none.
        """
        return None

    def kernel(self, likeness: np.ndarray) -> np.ndarray:
        """Return how much a question of a given similarity counts for the router, from cosines to at least 0."""
        return np.maximum(likeness, 0.0)
