"""A training that trains nothing: vectors that were kept become its states, and the network stays as it began.

It stands in torchrun's place in `modelsat.steps.finetune`, so that everything else of a retrain is the product's own.
A network whose training ended at step 0 gets no weight, and the router is fusion with its members. This module is also
the challenger that the step assembles, which does not ask such a network.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from modelsat.aptitude import cards
from modelsat.aptitude.instructions import Instructions
from modelsat.challenger import joint
from modelsat.challenger.joint import JointChallenger
from modelsat.data import splits
from modelsat.routers.model_sat.capability import describe, fit
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.text import embeddings
from modelsat.text.backbone import halve_backbone
from modelsat.text.encoder import Encoder, load_language_model


@dataclass(frozen=True)
class Untrained:
    """Vectors by text, (layers, width) each; texts that are not among them are encoded."""

    vectors: Mapping[str, np.ndarray]

    def launch(
        self,
        source: Path,
        backbone: Path,
        work: Path,
        recipe: str,
        ranks: int,
        on_step: Callable[[Mapping[str, float]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Leave in `work` what training leaves; arguments and result as of `launch_torchrun.launch`."""
        del recipe, ranks, on_step
        (work / "states").mkdir(parents=True, exist_ok=True)
        halve_backbone(backbone, work / "backbone")
        instructions = Instructions.read(source)
        parts = (splits.TRAIN, splits.VALIDATION, splits.TEST)
        texts = [text for split in parts for text in instructions.part(split).texts]
        self._encoded(texts).astype(np.float32).tofile(work / "states" / "means.f32")
        test = instructions.test
        accuracies = cards.accuracies(instructions.cards, instructions.names, test.tasks)
        meanings = Encoder(work / "backbone").encode(describe(test.keywords))
        capability = fit(accuracies, meanings)
        shape = Shape(capability.tasks, capability.width)
        network = Network(load_language_model(work / "backbone"), shape)
        save_file(
            {name: value.contiguous() for name, value in network.state_dict().items()}, work / "network.safetensors"
        )
        return {
            "shape": asdict(shape),
            "capability": {
                "meanings": capability.meanings.tolist(),
                "zoo_mean": capability.zoo_mean.tolist(),
                "scale": capability.scale,
            },
            "max_tokens": embeddings.MAX_TOKENS,
            "announced": {},
            "ended": {"steps": 0, "planned": 1, "checks": []},
        }

    def _encoded(self, texts: list[str]) -> np.ndarray:
        new = [text for text in texts if text not in self.vectors]
        found = dict(self.vectors)
        if new:
            from modelsat.text.backbone import default_backbone

            encoder = Encoder(default_backbone(), embeddings.MAX_TOKENS, embeddings.LAYERS)
            found |= dict(zip(new, encoder.encode(new), strict=True))
        return np.stack([found[text] for text in texts])


class Silent:
    """Stands in the place of a network that has no weight: it finds all candidates alike.

    Args:
        candidates: How many there are.
    """

    def __init__(self, candidates: int) -> None:
        self._candidates = candidates

    def success_probability(self, texts: Sequence[str], progress: object = None) -> np.ndarray:
        """Return 0.5 for everybody, without reading anything."""
        del progress
        return np.full((len(texts), self._candidates), 0.5, dtype=np.float32)


def assemble(instructions: Instructions, facts: dict[str, Any], work: Path, recipe: dict[str, Any]) -> JointChallenger:
    """Assemble the challenger as the product does."""
    made = joint.assemble(instructions, facts, work, recipe)
    return replace(made, model_sat=Silent(len(instructions.names)))


prepare, predict = joint.prepare, joint.predict


def kept(folder: Path, texts: list[str], vectors: np.ndarray) -> None:
    """Write texts with the vectors of the last layer, as the rival reads them."""
    np.savez(folder, texts=np.asarray(texts), vectors=vectors[:, -1].astype(np.float32))


def as_json(path: Path, value: object) -> None:
    """Replace a JSON file at once."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(value), encoding="utf-8")
    beside.replace(path)
