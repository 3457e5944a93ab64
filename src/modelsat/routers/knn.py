"""The kNN router: mean scores of the candidates on the most similar training prompts.

Means over few neighbours are shrunk to the candidate's overall mean, so that no candidate wins on few lucky answers.
Without shrinkage this is the router of Li (arXiv 2505.12601).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from modelsat.routers.neighbours import means, overall_means
from modelsat.routers.profile import Profile
from modelsat.routers.router import Progress, Router
from modelsat.text.backbone import copy_backbone
from modelsat.text.encoder import Encoder


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
        self.mean = overall_means(self.outcomes) if mean is None else mean.astype(np.float32)

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Encode the prompts and average over their neighbours."""
        return self.from_embeddings(self.encoder.encode(texts, progress))

    def from_embeddings(self, embeddings: np.ndarray) -> np.ndarray:
        """Return success probabilities of prompts whose unit vectors (prompts, width) are known already."""
        return means(embeddings, self.embeddings, self.outcomes, self.mean, self.neighbours)

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
