"""The fusion router: one forward pass per prompt, then all candidates from the outcome surface."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from modelsat.routers.fusion.cost_head import CostHead
from modelsat.routers.fusion.members import Beside
from modelsat.routers.fusion.surface import Surface
from modelsat.routers.fusion.surface_router import Anchors, SurfaceRouter, restored
from modelsat.text.backbone import copy_backbone
from modelsat.text.core import Core
from modelsat.text.encoder import Encoder


class Fusion(SurfaceRouter):
    """Predicts success from an outcome surface on the states of a language model.

    Args:
        candidates: As of `SurfaceRouter`, like the last four.
        encoder: Encodes prompts, with the layers that the surface was fitted to.
        surface: Likewise.
        anchors: Likewise.
        cost_head: Likewise.
        beside: Likewise.
    """

    kind = "fusion"

    def __init__(
        self,
        candidates: Sequence[str],
        encoder: Encoder,
        surface: Surface,
        anchors: Anchors,
        cost_head: CostHead | None = None,
        beside: Beside | None = None,
    ) -> None:
        super().__init__(candidates, encoder, surface, anchors, cost_head, beside)
        self.encoder = encoder

    def save(self, folder: Path) -> dict[str, Any]:
        """Write surface and anchors, what stands beside the surface, and the backbone."""
        tensors, settings = self.tensors()
        if self.encoder.core is not None:
            tensors |= {f"core.{name}": value for name, value in vars(self.encoder.core).items()}
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "router.safetensors")
        copy_backbone(self.encoder.folder, folder / "encoder")
        return {"max_tokens": self.encoder.max_tokens, "layers": self.encoder.layers} | settings

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> Self:
        """Rebuild from the folder."""
        tensors = load_file(folder / "router.safetensors")
        # Older bundles read all of every prompt.
        learned = {name.removeprefix("core."): value for name, value in tensors.items() if name.startswith("core.")}
        core = Core(**learned) if learned else None
        encoder = Encoder(folder / "encoder", settings["max_tokens"], settings["layers"], core)
        surface, anchors, cost_head, beside = restored(tensors, settings)
        return cls(candidates, encoder, surface, anchors, cost_head, beside)

    def _with(self, candidates: Sequence[str], surface: Surface, cost_head: CostHead | None) -> Self:
        return type(self)(candidates, self.encoder, surface, self.anchors, cost_head, self.beside)
