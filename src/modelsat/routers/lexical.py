"""The light router: fusion on the words of a prompt in place of a language model's states. Serving needs no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from modelsat.routers.fusion import members
from modelsat.routers.fusion.cost_head import CostHead
from modelsat.routers.fusion.members import Beside
from modelsat.routers.fusion.surface import Surface
from modelsat.routers.fusion.surface_router import Anchors, SurfaceRouter, restored
from modelsat.text.backbone import copy_backbone
from modelsat.text.words import Words
from modelsat.text.words_reader import WordsReader


class Lexical(SurfaceRouter):
    """Predicts success from an outcome surface on words.

    Args:
        candidates: As of `SurfaceRouter`, like the last four.
        reader: Reads words as those that the surface was fitted to.
        surface: Likewise.
        anchors: Likewise.
        cost_head: Likewise.
        beside: Likewise; without words of its own.
    """

    kind = "lexical"
    surface_name = members.WORDS

    def __init__(
        self,
        candidates: Sequence[str],
        reader: WordsReader,
        surface: Surface,
        anchors: Anchors,
        cost_head: CostHead | None = None,
        beside: Beside | None = None,
    ) -> None:
        super().__init__(candidates, reader, surface, anchors, cost_head, beside)
        self.words_reader = reader

    def save(self, folder: Path) -> dict[str, Any]:
        """Write surface and anchors, words and what stands beside the surface, and the tokenizer."""
        tensors, settings = self.tensors()
        words = self.words_reader.words
        tensors |= {"words.terms": words.terms, "words.directions": words.directions}
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "router.safetensors")
        copy_backbone(self.words_reader.folder, folder / "encoder", weights=False)
        return {"max_tokens": self.words_reader.max_tokens} | settings

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> Self:
        """Rebuild from the folder."""
        tensors = load_file(folder / "router.safetensors")
        words = Words(tensors["words.terms"], tensors["words.directions"])
        surface, anchors, cost_head, beside = restored(tensors, settings)
        reader = WordsReader(folder / "encoder", settings["max_tokens"], words)
        return cls(candidates, reader, surface, anchors, cost_head, beside)

    def _with(self, candidates: Sequence[str], surface: Surface, cost_head: CostHead | None) -> Self:
        return type(self)(candidates, self.words_reader, surface, self.anchors, cost_head, self.beside)
