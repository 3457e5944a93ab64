"""A router restricted to some candidates of another one, so that a candidate can be removed without training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelsat.routers.kinds import load_router
from modelsat.routers.profile import Profile
from modelsat.routers.router import Member, Prediction, Progress, Router


class Selection(Router):
    """Shows some columns of a router.

    Args:
        inner: The router.
        columns: Which of its candidates are left, by place.
    """

    kind = "selection"

    def __init__(self, inner: Router, columns: Sequence[int]) -> None:
        self.inner = inner
        self.columns = list(columns)
        self.candidates = tuple(inner.candidates[i] for i in self.columns)

    @classmethod
    def of(cls, router: Router, columns: Sequence[int]) -> "Selection":
        """Return a selection of a router's candidates; one of a selection is one of the router behind it."""
        if isinstance(router, Selection):
            return cls(router.inner, [router.columns[i] for i in columns])
        return cls(router, columns)

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Return the inner router's columns of the selected candidates."""
        return self.inner.success_probability(texts, progress)[:, self.columns]

    @property
    def doubt(self) -> np.ndarray:
        """Return the margins of the selected candidates."""
        return np.asarray(self.inner.doubt[self.columns])

    def read(self, texts: Sequence[str]) -> Prediction:
        """Read as the router does."""
        prediction = self.inner.read(texts)
        cost = None if prediction.cost_usd is None else prediction.cost_usd[:, self.columns]
        return replace(prediction, success_probability=prediction.success_probability[:, self.columns], cost_usd=cost)

    @property
    def predicts_cost(self) -> bool:
        """Say what the router says."""
        return self.inner.predicts_cost

    @property
    def tells_foreign(self) -> bool:
        """Say what the router says."""
        return self.inner.tells_foreign

    def forgetting_cost(self, column: int) -> "Selection":
        """Let the router forget it."""
        return Selection(self.inner.forgetting_cost(self.columns[column]), self.columns)

    def members(self, texts: Sequence[str]) -> list[Member]:
        """Return what the router's members say of the selected candidates."""
        return [
            replace(member, success_probability=member.success_probability[:, self.columns])
            for member in self.inner.members(texts)
        ]

    def kernel(self, likeness: np.ndarray) -> np.ndarray:
        """Weigh as the router does."""
        return self.inner.kernel(likeness)

    def likeness(self, texts: Sequence[str]) -> np.ndarray | None:
        """Compare as the router does."""
        return self.inner.likeness(texts)

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Say which prompts the router reads only in part."""
        return self.inner.truncated(texts)

    def admit(self, newcomers: Profile) -> "Selection":
        """Admit to the router; newcomers are selected."""
        wider = self.inner.admit(newcomers)
        return Selection(wider, [*self.columns, *range(len(self.inner.candidates), len(wider.candidates))])

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the router as it is."""
        return {
            "kind": self.inner.kind,
            "candidates": list(self.inner.candidates),
            "settings": self.inner.save(folder),
            "columns": self.columns,
        }

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> "Selection":
        """Rebuild the router and select."""
        inner = load_router(folder, settings["kind"], tuple(settings["candidates"]), settings["settings"])
        selection = cls(inner, settings["columns"])
        if selection.candidates != tuple(candidates):
            raise ValueError("its selection names other candidates than the bundle")
        return selection
