r"""Fine-tune the Model-SAT network with DeepSpeed.

    python -m torch.distributed.run --nproc_per_node 1 -m training.finetune \
        --instructions DIR --backbone DIR --work DIR --recipe cpu

Stage 1 teaches connector and head while the language model is frozen; stage 2 teaches everything, adapters included
(Model-SAT, section 6). What is left in `--work` is `network.safetensors`, adapters merged, with `trained.json` written
last. Killed at any point, the same command goes on from the last complete checkpoint. It knows neither Kubeflow nor
MLflow.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from modelsat.aptitude import cards
from modelsat.aptitude.instructions import Instructions, Part
from modelsat.data import splits
from modelsat.errors import InputError, ModelsatError
from modelsat.io.atomic import atomic_file, write_json
from modelsat.io.progress import StepProgress
from modelsat.io.recorded_failure import record_failure
from modelsat.io.storage import file_digest
from modelsat.routers.model_sat.capability import describe, fit
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.text.backbone import halve_backbone
from modelsat.text.encoder import Encoder, load_language_model, load_tokenizer
from modelsat.text.prompt_window import token_ids
from modelsat.text.rendering import INQUIRY, digest
from training import adapters, loop, order, recipe, states
from training.light import LightRecipe
from training.loop import Batch, OptimiserStep
from training.objective import Objective
from training.paper.finetune import finetune as as_published
from training.paper.recipe import PaperRecipe
from training.ranks import Ranks, join
from training.recompute import recompute
from training.worth import Worth


def main() -> None:
    """Run one rank; an error of ours ends in one sentence and its exit code."""
    parser = argparse.ArgumentParser(description="Fine-tune the Model-SAT network with DeepSpeed.")
    parser.add_argument("--instructions", type=Path, required=True, help="folder with capability instructions")
    parser.add_argument("--backbone", type=Path, required=True, help="folder with the language model")
    parser.add_argument("--work", type=Path, required=True, help="folder for states, checkpoints and the result")
    parser.add_argument("--recipe", default="cpu", help="name of a recipe or path of a YAML file")
    arguments = parser.parse_args()
    try:
        settings = recipe.load(arguments.recipe)
        where = (arguments.instructions, arguments.backbone, arguments.work)
        if isinstance(settings, LightRecipe):
            raise InputError(f"recipe {arguments.recipe!r} has nothing to train; name it to `modelsat run` instead")
        if isinstance(settings, PaperRecipe):
            as_published(*where, settings)
        else:
            finetune(*where, settings)
    except ModelsatError as error:
        record_failure(arguments.work, error)
        raise SystemExit(error.exit_code) from error


def finetune(instructions_folder: Path, backbone: Path, work: Path, settings: recipe.Recipe) -> None:
    """Train, or go on training, and leave the merged network in `work`.

    Raises:
        InputError: The instructions or the backbone are not usable.
    """
    ranks = join(settings)
    if ranks.rank == 0:
        halve_backbone(backbone, work / "backbone")
    ranks.barrier()
    backbone = work / "backbone"
    instructions = Instructions.read(instructions_folder)
    train, validation, test = map(instructions.part, (splits.TRAIN, splits.VALIDATION, splits.TEST))
    others = [*validation.texts, *test.texts]
    network, capability, facts = build(instructions, backbone, settings)
    network.to(ranks.device)
    ids = token_ids(load_tokenizer(backbone), [*train.texts, *others], settings.max_tokens)
    key = digest(json.dumps([train.texts, others, settings.max_tokens, settings.entry_layer, facts["backbone"]]))
    bar = StepProgress("encoding prompts", ranks.say)
    # What training is worth is measured on validation prompts.
    kept = len(train.texts) + (len(validation.texts) if settings.checks else 0)
    prompts = states.encode(network, ids, kept, work / "states", key, ranks.rank, ranks.count, ranks.barrier, bar)
    with torch.no_grad():
        network.inquiry.copy_(_inquiry(network, backbone))
    adapters.inject(network, settings.lora_rank, settings.seed)
    if settings.gradient_checkpointing:
        recompute(network.upper)
    membership, labels = _categories(instructions, train)
    objective = Objective(network, settings, capability, membership).to(getattr(torch, settings.precision))
    facts |= _announce(network, settings, ranks, train.targets)
    steps = list(plan(len(train.targets), prompts.lengths, settings))
    batches = inputs(prompts, torch.from_numpy(train.targets), labels, settings, ranks)
    worth = Worth(train, validation, prompts, settings, steps, ranks, work)
    state = loop.train(
        objective,
        groups(objective),
        steps,
        batches,
        settings,
        ranks,
        work,
        work / "checkpoints",
        enough=worth.is_enough,
    )
    if ranks.rank == 0:
        _export(state, settings, backbone, work, facts | {"ended": worth.ended()})
    ranks.barrier()


def build(
    instructions: Instructions, backbone: Path, settings: recipe.Recipe
) -> tuple[Network, torch.Tensor, dict[str, Any]]:
    """Return the network before training, the candidates' capability vectors, and what a bundle has to know of both.

    Raises:
        InputError: The recipe does not fit the backbone.
    """
    test = instructions.test
    accuracies = cards.accuracies(instructions.cards, instructions.names, test.tasks)
    encoder = fit(accuracies, Encoder(backbone).encode(describe(test.keywords)))
    shape = Shape(encoder.tasks, encoder.width, settings.entry_layer, settings.soft_tokens)
    torch.manual_seed(settings.seed)
    try:
        network = Network(load_language_model(backbone), shape)
    except ValueError as error:
        raise InputError(f"the recipe does not fit the backbone: {error}; change one of them") from error
    # Dropout inside the frozen language model doubles the time of a step and regularises nothing that learns.
    network.eval()
    facts = {
        "shape": asdict(shape),
        "capability": {
            "meanings": encoder.meanings.tolist(),
            "zoo_mean": encoder.zoo_mean.tolist(),
            "scale": encoder.scale,
        },
        "backbone": digest(
            repr(sorted((name, float(value.double().sum())) for name, value in network.lower.state_dict().items()))
        ),
        "max_tokens": settings.max_tokens,
    }
    return network, torch.from_numpy(encoder.encode(accuracies)), facts


def _categories(instructions: Instructions, train: Part) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which task belongs to which category (tasks, categories), and each prompt's category or -1 (prompts,)."""
    categories = instructions.test.categories
    names = sorted(set(categories))
    membership = torch.zeros(len(categories), len(names))
    for task, name in enumerate(categories):
        membership[task, names.index(name)] = 1.0
    place = {name: i for i, name in enumerate(names)}
    return membership, torch.tensor([place.get(name, -1) for name in train.categories])


def _inquiry(network: Network, backbone: Path) -> torch.Tensor:
    """Return the performance inquiry as the language model understands it at the entry layer: one vector (d,)."""
    batch = load_tokenizer(backbone)([INQUIRY], return_tensors="pt").to(network.inquiry.device)
    states = network.enter(batch["input_ids"], batch["attention_mask"])
    return states[0].mean(dim=0)


def groups(objective: Objective) -> list[list[torch.nn.Parameter]]:
    """Return what learns, in the order of a step's rates: what is ours, then what is in the language model."""
    parts = [(name.startswith("network.upper."), value) for name, value in objective.named_parameters()]
    return [[value for inside, value in parts if value.requires_grad and inside == wanted] for wanted in (False, True)]


def _announce(network: Network, settings: recipe.Recipe, ranks: Ranks, targets: np.ndarray) -> dict[str, Any]:
    trainable = sum(value.numel() for value in network.parameters() if value.requires_grad)
    total = sum(value.numel() for value in network.parameters())
    facts = {
        "ranks": ranks.count,
        "threads_per_rank": torch.get_num_threads(),
        "zero_stage": settings.zero_stage,
        "training_prompts": len(targets),
        "candidates": targets.shape[1],
        "training_pairs": int((~np.isnan(targets)).sum()),
        "trainable_parameters": trainable,
        "parameters": total,
        "steps_of_stage_1": settings.connector_steps,
        "steps_of_stage_2": _steps_of_stage_2(len(targets), settings),
    }
    for name, value in facts.items():
        ranks.say(f"{name.replace('_', ' ')}: {value:,}")
    return {"announced": facts}


def plan(n: int, lengths: np.ndarray, settings: recipe.Recipe) -> Iterator[OptimiserStep]:
    """Yield every step of both stages in order; the same settings always give the same plan."""
    number = 0
    ours = settings.connector_learning_rate
    stages = (
        (1, settings.connector_steps, settings.connector_batch, None, (ours, 0.0)),
        (
            2,
            _steps_of_stage_2(n, settings),
            settings.batch,
            lengths,
            (settings.head_learning_rate, settings.learning_rate),
        ),
    )
    for stage, steps, size, by_length, peaks in stages:
        done, epoch = 0, 0
        while done < steps:
            for rows in order.batches(n, size, settings.seed, stage, epoch, by_length)[: steps - done]:
                share = order.rate(done, steps, settings.warm_up)
                yield OptimiserStep(number, stage, rows, (peaks[0] * share, peaks[1] * share))
                number, done = number + 1, done + 1
            epoch += 1


def _steps_of_stage_2(n: int, settings: recipe.Recipe) -> int:
    return int(np.ceil(n / settings.batch) * settings.epochs)


def inputs(
    prompts: states.States, targets: torch.Tensor, labels: torch.Tensor, settings: recipe.Recipe, ranks: Ranks
) -> loop.Inputs:
    """Return the function that makes a rank's share of a step.

    Args:
        prompts: What `states.encode` left.
        targets: Scores (prompts, candidates) in [0, 1], NaN where not run.
        labels: Category of each prompt (prompts,), -1 for none.
        settings: Of the training.
        ranks: This process and the others.
    """
    vectors = torch.from_numpy(prompts.vectors)

    def batch(step: OptimiserStep, rows: np.ndarray) -> Batch:
        filled = torch.from_numpy(np.maximum(rows, 0))
        filler = torch.from_numpy(rows < 0)
        wanted = targets[filled].masked_fill(filler[:, None], torch.nan)
        about = labels[filled].masked_fill(filler, -1)
        read = (vectors[filled], None) if step.stage == 1 else prompts.batch(rows)
        # Fillers of an uneven batch are counted in the loss's constant, so the loss is scaled back.
        scale = len(rows) * ranks.count * settings.accumulation / len(step.rows)
        return Batch((*read, wanted, about), scale, rows[rows >= 0])

    def of_step(step: OptimiserStep) -> Iterator[Batch]:
        return (batch(step, rows) for rows in order.shares(step.rows, ranks.rank, ranks.count, settings.accumulation))

    return of_step


def _export(
    state: dict[str, torch.Tensor], settings: recipe.Recipe, backbone: Path, work: Path, facts: dict[str, Any]
) -> None:
    """Merge the adapters, write the network and, last, `trained.json`."""
    state = {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
    network = Network(load_language_model(backbone), Shape(**facts["shape"]))
    adapters.inject(network, settings.lora_rank, settings.seed)
    network.load_state_dict(state)
    tensors = {name: value.detach().cpu().contiguous() for name, value in adapters.merged(network).state_dict().items()}
    with atomic_file(work / "network.safetensors") as beside:
        save_file(tensors, beside)
    network_digest = file_digest(work / "network.safetensors")
    write_json(work / "trained.json", facts | {"network_digest": network_digest})


if __name__ == "__main__":
    main()
