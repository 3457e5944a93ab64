"""The challenger: the trained network stacked with kNN, calibrated, and its predictions of the held-out prompts.

Predictions are made here, where the accelerator is; the evaluation scores a sample of them anew.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file

from modelsat import __version__, cards, contracts, splits
from modelsat.bundle import Bundle, Calibration
from modelsat.capability import CapabilityEncoder
from modelsat.encoder import Encoder, load_language_model
from modelsat.evaluation import CHALLENGER, KNN, MODEL_SAT
from modelsat.instructions import Instructions
from modelsat.network import Network, Shape
from modelsat.routers.knn import Knn, choose_neighbours
from modelsat.routers.mixture import Mixture, choose_weight, mix
from modelsat.routers.model_sat import LANGUAGE_MODEL, ModelSat
from modelsat.statistics import platt


@dataclass(frozen=True)
class Made:
    """The unwritten bundle, the members it is made of, and how much Model-SAT weighs in it, in [0, 1]."""

    bundle: Bundle
    members: "_Members"
    weight: float


def assemble(instructions: Instructions, facts: dict[str, Any], work: Path, recipe: dict[str, Any]) -> Made:
    """Stack the trained network with kNN by validation log-loss and calibrate the result on validation prompts.

    Args:
        instructions: What the network was trained on.
        facts: What training left in `trained.json`.
        work: Folder of the training.
        recipe: Its settings.
    """
    members = _load(instructions, facts, work)
    held_out = instructions.part(splits.VALIDATION)
    learned = members.model_sat.success_probability(held_out.texts, _Line("scoring validation prompts"))
    neighbours = members.knn.from_embeddings(members.vectors[splits.VALIDATION])
    weight = choose_weight(learned, neighbours, held_out.targets)
    slope, intercept = platt(mix([learned, neighbours], [weight, 1 - weight]), held_out.targets)
    attribution = "# Data behind this router\n\n" + "".join(f"- {line}\n" for line in instructions.facts["licences"])
    bundle = Bundle(
        router=Mixture([members.model_sat, members.knn], [weight, 1 - weight]),
        candidates=instructions.candidates,
        aptitude_test=instructions.aptitude_test,
        cards=instructions.cards,
        calibration=Calibration(slope, intercept),
        lineage=_lineage(instructions, facts, recipe, members),
        attribution=attribution,
    )
    return Made(bundle, members, weight)


def predict(instructions: Instructions, made: Made, written: Bundle) -> pa.Table:
    """Predict the held-out prompts with the challenger and each of its members.

    Args:
        instructions: Holds the prompts' texts.
        made: The challenger.
        written: Its bundle as it was written, with its digest.

    Returns:
        Table of the contract `PREDICTIONS`.
    """
    test = instructions.part(splits.TEST)
    learned = made.members.model_sat.success_probability(test.texts, _Line("scoring held-out prompts"))
    neighbours = made.members.knn.from_embeddings(made.members.vectors[splits.TEST])
    rows = {
        CHALLENGER: written.calibration(mix([learned, neighbours], [made.weight, 1 - made.weight])),
        MODEL_SAT: learned,
        KNN: neighbours,
    }
    return pa.concat_tables([_table(name, values, test.ids, written.digest) for name, values in rows.items()])


@dataclass(frozen=True)
class _Members:
    """Both members, and the vectors of the prompts by split that kNN needs, so that nothing is encoded twice."""

    model_sat: ModelSat
    knn: Knn
    vectors: dict[str, np.ndarray]


def _load(instructions: Instructions, facts: dict[str, Any], work: Path) -> _Members:
    backbone = work / "backbone"
    network = Network(load_language_model(backbone), Shape(**facts["shape"]))
    # A bundle holds the language model in bfloat16: what is judged here is what will be served.
    network.load_state_dict(
        {
            name: value.to(torch.bfloat16).float() if name.startswith(LANGUAGE_MODEL) else value
            for name, value in load_file(work / "network.safetensors").items()
        }
    )
    capability = facts["capability"]
    encoder = CapabilityEncoder(
        np.asarray(capability["meanings"], dtype=np.float32),
        np.asarray(capability["zoo_mean"], dtype=np.float32),
        capability["scale"],
    )
    accuracies = cards.accuracies(instructions.cards, instructions.names, instructions.test.tasks)
    model_sat = ModelSat(instructions.names, accuracies, encoder, network, backbone, facts["max_tokens"])
    parts = {split: instructions.part(split) for split in (splits.TRAIN, splits.VALIDATION, splits.TEST)}
    sizes = [len(part.ids) for part in parts.values()]
    vectors = np.fromfile(work / "states" / "vectors.f32", dtype=np.float32).reshape(sum(sizes), -1)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    by_split = dict(zip(parts, np.split(vectors, np.cumsum(sizes)[:-1]), strict=True))
    train, validation = parts[splits.TRAIN].targets, parts[splits.VALIDATION].targets
    neighbours = choose_neighbours(by_split[splits.TRAIN], train, by_split[splits.VALIDATION], validation)
    knn = Knn(instructions.names, Encoder(backbone, facts["max_tokens"]), by_split[splits.TRAIN], train, neighbours)
    return _Members(model_sat, knn, by_split)


def _lineage(
    instructions: Instructions, facts: dict[str, Any], recipe: dict[str, Any], members: _Members
) -> dict[str, Any]:
    targets = instructions.part(splits.TRAIN).targets
    asked = ~np.isnan(targets)
    mean = np.where(asked, targets, 0.0).sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    return {
        "modelsat_version": __version__,
        "data_digest": instructions.facts["data_digest"],
        "sources": instructions.facts["sources"],
        "summary": instructions.facts["summary"],
        "aptitude_test": instructions.facts["story"],
        "tokens_out": instructions.facts["tokens_out"],
        "trained_on": list(instructions.names),
        "mean_score": dict(zip(instructions.names, map(float, mean), strict=True)),
        "recipe": recipe,
        "training": facts["announced"],
        "neighbours": members.knn.neighbours,
    }


def _table(name: str, probabilities: np.ndarray, ids: list[str], digest: str) -> pa.Table:
    rows = pa.FixedSizeListArray.from_arrays(probabilities.ravel(), probabilities.shape[1])
    columns = {
        "router": [name] * len(ids),
        "bundle_digest": [digest] * len(ids),
        "prompt_id": ids,
        "success_probability": rows.cast(pa.list_(pa.float32())),
    }
    return contracts.conform(pa.table(columns), contracts.PREDICTIONS)


class _Line:
    """Prints how far a long step is, at most every five seconds."""

    def __init__(self, what: str) -> None:
        self.what, self.last = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Report progress."""
        if time.monotonic() - self.last > 5 or done == total:
            print(f"{self.what} {done:,}/{total:,}", flush=True)  # noqa: T201
            self.last = time.monotonic()
