"""A weighted mean of other routers' success probabilities; weights are chosen on validation prompts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelsat.routers.profile import Profile
from modelsat.routers.router import Progress, Router

TWENTIETHS = tuple(i / 20 for i in range(21))


class Mixture(Router):
    """Averages its members.

    Args:
        members: Routers of the same candidates in the same order.
        weights: One per member, at least 0, summing to 1.
    """

    kind = "mixture"

    def __init__(self, members: Sequence[Router], weights: Sequence[float]) -> None:
        if any(member.candidates != members[0].candidates for member in members):
            raise ValueError("the members of a mixture route between different candidates")
        self.members = tuple(members)
        self.weights = tuple(weights)
        self.candidates = members[0].candidates

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Average the members' probabilities."""
        used = [(member, weight) for member, weight in zip(self.members, self.weights, strict=True) if weight > 0]
        return mix([member.success_probability(texts, progress) for member, _ in used], [weight for _, weight in used])

    def admit(self, newcomers: Profile) -> "Mixture":
        """Admit to every member."""
        return Mixture([member.admit(newcomers) for member in self.members], self.weights)

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Say which prompts the first member reads only in part."""
        return self.members[0].truncated(texts)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write each member into a folder of its own."""
        settings = []
        for i, member in enumerate(self.members):
            inner = folder / f"member-{i}"
            inner.mkdir()
            settings.append({"kind": member.kind, "settings": member.save(inner)})
        return {"members": settings, "weights": list(self.weights)}

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> "Mixture":
        """Rebuild the members."""
        from modelsat.bundle import load_router

        members = [
            load_router(folder / f"member-{i}", member["kind"], candidates, member["settings"])
            for i, member in enumerate(settings["members"])
        ]
        return cls(members, settings["weights"])


def mix(parts: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Return the weighted mean of equally shaped arrays as float32."""
    return np.asarray(sum(weight * part for weight, part in zip(weights, parts, strict=True)), dtype=np.float32)


def choose_weight(
    first: np.ndarray, second: np.ndarray, truth: np.ndarray, grid: Sequence[float] = TWENTIETHS
) -> float:
    """Choose the weight of the first of two routers by log-loss on validation prompts.

    Args:
        first: Probabilities (prompts, candidates) of the first router.
        second: Those of the second.
        truth: Scores of the same shape, NaN where not run.
        grid: Weights to try.
    """
    asked = ~np.isnan(truth)

    def loss(weight: float) -> float:
        p = np.clip(mix([first, second], [weight, 1 - weight])[asked].astype(np.float64), 1e-4, 1 - 1e-4)
        y = truth[asked]
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())

    return min(grid, key=loss)
