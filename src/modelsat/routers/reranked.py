"""Fusion scores every candidate, Model-SAT rescores the best few; the prompt is read once for both."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelsat.routers.fusion.router import Fusion
from modelsat.routers.mixture import rerank, shortlist
from modelsat.routers.model_sat.router import ModelSat
from modelsat.routers.profile import Profile
from modelsat.routers.router import Member, Prediction, Progress, Router
from modelsat.text.encoder import Pass


class Reranked(Router):
    """Averages fusion with Model-SAT on the shortlist.

    Args:
        fusion: Scores all candidates, and reads the prompts.
        model_sat: Trained on the same language model as fusion reads with; takes over at its entry layer.
        weight: Of Model-SAT among the candidates that it scores, in [0, 1].
    """

    kind = "reranked"

    def __init__(self, fusion: Fusion, model_sat: ModelSat, weight: float) -> None:
        if fusion.candidates != model_sat.candidates:
            raise ValueError("fusion and Model-SAT route between different candidates")
        self.fusion = fusion
        self.model_sat = model_sat
        self.weight = weight
        self.candidates = fusion.candidates

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Read the prompts once and score."""
        out = np.zeros((len(texts), len(self.candidates)), dtype=np.float32)
        for part in self.fusion.encoder.passes(texts, progress):
            out[part.rows] = self._score(part, self.fusion.encoder.vectors(part))
        return out

    def read(self, texts: Sequence[str]) -> Prediction:
        """Read the prompts once; fusion measures how foreign they are."""
        probability = np.zeros((len(texts), len(self.candidates)), dtype=np.float32)
        foreign = np.zeros(len(texts), dtype=np.float32)
        cost = np.full(probability.shape, np.nan) if self.predicts_cost else None
        for part in self.fusion.encoder.passes(texts):
            vectors = self.fusion.encoder.vectors(part)
            probability[part.rows] = self._score(part, vectors)
            foreign[part.rows] = self.fusion.foreign(vectors)
            if cost is not None:
                cost[part.rows] = self.fusion.expected_cost(vectors, [texts[i] for i in part.rows])
        return Prediction(probability, self.truncated(texts), foreign, cost)

    @property
    def predicts_cost(self) -> bool:
        """Say what fusion says."""
        return self.fusion.predicts_cost

    @property
    def tells_foreign(self) -> bool:
        """Say what fusion says."""
        return self.fusion.tells_foreign

    def forgetting_cost(self, column: int) -> "Reranked":
        """Let fusion forget it."""
        return Reranked(self.fusion.forgetting_cost(column), self.model_sat, self.weight)

    def members(self, texts: Sequence[str]) -> list[Member]:
        """Return what each member of fusion says of all candidates, and Model-SAT of the shortlist."""
        said: dict[str, Member] = {}
        for part in self.fusion.encoder.passes(texts):
            vectors = self.fusion.encoder.vectors(part)
            for one in self._said(part, vectors):
                everywhere = np.zeros((len(texts), len(self.candidates)), dtype=np.float32)
                said.setdefault(one.name, replace(one, success_probability=everywhere))
                said[one.name].success_probability[part.rows] = one.success_probability
        return list(said.values())

    def _said(self, part: Pass, vectors: np.ndarray) -> list[Member]:
        beside = self.fusion.members_of(vectors, part.ids)
        joint = Member("Model-SAT", self.weight, self._both(part, vectors)[1])
        return [*(replace(one, weight=(1 - self.weight) * one.weight) for one in beside), joint]

    def _score(self, part: Pass, vectors: np.ndarray) -> np.ndarray:
        return rerank(*self._both(part, vectors), self.weight)

    def _both(self, part: Pass, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fused = self.fusion.from_vectors(vectors, part.ids)
        listed = shortlist(fused)
        joint = np.full_like(fused, np.nan)
        np.put_along_axis(joint, listed, self.model_sat.answer(part, listed), axis=1)
        return fused, joint

    @property
    def doubt(self) -> np.ndarray:
        """Return fusion's margin, scaled by its weight."""
        return np.asarray((1 - self.weight) * self.fusion.doubt, dtype=np.float32)

    def admit(self, newcomers: Profile) -> "Reranked":
        """Admit to both."""
        return Reranked(self.fusion.admit(newcomers), self.model_sat.admit(newcomers), self.weight)

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Return which prompts are truncated."""
        return self.fusion.truncated(texts)

    def likeness(self, texts: Sequence[str]) -> np.ndarray:
        """Compare as fusion does."""
        return self.fusion.likeness(texts)

    def kernel(self, likeness: np.ndarray) -> np.ndarray:
        """Weigh as fusion does."""
        return self.fusion.kernel(likeness)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write both into folders of their own."""
        settings: dict[str, Any] = {"weight": self.weight}
        for name, member in (("fusion", self.fusion), ("model_sat", self.model_sat)):
            (folder / name).mkdir()
            settings[name] = member.save(folder / name)
        return settings

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> "Reranked":
        """Rebuild both."""
        fusion = Fusion.load(folder / "fusion", candidates, settings["fusion"])
        model_sat = ModelSat.load(folder / "model_sat", candidates, settings["model_sat"])
        return cls(fusion, model_sat, settings["weight"])
