"""What the packages are given: prompts as numbers, whose vectors are looked up."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Task:
    """n training prompts with outcomes, t test prompts, m candidates.

    Attributes:
        train: Unit vectors, float32 (n, width).
        outcomes: Scores in [0, 1], float32 (n, m), complete.
        test: Unit vectors, float32 (t, width).
        prompts: Texts of the test prompts, length t, for routers that read words.
        names: Candidates in the order of the columns, which is alphabetical.
        order: Columns from the best to the worst by training mean.
        pair: Columns of the strong and the weak candidate.
    """

    train: np.ndarray
    outcomes: np.ndarray
    test: np.ndarray
    prompts: list[str]
    names: list[str]
    order: np.ndarray
    pair: tuple[int, int]

    @classmethod
    def read(cls, folder: Path) -> "Task":
        """Read what `packages.py` wrote."""
        with np.load(folder / "task.npz", allow_pickle=False) as kept:
            arrays = dict(kept)
        strong, weak = arrays["pair"].tolist()
        return cls(
            train=arrays["train"],
            outcomes=arrays["outcomes"],
            test=arrays["test"],
            prompts=json.loads((folder / "prompts.json").read_text(encoding="utf-8")),
            names=arrays["names"].tolist(),
            order=arrays["order"],
            pair=(strong, weak),
        )

    def vector(self, name: str) -> np.ndarray:
        """Return the vector of `train 17` or `test 3`; a probe for the width gets zeros."""
        part, _, row = name.partition(" ")
        if not row:
            return np.zeros(self.train.shape[1], dtype=np.float32)
        return (self.train if part == "train" else self.test)[int(row)]

    @property
    def tests(self) -> list[str]:
        """Name the test prompts."""
        return [f"test {row}" for row in range(len(self.test))]
