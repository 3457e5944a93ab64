"""The kNN router: mean scores of the candidates on the most similar training prompts.

Means over few neighbours are shrunk to the candidate's overall mean, so that no candidate wins on few lucky answers.
Without shrinkage this is the router of Li (arXiv 2505.12601).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from modelsat.policy import choice
from modelsat.routers.profile import Profile
from modelsat.routers.router import Progress, Router
from modelsat.text.backbone import copy_backbone
from modelsat.text.encoder import Encoder

PRIOR_NEIGHBOURS = 5.0


class Knn(Router):
    """Averages outcomes over the nearest training prompts by cosine.

    Args:
        candidates: Candidate names.
        encoder: Encodes prompts.
        embeddings: Unit vectors of the training prompts, float32 of shape (train, width).
        outcomes: Scores of the candidates there, float32 of shape (train, candidates), NaN where not run.
        neighbours: Number of neighbours, at least 1.
        mean: Prior mean score of each candidate, (candidates,); None takes the mean of its outcomes.
    """

    kind = "knn"

    def __init__(
        self,
        candidates: Sequence[str],
        encoder: Encoder,
        embeddings: np.ndarray,
        outcomes: np.ndarray,
        neighbours: int,
        mean: np.ndarray | None = None,
    ) -> None:
        self.candidates = tuple(candidates)
        self.encoder = encoder
        self.embeddings = embeddings.astype(np.float32)
        self.outcomes = outcomes.astype(np.float32)
        self.neighbours = neighbours
        asked = ~np.isnan(self.outcomes)
        right = np.where(asked, self.outcomes, 0.0).sum(axis=0)
        self.mean = (right + 0.5) / (asked.sum(axis=0) + 1.0) if mean is None else mean.astype(np.float32)

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Encode the prompts and average over their neighbours."""
        return self.from_embeddings(self.encoder.encode(texts, progress))

    def from_embeddings(self, embeddings: np.ndarray) -> np.ndarray:
        """Return success probabilities of prompts whose unit vectors (prompts, width) are known already."""
        k = min(self.neighbours, len(self.embeddings))
        out = np.empty((len(embeddings), len(self.candidates)), dtype=np.float32)
        for start in range(0, len(embeddings), 512):
            similarity = embeddings[start : start + 512] @ self.embeddings.T
            nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
            answers = self.outcomes[nearest]
            asked = ~np.isnan(answers)
            right = np.where(asked, answers, 0.0).sum(axis=1)
            out[start : start + 512] = (right + PRIOR_NEIGHBOURS * self.mean) / (asked.sum(axis=1) + PRIOR_NEIGHBOURS)
        return out

    def admit(self, newcomers: Profile) -> "Knn":
        """Predict the mean score of new candidates for every prompt, because no neighbour has outcomes of them."""
        unknown = np.full((len(self.outcomes), len(newcomers.names)), np.nan, dtype=np.float32)
        outcomes = np.concatenate([self.outcomes, unknown], axis=1)
        mean = np.concatenate([self.mean, newcomers.means])
        names = [*self.candidates, *newcomers.names]
        return Knn(names, self.encoder, self.embeddings, outcomes, self.neighbours, mean)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the training prompts' vectors and outcomes, and the backbone."""
        tensors = {"embeddings": self.embeddings, "outcomes": self.outcomes, "mean": self.mean.astype(np.float32)}
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "router.safetensors")
        copy_backbone(self.encoder.folder, folder / "encoder")
        return {"neighbours": self.neighbours, "max_tokens": self.encoder.max_tokens}

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> "Knn":
        """Rebuild from the folder."""
        tensors = load_file(folder / "router.safetensors")
        encoder = Encoder(folder / "encoder", settings["max_tokens"])
        parts = (tensors["embeddings"], tensors["outcomes"], settings["neighbours"], tensors["mean"])
        return cls(candidates, encoder, *parts)

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Say which prompts are longer than the encoder reads."""
        return self.encoder.truncated(texts)


def choose_neighbours(
    train: np.ndarray,
    outcomes: np.ndarray,
    held_out: np.ndarray,
    truth: np.ndarray,
    grid: Sequence[int] = (20, 50, 100, 200),
) -> int:
    """Choose the number of neighbours that routes validation prompts best; ties go to the larger number.

    Args:
        train: Unit vectors of training prompts (train, width).
        outcomes: Their scores (train, candidates), NaN where not run.
        held_out: Unit vectors of validation prompts (held_out, width).
        truth: Their scores (held_out, candidates), NaN where not run.
        grid: Numbers to try.
    """
    best, best_accuracy = grid[-1], -1.0
    asked = ~np.isnan(outcomes)
    means = np.where(asked, outcomes, 0.0).sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    for neighbours in sorted(grid, reverse=True):
        router = Knn([str(i) for i in range(outcomes.shape[1])], None, train, outcomes, neighbours)  # type: ignore[arg-type]
        picked = choice.choose(router.from_embeddings(held_out), ~np.isnan(truth), means)
        answered = ~np.isnan(truth).all(axis=1)
        accuracy = float(truth[np.arange(len(truth)), picked][answered].mean()) if answered.any() else 0.0
        if accuracy > best_accuracy:
            best, best_accuracy = neighbours, accuracy
    return best
