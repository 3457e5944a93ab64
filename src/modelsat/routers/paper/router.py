"""The router of the paper: one pass per candidate and prompt, for each of two shuffled orders of the card's lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from modelsat.routers.paper.layout import Layout
from modelsat.routers.paper.network import PaperNetwork, rebuild, rounded
from modelsat.routers.paper.tokens import PaperTokens
from modelsat.routers.profile import Profile
from modelsat.routers.router import Progress, Router
from modelsat.text import prompt_window
from modelsat.text.backbone import copy_backbone
from modelsat.text.encoder import length_sorted_batches, load_tokenizer
from modelsat.text.rendering import render_card_line

ORDERS = 2
_ACCURACIES = "cards.accuracies"


class ModelSatPaper(Router):
    """Answers the performance inquiry candidate by candidate (Model-SAT, sections 3 and 7).

    Args:
        candidates: Candidate names; the network never sees them.
        accuracies: Shrunken accuracies of their cards, float32 (candidates, tasks), in [0, 1].
        keywords: Five words per task, as on the cards.
        network: The network.
        backbones: Folder with configuration and tokenizer of `language_model` and, where there is one, `encoder`.
        reading: What is read of a card and of a prompt.
    """

    kind = "model-sat-paper"

    def __init__(
        self,
        candidates: Sequence[str],
        accuracies: np.ndarray,
        keywords: Sequence[Sequence[str]],
        network: PaperNetwork,
        backbones: Path,
        reading: PaperTokens,
    ) -> None:
        self.candidates = tuple(candidates)
        self.accuracies = accuracies.astype(np.float32)
        self.keywords = [list(words) for words in keywords]
        self.network = network.eval()
        self.backbones = backbones
        self.layout = load_layout(backbones, reading)
        # Equal cards are scored once, so candidates with equal cards get equal scores.
        self._distinct, self._row = np.unique(self.accuracies, axis=0, return_inverse=True)

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Score prompts in batches of about one length, averaging P(Yes) over the orders."""
        ids = self.layout.prompts(texts)
        out = np.zeros((len(texts), len(self._distinct)), dtype=np.float32)
        done = 0
        with torch.inference_mode():
            for rows in length_sorted_batches([len(row) for row in ids]):
                for capabilities, soft in self._capabilities:
                    for c in range(len(self._distinct)):
                        inputs = self.layout.sequences([capabilities[c]] * len(rows), [ids[i] for i in rows])
                        answers = self.network(
                            *(part.to(self._device) for part in inputs),
                            None if soft is None else soft[c].expand(len(rows), -1),
                        )
                        out[rows, c] += torch.sigmoid(answers).cpu().numpy() / ORDERS
                done += len(rows)
                if progress is not None:
                    progress(done, len(texts))
        return out[:, self._row.ravel()]

    @cached_property
    def _capabilities(self) -> list[tuple[list[list[int]], torch.Tensor | None]]:
        """Per order, the tokens of each card in the sequence and its soft vectors; both do not depend on the prompt."""
        by_order: list[tuple[list[list[int]], torch.Tensor | None]] = []
        for number in range(ORDERS):
            order = np.random.default_rng(number).permutation(len(self.keywords))
            cards = [card_lines(self.keywords, row, order) for row in self._distinct]
            if self.layout.reading.capability == "text":
                by_order.append(([self.layout.in_words(lines) for lines in cards], None))
            else:
                soft = torch.cat([self.network.soft_vectors(self.layout.pieces([lines])) for lines in cards])
                by_order.append(([self.layout.slot()] * len(cards), soft))
        return by_order

    @property
    def _device(self) -> torch.device:
        return self.network.answer.weight.device

    def admit(self, newcomers: Profile) -> ModelSatPaper:
        """Read the new candidates' cards like those of any other candidate."""
        accuracies = np.concatenate([self.accuracies, newcomers.accuracies])
        names = [*self.candidates, *newcomers.names]
        return ModelSatPaper(names, accuracies, self.keywords, self.network, self.backbones, self.layout.reading)

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Say which prompts are longer than the router reads."""
        most = self.layout.reading.max_tokens
        return prompt_window.truncated(self.layout.tokenizer, texts, most, add_special_tokens=False)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write all weights, and configuration and tokenizer of the backbones."""
        for name in ("language_model", "encoder"):
            if (self.backbones / name).is_dir():
                copy_backbone(self.backbones / name, folder / name, weights=False)
        tensors = rounded(self.network.state_dict()) | {_ACCURACIES: torch.from_numpy(self.accuracies)}
        save_file(tensors, folder / "router.safetensors")
        return {"reading": asdict(self.layout.reading), "keywords": self.keywords}

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> ModelSatPaper:
        """Rebuild from the folder, on a GPU where there is one."""
        tensors = load_file(folder / "router.safetensors")
        accuracies = tensors.pop(_ACCURACIES).numpy()
        network = rebuild(folder, tensors).to("cuda" if torch.cuda.is_available() else "cpu")
        return cls(candidates, accuracies, settings["keywords"], network, folder, PaperTokens(**settings["reading"]))


def load_layout(backbones: Path, reading: PaperTokens) -> Layout:
    """Load the tokenizers that a layout needs; if cards are read as text, the encoder's is not used."""
    tokenizer = load_tokenizer(backbones / "language_model")
    is_text = reading.capability == "text"
    return Layout(tokenizer, tokenizer if is_text else load_tokenizer(backbones / "encoder"), reading)


def card_lines(keywords: Sequence[Sequence[str]], accuracies: np.ndarray, order: np.ndarray) -> list[str]:
    """Return the lines of a card (tasks,) in an order, which may leave some out."""
    return [render_card_line(keywords[t], float(accuracies[t])) for t in order]
