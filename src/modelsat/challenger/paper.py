"""The challenger of the paper's mode: the trained network alone, calibrated, and its held-out predictions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors.torch import load_file

from modelsat.aptitude import cards
from modelsat.aptitude.instructions import Instructions
from modelsat.bundle.bundle import Bundle, Calibration
from modelsat.challenger import records
from modelsat.challenger.default import DefaultEvidence
from modelsat.challenger.predictions import prediction_rows
from modelsat.data import splits
from modelsat.evaluation.table import CHALLENGER
from modelsat.io.progress import StepProgress
from modelsat.routers.paper.network import rebuild
from modelsat.routers.paper.router import ModelSatPaper
from modelsat.routers.paper.tokens import PaperTokens
from modelsat.statistics import choose_calibration

_CALIBRATED_ON = 256


@dataclass(frozen=True)
class PaperChallenger:
    """The bundle before it is written, and the instructions behind it.

    Attributes:
        bundle: The bundle, of all candidates.
        instructions: What the network was trained on.
        validation: Success probabilities of some validation prompts (n, m).
        outcomes: Scores there (n, m), NaN where not run.
        evidence: On what the default is settled.
        weight: Of the network, which is not mixed.
    """

    bundle: Bundle
    instructions: Instructions
    validation: np.ndarray
    outcomes: np.ndarray
    evidence: DefaultEvidence
    weight: float = 1.0

    def told(self) -> str:
        """Say who answers."""
        return "Model-SAT answers alone"


def prepare(train: Callable[[], dict[str, Any]], backbone: Path, work: Path) -> dict[str, Any]:  # noqa: ARG001
    """Train the network and return what training leaves in `trained.json`."""
    return train()


def assemble(instructions: Instructions, facts: dict[str, Any], work: Path, recipe: dict[str, Any]) -> PaperChallenger:
    """Calibrate the trained network; calibration does not change the choices.

    Args:
        instructions: What the network was trained on.
        facts: Content of `trained.json`, which training writes.
        work: Folder of the training.
        recipe: Its settings.
    """
    test = instructions.test
    router = ModelSatPaper(
        instructions.names,
        cards.accuracies(instructions.cards, instructions.names, test.tasks),
        test.keywords,
        rebuild(work, load_file(work / "network.safetensors")),
        work,
        PaperTokens(**facts["reading"]),
    )
    held_out = instructions.part(splits.VALIDATION)
    # Each (candidate, order, prompt) is a forward pass, and only two numbers are fitted: some hundred prompts suffice.
    rows = np.random.default_rng(0).permutation(len(held_out.ids))[:_CALIBRATED_ON]
    said = router.success_probability([held_out.texts[i] for i in rows], StepProgress("scoring validation prompts"))
    outcomes = held_out.targets[rows]
    calibration = Calibration(*choose_calibration(said, outcomes))
    bundle = Bundle(
        router=router,
        candidates=instructions.candidates,
        aptitude_test=instructions.aptitude_test,
        cards=instructions.cards,
        calibration=calibration,
        lineage=records.lineage(instructions, facts, recipe),
        attribution=records.attribution(instructions),
        seen_prompts=records.seen(instructions),
    )
    evidence = DefaultEvidence([held_out.texts[i] for i in rows], calibration(said), outcomes)
    return PaperChallenger(bundle, instructions, calibration(said), outcomes, evidence)


def predict(made: PaperChallenger, written: Bundle) -> pa.Table:
    """Predict the held-out prompts.

    Args:
        made: The challenger.
        written: Its bundle as it was written, with its digest.

    Returns:
        Table of the contract `PREDICTIONS`.
    """
    test = made.instructions.part(splits.TEST)
    said = written.success_probability(test.texts, StepProgress("scoring held-out prompts"))
    return prediction_rows(CHALLENGER, said, test.ids, written.digest)
