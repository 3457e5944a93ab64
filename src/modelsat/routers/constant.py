"""The router that always prefers the same candidates: best single, or the advice not to route."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelsat.routers.profile import Profile
from modelsat.routers.router import Progress, Router


class Constant(Router):
    """Gives every prompt the same success probabilities.

    Args:
        candidates: Candidate names.
        probabilities: One number in [0, 1] per candidate.
    """

    kind = "constant"

    def __init__(self, candidates: Sequence[str], probabilities: np.ndarray) -> None:
        self.candidates = tuple(candidates)
        self.probabilities = np.asarray(probabilities, dtype=np.float32)

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Repeat the same row for each prompt."""
        return np.tile(self.probabilities, (len(texts), 1))

    def admit(self, newcomers: Profile) -> "Constant":
        """Rank newcomers by their expected means."""
        return Constant([*self.candidates, *newcomers.names], np.concatenate([self.probabilities, newcomers.means]))

    def save(self, folder: Path) -> dict[str, Any]:
        """Return the settings; there are no files."""
        return {"probabilities": [float(value) for value in self.probabilities]}

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> "Constant":
        """Rebuild from the settings."""
        return cls(candidates, np.asarray(settings["probabilities"]))
