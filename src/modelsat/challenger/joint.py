"""The challenger: fusion, reranked by the trained network where that helps, and its predictions of held-out prompts.

Predictions are computed here, on the accelerator; the evaluation recomputes a sample of them as a check.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from safetensors.torch import load_file

from modelsat import __version__, feedback
from modelsat.aptitude import cards
from modelsat.aptitude.instructions import Instructions, Part
from modelsat.bundle import seen_prompts
from modelsat.bundle.bundle import Bundle, Calibration
from modelsat.challenger.default import DefaultEvidence
from modelsat.challenger.predictions import prediction_rows
from modelsat.data import score_matrix, splits
from modelsat.evaluation.table import CHALLENGER, FUSION, MODEL_SAT, STACK
from modelsat.io.progress import StepProgress
from modelsat.policy.costs import tokens_in
from modelsat.rivals import stack
from modelsat.rivals.rival import Labelled
from modelsat.routers.fusion import cost_head, surface
from modelsat.routers.fusion.cost_head import CostHead
from modelsat.routers.fusion.router import Anchors, Fusion
from modelsat.routers.mixture import asked_of_few, choose_weight, rerank
from modelsat.routers.model_sat.capability import CapabilityEncoder
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.routers.model_sat.router import LANGUAGE_MODEL, ModelSat
from modelsat.routers.reranked import Reranked
from modelsat.statistics import choose_calibration
from modelsat.text import learned_core
from modelsat.text.encoder import Encoder, load_language_model, thirds


@dataclass(frozen=True)
class JointChallenger:
    """The bundle before it is written, its parts, and the instructions behind it.

    Attributes:
        bundle: The bundle, of all candidates.
        model_sat: A part of it.
        fusion: The other part.
        weight: Of Model-SAT, in [0, 1].
        validation: Success probabilities of validation prompts (n, m), from parts that were not fitted to them.
        outcomes: Scores there (n, m), NaN where not run.
        prompts: All prompts with their vectors.
        evidence: On what the default is settled.
    """

    bundle: Bundle
    model_sat: ModelSat
    fusion: Fusion
    weight: float
    validation: np.ndarray
    outcomes: np.ndarray
    prompts: "_Prompts"
    evidence: DefaultEvidence


@dataclass(frozen=True)
class _Prompts:
    """Prompts by split with the vectors computed in training, so that no prompt is encoded twice."""

    parts: dict[str, Part]
    vectors: dict[str, np.ndarray]
    layers: tuple[int, ...]

    def labelled(self, split: str) -> Labelled:
        """Return a split in the form that rivals take; they read the last layer only."""
        part, vectors = self.parts[split], self.vectors[split]
        return Labelled(vectors[:, -1], part.targets, part.categories, np.full(part.targets.shape, np.nan))


def assemble(instructions: Instructions, facts: dict[str, Any], work: Path, recipe: dict[str, Any]) -> JointChallenger:
    """Weigh the trained network against fusion by validation log-loss and calibrate the result on validation prompts.

    A network that does not improve validation log-loss gets weight 0 and is not served, so no compute is spent on it;
    neither is one whose training ended early.

    Args:
        instructions: What the network was trained on.
        facts: Content of `trained.json`, which training writes.
        work: Folder of the training.
        recipe: Its settings.
    """
    model_sat = _model_sat(instructions, facts, work)
    prompts = _prompts(instructions, work, model_sat)
    held_out = prompts.parts[splits.VALIDATION]
    first = _surface(prompts, splits.TRAIN)
    fused = first.success_probability(first.directions(prompts.vectors[splits.VALIDATION]))
    weight, mixed = 0.0, np.asarray(fused, dtype=np.float32)
    ended = facts.get("ended", {})
    # Training that ended early has found that the network adds nothing: a weight that fits here would fit by chance.
    if ended.get("steps") == ended.get("planned"):
        learned = model_sat.success_probability(held_out.texts, StepProgress("scoring validation prompts"))
        weight = choose_weight(fused, asked_of_few(learned, fused), held_out.targets)
        mixed = rerank(fused, asked_of_few(learned, fused), weight)
    calibration = Calibration(*choose_calibration(mixed, held_out.targets))
    # Weight and calibration are fixed now, so the served router may also learn from the validation prompts.
    fusion = _fusion(instructions, prompts, work / "backbone", facts["max_tokens"])
    bundle = Bundle(
        router=Reranked(fusion, model_sat, weight) if weight > 0 else fusion,
        candidates=instructions.candidates,
        aptitude_test=instructions.aptitude_test,
        cards=instructions.cards,
        calibration=calibration,
        lineage=lineage(instructions, facts, recipe),
        attribution=attribution(instructions),
        seen_prompts=seen(instructions),
    )
    evidence = _evidence(prompts, calibration, fusion, None if weight == 0 else mixed)
    return JointChallenger(bundle, model_sat, fusion, weight, calibration(mixed), held_out.targets, prompts, evidence)


def predict(made: JointChallenger, written: Bundle) -> pa.Table:
    """Predict the held-out prompts with the challenger, each of its parts, and the strongest of the simple routers.

    Args:
        made: The challenger.
        written: Its bundle as it was written, with its digest.

    Returns:
        Table of the contract `PREDICTIONS`, of the candidates that the written bundle serves.
    """
    served = [made.bundle.names.index(name) for name in written.names]
    prompts = made.prompts
    test = prompts.parts[splits.TEST]
    # Training read whole prompts; what is judged must be what is served, which reads their cores.
    cores = made.fusion.encoder.cores(test.texts)
    cut = [i for i, core in enumerate(cores) if core != test.texts[i]]
    vectors = prompts.vectors[splits.TEST].copy()
    vectors[cut] = made.fusion.encoder.encode([test.texts[i] for i in cut])
    learned = made.model_sat.success_probability(cores, StepProgress("scoring held-out prompts"))
    fused = made.fusion.from_vectors(vectors)
    simple = stack.fit(prompts.labelled(splits.TRAIN), prompts.labelled(splits.VALIDATION))
    rows = {
        CHALLENGER: written.calibration(rerank(fused, asked_of_few(learned, fused), made.weight)),
        MODEL_SAT: learned,
        FUSION: fused,
        STACK: simple(prompts.labelled(splits.TEST).vectors).astype(np.float32),
    }
    foreign = {CHALLENGER: made.fusion.foreign(vectors)}
    cost = made.fusion.expected_cost(vectors, test.texts)
    costs = {} if cost is None else {CHALLENGER: cost[:, served]}
    return pa.concat_tables(
        [
            prediction_rows(name, values[:, served], test.ids, written.digest, foreign.get(name), costs.get(name))
            for name, values in rows.items()
        ]
    )


def _model_sat(instructions: Instructions, facts: dict[str, Any], work: Path) -> ModelSat:
    network = Network(load_language_model(work / "backbone"), Shape(**facts["shape"]))
    # A bundle stores the language model in bfloat16, so predictions use the rounded weights that will be served.
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
    return ModelSat(instructions.names, accuracies, encoder, network, work / "backbone", facts["max_tokens"])


def _prompts(instructions: Instructions, work: Path, model_sat: ModelSat) -> _Prompts:
    parts = {split: instructions.part(split) for split in (splits.TRAIN, splits.VALIDATION, splits.TEST)}
    sizes = [len(part.ids) for part in parts.values()]
    network = model_sat.network
    layers = thirds(len(network.lower) + len(network.upper))
    means = np.fromfile(work / "states" / "means.f32", dtype=np.float32).reshape(sum(sizes), len(layers), -1)
    unit = means / np.maximum(np.linalg.norm(means, axis=2, keepdims=True), 1e-12)
    vectors = np.split(unit, np.cumsum(sizes)[:-1])
    return _Prompts(parts, dict(zip(parts, vectors, strict=True)), layers)


def _surface(prompts: _Prompts, *names: str) -> surface.Surface:
    vectors = np.concatenate([prompts.vectors[name] for name in names])
    targets = np.concatenate([prompts.parts[name].targets for name in names])
    kinds = np.concatenate([prompts.parts[name].categories for name in names])
    return surface.fit(vectors, targets, kinds)


def _fusion(instructions: Instructions, prompts: _Prompts, backbone: Path, max_tokens: int) -> Fusion:
    fitted = _surface(prompts, splits.TRAIN, splits.VALIDATION)
    train, vectors = prompts.parts[splits.TRAIN], prompts.vectors[splits.TRAIN]
    place = {prompt_id: i for i, prompt_id in enumerate(train.ids)}
    # For a question without training data, every candidate is assumed to score its overall mean.
    asked = instructions.aptitude_test["prompt_id"].to_pylist()
    into = [i for i, prompt_id in enumerate(asked) if prompt_id in place]
    taken = [place[asked[i]] for i in into]
    anchors = Anchors(
        np.zeros((len(asked), *vectors.shape[1:]), dtype=np.float32),
        np.tile(fitted.means, (len(asked), 1)),
    )
    anchors.vectors[into] = vectors[taken]
    anchors.zoo[into] = score_matrix.filled(train.targets[taken])
    encoder = Encoder(backbone, max_tokens, prompts.layers)
    encoder.core = learned_core.learn(encoder, train.texts)
    return Fusion(instructions.names, encoder, fitted, anchors, _cost_head(instructions, prompts))


def _evidence(prompts: _Prompts, calibration: Calibration, fusion: Fusion, mixed: np.ndarray | None) -> DefaultEvidence:
    """Return what the default is settled on.

    Fusion alone is fitted anew without each quarter of the training and validation prompts, which then counts as
    validation: eight times the prompts, so that a third of the loss can be excluded. A network saw all training
    prompts, so beside one only validation prompts count.

    Args:
        prompts: All prompts.
        calibration: Of the router.
        fusion: With its cost head.
        mixed: Probabilities of validation prompts with the network; None where it is left out.
    """
    names = (splits.TRAIN, splits.VALIDATION) if mixed is None else (splits.VALIDATION,)
    parts = [prompts.parts[name] for name in names]
    vectors = np.concatenate([prompts.vectors[name] for name in names])
    targets = np.concatenate([part.targets for part in parts])
    if mixed is None:
        kinds = np.concatenate([part.categories for part in parts])
        mixed = surface.cross_fitted(vectors, targets, kinds)
    texts = [text for part in parts for text in part.texts]
    return DefaultEvidence(texts, calibration(mixed), targets, fusion.expected_cost(vectors, texts))


def _cost_head(instructions: Instructions, prompts: _Prompts) -> CostHead | None:
    """Fit what answers cost to all training and validation prompts of which that is known."""
    if "paid" not in instructions.facts:
        return None
    parts = [(prompts.parts[split], prompts.vectors[split]) for split in (splits.TRAIN, splits.VALIDATION)]
    texts = [text for part, _ in parts for text in part.texts]
    paid = np.concatenate([instructions.paid(part.ids) for part, _ in parts])
    return cost_head.fit(np.concatenate([vectors for _, vectors in parts]), tokens_in(texts), paid)


def lineage(instructions: Instructions, facts: dict[str, Any], recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the lineage that a bundle records."""
    train = instructions.part(splits.TRAIN)
    targets = train.targets
    # Feedback is no random sample of prompts per candidate, so it does not count towards mean scores.
    drawn = np.asarray([not name.startswith(feedback.BENCHMARK) for name in train.categories], dtype=bool)
    asked = ~np.isnan(targets) & drawn[:, None]
    mean = np.where(asked, targets, 0.0).sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    return {
        "modelsat_version": __version__,
        "data_digest": instructions.facts["data_digest"],
        "sources": instructions.facts["sources"],
        "summary": instructions.facts["summary"],
        "aptitude_test": instructions.facts["story"],
        "tokens_out": instructions.facts["tokens_out"],
        **({"paid": instructions.facts["paid"]} if "paid" in instructions.facts else {}),
        "trained_on": list(instructions.names),
        "mean_score": dict(zip(instructions.names, map(float, mean), strict=True)),
        "recipe": recipe,
        "training": facts["announced"],
    }


def seen(instructions: Instructions) -> pa.Table:
    """Return the record of the prompts behind a router; what users asked leaves no trace in it."""
    parts = splits.assign(instructions.prompts["stem_digest"].to_pylist())
    from_users = pc.starts_with(instructions.prompts["benchmark"], feedback.BENCHMARK)
    learned = pc.and_(pa.array(parts != splits.TEST), pc.invert(from_users))
    return seen_prompts.table(instructions.prompts.filter(learned)["stem_digest"].to_pylist())


def attribution(instructions: Instructions) -> str:
    """Return the licence lines of the data behind a router, Markdown."""
    return "# Data behind this router\n\n" + "".join(f"- {line}\n" for line in instructions.facts["licences"])
