"""The Model-SAT router: capability instructions answered by a small language model, all candidates in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from modelsat.routers.model_sat.capability import CapabilityEncoder
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.routers.profile import Profile
from modelsat.routers.router import Progress, Router
from modelsat.text import prompt_window
from modelsat.text.backbone import WEIGHTS, copy_backbone
from modelsat.text.encoder import Pass, length_sorted_batches, load_language_model, load_tokenizer
from modelsat.text.prompt_window import token_ids

_CANDIDATES_AT_ONCE = 64


class ModelSat(Router):
    """Answers the performance inquiry for every candidate.

    Args:
        candidates: Candidate names; the network never sees them.
        accuracies: Shrunken accuracies of their cards, float32 (candidates, tasks), in [0, 1].
        encoder: The capability encoder of training.
        network: The network, adapters merged.
        backbone: Folder with configuration and tokenizer of the language model.
        max_tokens: Of a longer prompt the beginning and the end are read.
    """

    kind = "model-sat"

    def __init__(
        self,
        candidates: Sequence[str],
        accuracies: np.ndarray,
        encoder: CapabilityEncoder,
        network: Network,
        backbone: Path,
        max_tokens: int,
    ) -> None:
        self.candidates = tuple(candidates)
        self.accuracies = accuracies.astype(np.float32)
        self.encoder = encoder
        self.network = network.eval()
        self.backbone = backbone
        self.max_tokens = max_tokens
        self.tokenizer = load_tokenizer(backbone)
        # Candidates are sorted by card, not by name, so that equal cards give bit-identical results.
        distinct, self._row = np.unique(self.accuracies, axis=0, return_inverse=True)
        self._capability = torch.from_numpy(encoder.encode(distinct))

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Score prompts in batches of about one length."""
        ids = token_ids(self.tokenizer, texts, self.max_tokens)
        out = np.zeros((len(texts), len(self._capability)), dtype=np.float32)
        done = 0
        with torch.inference_mode():
            for rows in length_sorted_batches([len(row) for row in ids], 16):
                batch = self.tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt")
                out[rows] = torch.sigmoid(self._score(batch["input_ids"], batch["attention_mask"])).numpy()
                done += len(rows)
                if progress is not None:
                    progress(done, len(texts))
        return out[:, self._row.ravel()]

    def _score(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.network.enter(input_ids, mask)
        return torch.cat(
            [self.network(states, mask, part) for part in torch.split(self._capability, _CANDIDATES_AT_ONCE)], dim=1
        )

    def answer(self, read: Pass, asked: np.ndarray) -> np.ndarray:
        """Answer the inquiry for some candidates of each prompt, from the states that its language model left.

        Args:
            read: n prompts, read by the language model that the network was trained on.
            asked: Columns of the candidates, (n, few).

        Returns:
            P(Yes), float32 (n, few).
        """
        rows = self._row.ravel()[asked]
        # Blocks are sorted by card, so that the order of candidates does not change results.
        order = np.argsort(rows, axis=1, kind="stable")
        capability = self._capability[np.take_along_axis(rows, order, axis=1)]
        with torch.inference_mode():
            logits = self.network(read.states[self.network.shape.entry_layer], read.mask, capability)
        out = np.empty(asked.shape, dtype=np.float32)
        np.put_along_axis(out, order, torch.sigmoid(logits).numpy(), axis=1)
        return out

    def admit(self, newcomers: Profile) -> ModelSat:
        """Read the new candidates' cards like those of any other candidate."""
        accuracies = np.concatenate([self.accuracies, newcomers.accuracies])
        return self.with_cards([*self.candidates, *newcomers.names], accuracies)

    def with_cards(self, candidates: Sequence[str], accuracies: np.ndarray) -> ModelSat:
        """Return the same network for these candidates and cards instead."""
        return ModelSat(candidates, accuracies, self.encoder, self.network, self.backbone, self.max_tokens)

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Say which prompts are longer than the router reads."""
        return prompt_window.truncated(self.tokenizer, texts, self.max_tokens)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the language model as a backbone folder, and what is ours beside it."""
        state = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        copy_backbone(self.backbone, folder / "encoder", weights=False)
        entry = self.network.shape.entry_layer
        language_model = _to_language_model(state, entry)
        save_torch(
            {name: value.to(torch.bfloat16) for name, value in language_model.items()}, folder / "encoder" / WEIGHTS
        )
        ours = {name: value.numpy() for name, value in state.items() if not name.startswith(LANGUAGE_MODEL)}
        ours |= {
            "cards.accuracies": self.accuracies,
            "capability.meanings": self.encoder.meanings,
            "capability.zoo_mean": self.encoder.zoo_mean,
        }
        save_file({name: np.ascontiguousarray(value) for name, value in ours.items()}, folder / "router.safetensors")
        return {
            "shape": asdict(self.network.shape),
            "max_tokens": self.max_tokens,
            "capability_scale": self.encoder.scale,
        }

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> ModelSat:
        """Rebuild from the folder."""
        tensors = load_file(folder / "router.safetensors")
        encoder = CapabilityEncoder(
            tensors.pop("capability.meanings"), tensors.pop("capability.zoo_mean"), settings["capability_scale"]
        )
        accuracies = tensors.pop("cards.accuracies")
        network = Network(load_language_model(folder / "encoder"), Shape(**settings["shape"]))
        missing, unexpected = network.load_state_dict(
            {name: torch.from_numpy(value) for name, value in tensors.items()}, strict=False
        )
        strangers = [name for name in missing if not name.startswith(LANGUAGE_MODEL)] + list(unexpected)
        if strangers:
            raise ValueError(f"router.safetensors of {str(folder)!r} does not fit its settings: {strangers[:3]}")
        return cls(candidates, accuracies, encoder, network, folder / "encoder", settings["max_tokens"])


LANGUAGE_MODEL = ("embeddings.", "lower.", "upper.")


def _to_language_model(state: dict[str, torch.Tensor], entry_layer: int) -> dict[str, torch.Tensor]:
    """Rename the network's language model weights to those of the backbone that they came from."""
    renamed = {}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        if part == "embeddings":
            renamed[name] = value
        elif part in ("lower", "upper"):
            index, _, inner = rest.partition(".")
            number = int(index) + (entry_layer if part == "upper" else 0)
            renamed[f"encoder.layer.{number}.{inner}"] = value
    return renamed


def save_torch(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write tensors as safetensors that transformers loads."""
    from safetensors.torch import save_file as save

    save(tensors, path, metadata={"format": "pt"})
