"""The challenger: fusion, reranked by the trained network where that helps, and its predictions of held-out prompts.

Predictions are computed here, on the accelerator; the evaluation recomputes a sample of them as a check.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file

from modelsat.aptitude import cards
from modelsat.aptitude.instructions import Instructions
from modelsat.bundle.bundle import Bundle, Calibration
from modelsat.challenger import encoded, member_table, on_surface, records
from modelsat.challenger.default import DefaultEvidence
from modelsat.challenger.encoded import EncodedPrompts, Known
from modelsat.challenger.member_table import MEMBERS
from modelsat.data import splits
from modelsat.evaluation.table import CHALLENGER, FUSION, MODEL_SAT, STACK
from modelsat.io.progress import StepProgress
from modelsat.rivals import stack
from modelsat.routers.fusion import members
from modelsat.routers.fusion.members import Beside
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface import Surface
from modelsat.routers.mixture import asked_of_few, choose_weight, rerank
from modelsat.routers.mixture_gain import Gain, gain
from modelsat.routers.model_sat.capability import CapabilityEncoder
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.routers.model_sat.router import LANGUAGE_MODEL, ModelSat
from modelsat.routers.reranked import Reranked
from modelsat.statistics import choose_calibration
from modelsat.text import learned_core
from modelsat.text import words as learned_words
from modelsat.text.encoder import Encoder, load_language_model


@dataclass(frozen=True)
class JointChallenger:
    """The bundle before it is written, its parts, and the instructions behind it.

    Attributes:
        bundle: The bundle, of all candidates.
        model_sat: A part of it.
        fusion: The other part.
        weight: Of Model-SAT, in [0, 1].
        saved: What it saves beside fusion on validation prompts; None where its training ended early.
        validation: Success probabilities of validation prompts (n, m), from parts that were not fitted to them.
        outcomes: Scores there (n, m), NaN where not run.
        prompts: All prompts with their vectors.
        evidence: On what the default is settled.
    """

    bundle: Bundle
    model_sat: ModelSat
    fusion: Fusion
    weight: float
    saved: Gain | None
    validation: np.ndarray
    outcomes: np.ndarray
    prompts: EncodedPrompts
    evidence: DefaultEvidence

    def told(self) -> str:
        """Say what the network weighs, and what that rests on."""
        weighs = f"Model-SAT weighs {self.weight:.0%} beside fusion"
        if self.saved is None:
            return weighs
        saves = "saves" if self.weight > 0 else "would save"
        return f"{weighs}: on validation prompts it {saves} {self.saved.told()}"


def prepare(train: Callable[[], dict[str, Any]], backbone: Path, work: Path) -> dict[str, Any]:  # noqa: ARG001
    """Train the network and return what training leaves in `trained.json`."""
    return train()


def assemble(instructions: Instructions, facts: dict[str, Any], work: Path, recipe: dict[str, Any]) -> JointChallenger:
    """Weigh the trained network against fusion by validation log-loss and calibrate the result on validation prompts.

    A network that does not surely improve validation log-loss gets weight 0 and is not served, so no compute is spent
    on it; neither is one whose training ended early.

    Args:
        instructions: What the network was trained on.
        facts: Content of `trained.json`, which training writes.
        work: Folder of the training.
        recipe: Its settings.
    """
    model_sat = _model_sat(instructions, facts, work)
    layers = len(model_sat.network.lower) + len(model_sat.network.upper)
    prompts = encoded.read(instructions, work, layers, facts["max_tokens"])
    held_out, known = prompts.parts[splits.VALIDATION], prompts.known()
    # What is not fitted to a prompt says what it is worth: every member predicts each prompt without its quarter.
    words = learned_words.learn(known.tokens)
    worded = None if words is None else words(known.tokens)
    said = members.cross_fitted(known.vectors, worded, known.targets, known.kinds, known.stems)
    weights = members.weigh(said, known.targets)
    everywhere = members.mixed(said, weights)
    fused = everywhere[len(everywhere) - len(held_out.ids) :]
    weight, mixed, learned, saved = 0.0, fused, None, None
    ended = facts.get("ended", {})
    # Training that ended early has found that the network adds nothing: a weight that fits here would fit by chance.
    if ended.get("steps") == ended.get("planned"):
        learned = model_sat.success_probability(held_out.texts, StepProgress("scoring validation prompts"))
        saved = gain(fused, learned, held_out.targets)
        # Beside a network fewer prompts can settle the default, so one that may help by chance alone is not served.
        if saved.surely_pays:
            weight = choose_weight(fused, asked_of_few(learned, fused), held_out.targets)
            mixed = rerank(fused, asked_of_few(learned, fused), weight)
    calibration = Calibration(*choose_calibration(mixed, held_out.targets))
    # Weights and calibration are fixed now, so the served router learns from all these prompts.
    fitted = members.fit(known.vectors, worded, known.targets, known.kinds, weights, words)
    fusion = _fusion(instructions, prompts, known, *fitted, work / "backbone")
    shown = member_table.of(members.NAMES, said, weights, known.targets)
    if learned is not None:
        shown = member_table.with_model_sat(shown, weight, learned, held_out.targets)
    bundle = Bundle(
        router=Reranked(fusion, model_sat, weight) if weight > 0 else fusion,
        candidates=instructions.candidates,
        aptitude_test=instructions.aptitude_test,
        cards=instructions.cards,
        calibration=calibration,
        lineage=records.lineage(instructions, facts, recipe) | {MEMBERS: shown},
        attribution=records.attribution(instructions),
        seen_prompts=records.seen(instructions),
    )
    # A network saw all training prompts, so beside one only validation prompts count.
    judged = held_out if weight > 0 else known
    expected = mixed if weight > 0 else everywhere
    vectors = prompts.vectors[splits.VALIDATION] if weight > 0 else known.vectors
    evidence = DefaultEvidence(
        judged.texts, calibration(expected), judged.targets, fusion.expected_cost(vectors, judged.texts)
    )
    validation = calibration(mixed)
    return JointChallenger(bundle, model_sat, fusion, weight, saved, validation, held_out.targets, prompts, evidence)


def predict(made: JointChallenger, written: Bundle) -> pa.Table:
    """Predict the held-out prompts with the challenger, each of its parts, and the strongest of the simple routers.

    Args:
        made: The challenger.
        written: Its bundle as it was written, with its digest.

    Returns:
        Table of the contract `PREDICTIONS`, of the candidates that the written bundle serves.
    """
    prompts = made.prompts
    test = prompts.parts[splits.TEST]
    # Training read whole prompts; what is judged must be what is served, which reads their cores.
    cores = made.fusion.encoder.cores(test.texts)
    cut = [i for i, core in enumerate(cores) if core != test.texts[i]]
    vectors, tokens = prompts.vectors[splits.TEST].copy(), prompts.tokens(cores)
    vectors[cut] = made.fusion.encoder.encode([test.texts[i] for i in cut])
    learned = made.model_sat.success_probability(cores, StepProgress("scoring held-out prompts"))
    fused = made.fusion.from_vectors(vectors, tokens)
    simple = stack.fit(prompts.labelled(splits.TRAIN), prompts.labelled(splits.VALIDATION))
    rows = {
        CHALLENGER: written.calibration(rerank(fused, asked_of_few(learned, fused), made.weight)),
        MODEL_SAT: learned,
        FUSION: made.fusion.surface.success_probability(made.fusion.surface.directions(vectors)).astype(np.float32),
        **on_surface.alone(made.fusion, vectors, tokens),
        STACK: simple(prompts.labelled(splits.TEST).vectors).astype(np.float32),
    }
    return on_surface.told(rows, made.bundle, written, made.fusion, test, vectors)


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


def _fusion(
    instructions: Instructions, prompts: EncodedPrompts, known: Known, fitted: Surface, beside: Beside, backbone: Path
) -> Fusion:
    encoder = Encoder(backbone, prompts.max_tokens, prompts.layers)
    encoder.core = learned_core.learn(encoder, prompts.parts[splits.TRAIN].texts)
    anchors, costs = on_surface.anchors(instructions, prompts, fitted), on_surface.costs(instructions, prompts, known)
    return Fusion(instructions.names, encoder, fitted, anchors, costs, beside)
