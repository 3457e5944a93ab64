"""The prompts behind a challenger with the vectors computed in training, so that no prompt is encoded twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelsat.aptitude.instructions import Instructions, Part
from modelsat.data import splits
from modelsat.rivals.rival import Labelled
from modelsat.text.prompt_window import token_ids


@dataclass(frozen=True)
class Known:
    """Prompts with outcomes, n of them, of m candidates.

    Attributes:
        vectors: Unit vectors, one per layer, (n, layers, width).
        tokens: Token ids that the language model read of each.
        targets: Scores (n, m), NaN where not run.
        kinds: Category of each, (n,).
        texts: Length n.
        stems: Digest of each prompt's question, which copies share.
    """

    vectors: np.ndarray
    tokens: Sequence[Sequence[int]]
    targets: np.ndarray
    kinds: np.ndarray
    texts: Sequence[str]
    stems: Sequence[str]


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts by split: held-out ones, and of the others those that closed forms are fitted to (`splits.fitted`).

    Attributes:
        parts: Prompts with targets.
        vectors: Their unit vectors (n, layers, width).
        layers: Of which layers, counted from 1.
        stems: Digest of the question by prompt id.
        tokenizer: Of the language model.
        max_tokens: What it reads of a prompt.
    """

    parts: dict[str, Part]
    vectors: dict[str, np.ndarray]
    layers: tuple[int, ...]
    stems: dict[str, str]
    tokenizer: Any
    max_tokens: int

    def labelled(self, split: str) -> Labelled:
        """Return a split in the form that rivals take; they read the last layer only."""
        part, vectors = self.parts[split], self.vectors[split]
        return Labelled(vectors[:, -1], part.targets, part.categories, np.full(part.targets.shape, np.nan))

    def known(self) -> Known:
        """Return training prompts, and validation prompts behind them."""
        parts = [self.parts[split] for split in (splits.TRAIN, splits.VALIDATION)]
        texts = [text for part in parts for text in part.texts]
        return Known(
            np.concatenate([self.vectors[split] for split in (splits.TRAIN, splits.VALIDATION)]),
            self.tokens(texts),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.categories for part in parts]),
            texts,
            [self.stems[prompt_id] for part in parts for prompt_id in part.ids],
        )

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids that the language model reads of texts."""
        return token_ids(self.tokenizer, texts, self.max_tokens)


def read(instructions: Instructions, work: Path, layers: int, max_tokens: int) -> EncodedPrompts:
    """Read what training left.

    Args:
        instructions: What it trained on.
        work: Folder of the training.
        layers: How many the language model has.
        max_tokens: What it reads of a prompt.
    """
    from modelsat.text.encoder import load_tokenizer, thirds

    parts = {split: instructions.part(split) for split in (splits.TRAIN, splits.VALIDATION, splits.TEST)}
    sizes = [len(part.ids) for part in parts.values()]
    named = thirds(layers)
    means = np.memmap(work / "states" / "means.f32", dtype=np.float32, mode="r").reshape(sum(sizes), len(named), -1)
    vectors = dict(zip(parts, np.split(means, np.cumsum(sizes)[:-1]), strict=True))
    for split, part in parts.items():
        rows = instructions.fitted(split, part)
        parts[split], some = part.take(rows), vectors[split][rows]
        vectors[split] = some / np.maximum(np.linalg.norm(some, axis=2, keepdims=True), 1e-12)
    ids, stems = (instructions.prompts[column].to_pylist() for column in ("prompt_id", "stem_digest"))
    tokenizer = load_tokenizer(work / "backbone")
    return EncodedPrompts(parts, vectors, named, dict(zip(ids, stems, strict=True)), tokenizer, max_tokens)
