"""The one interface of everything that can route: a success probability for each prompt and candidate."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelsat.routers.profile import Profile

Tensors = dict[str, np.ndarray]
Progress = Callable[[int, int], None]


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
        """Estimate how likely each candidate handles each prompt.

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

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Say for which prompts the router reads only a part, as a boolean array of shape (prompts,)."""
        return np.zeros(len(texts), dtype=bool)
