"""Fine-tuning as published: stage 1 teaches the connector, stage 2 everything, encoder and connector faster.

Each stage has an optimiser of its own. What stage 1 leaves is `stage-1.safetensors`, where stage 2 starts; what is left
in the end is `network.safetensors` with `trained.json` written last, as by `training.finetune`.
"""

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from modelsat.aptitude.instructions import Instructions
from modelsat.io.atomic import atomic_file, write_json
from modelsat.io.storage import file_digest
from modelsat.routers.paper.layout import Layout
from modelsat.routers.paper.network import PaperNetwork, check_lengths, check_packing, rounded, start
from modelsat.routers.paper.router import load_layout
from modelsat.text.backbone import copy_backbone
from modelsat.text.encoder import is_causal
from training import adapters, loop
from training.loop import Inputs, OptimiserStep
from training.paper import curriculum
from training.paper.objective import GroupObjective
from training.paper.recipe import PaperRecipe
from training.ranks import Ranks, join
from training.recompute import recompute

_NEW = ("connector.", "answer.")


def finetune(instructions_folder: Path, backbone: Path, work: Path, settings: PaperRecipe) -> None:
    """Train, or go on training, and leave the network in `work`.

    Raises:
        InputError: The instructions or the backbones are not usable.
    """
    ranks = join(settings)
    encoder = (backbone / settings.capability_encoder).resolve() if settings.capability == "vector" else None
    if ranks.rank == 0:
        copy_backbone(backbone, work / "language_model", weights=False)
        if encoder is not None:
            copy_backbone(encoder, work / "encoder", weights=False)
    ranks.barrier()
    layout = load_layout(work, settings.reading)
    instructions = Instructions.read(instructions_folder)
    lessons = curriculum.prepare(instructions, layout)
    facts = _facts(instructions, lessons, settings, ranks)
    steps = curriculum.plan(settings)
    inputs = curriculum.inputs(lessons, layout, settings, ranks)
    training = _Training(backbone, encoder, work, layout, settings, ranks)
    first = work / "stage-1.safetensors"
    if settings.connector_steps and not first.exists():
        state = training.stage(1, training.network(), steps, inputs)
        if ranks.rank == 0:
            _save({name: value for name, value in state.items() if name.startswith(_NEW)}, first)
        ranks.barrier()
    network = training.network()
    if settings.connector_steps:
        network.load_state_dict(load_file(first), strict=False)
    state = training.stage(2, network, steps, inputs)
    if ranks.rank == 0:
        _save(state, work / "network.safetensors")
        write_json(work / "trained.json", facts | {"network_digest": file_digest(work / "network.safetensors")})
    ranks.barrier()


@dataclass(frozen=True)
class _Training:
    """What both stages share."""

    backbone: Path
    encoder: Path | None
    work: Path
    layout: Layout
    settings: PaperRecipe
    ranks: Ranks

    def network(self) -> PaperNetwork:
        """Start from the backbones; whatever is new is a function of the seed."""
        torch.manual_seed(self.settings.seed)
        network = start(self.backbone, self.encoder, self.layout.tokenizer, self.settings.attention)
        check_lengths(network, self.layout)
        if self.settings.gradient_checkpointing:
            recompute(network)
        network = network.train().to(self.ranks.device, getattr(torch, self.settings.precision))
        if self.settings.packing:
            check_packing(network, self.layout, self.settings.row_tokens)
        return network

    def stage(
        self, number: int, network: PaperNetwork, steps: Sequence[OptimiserStep], inputs: Inputs
    ) -> dict[str, torch.Tensor]:
        """Take the steps of one stage and return, to rank 0, the weights as a bundle holds them."""
        if number == 2:
            self.adapt(network)
        groups = parameter_groups(network, number, is_causal(self.backbone))
        learning = {id(value) for group in groups for value in group}
        for value in network.parameters():
            value.requires_grad_(id(value) in learning)
        own = [step for step in steps if step.stage == number]
        folder = self.work / "checkpoints" / f"stage-{number}"
        objective = GroupObjective(network)
        state = loop.train(objective, groups, own, inputs, self.settings, self.ranks, self.work, folder, "groups")
        gc.collect()
        if self.ranks.rank != 0:
            return {}
        named = {name.removeprefix("network."): value for name, value in state.items()}
        if number == 2 and self.settings.lora_rank:
            whole = self.network()
            self.adapt(whole)
            whole.load_state_dict(named)
            named = adapters.merged(whole).state_dict()
        return rounded(named)

    def adapt(self, network: PaperNetwork) -> None:
        """Put adapters on both backbones, or let all of them learn."""
        for model in (network.language_model, network.encoder):
            if model is not None:
                adapters.adapt(model, self.settings.lora_rank, self.settings.seed)


def parameter_groups(network: PaperNetwork, stage: int, has_vocabulary: bool) -> list[list[torch.nn.Parameter]]:
    """Return what learns in a stage, in the order of a step's rates.

    Stage 1 teaches what no backbone brought: the connector and, where the language model has no vocabulary head, the
    rows of Yes and No. Stage 2 teaches these and the encoder at the first rate, all else at the second; what is frozen
    stays so.
    """
    new = ("connector.",) if has_vocabulary else _NEW
    fast = new if stage == 1 else (*new, "encoder.")
    parts = [(name.startswith(fast), value) for name, value in network.named_parameters() if value.requires_grad]
    quick, slow = ([value for is_fast, value in parts if is_fast == wanted] for wanted in (True, False))
    return [quick] if stage == 1 else [quick, slow]


def _facts(
    instructions: Instructions, lessons: curriculum.Curriculum, settings: PaperRecipe, ranks: Ranks
) -> dict[str, Any]:
    announced = {
        "ranks": ranks.count,
        "threads_per_rank": torch.get_num_threads(),
        "zero_stage": settings.zero_stage,
        "training_prompts": len(lessons.prompts),
        "candidates": len(instructions.names),
        "possible_positives": int(lessons.evidence[2].positives().sum()),
        "steps_of_stage_1": settings.connector_steps,
        "steps_of_stage_2": settings.steps,
        "pairs_per_step": settings.groups * settings.group,
    }
    for name, value in announced.items():
        ranks.say(f"{name.replace('_', ' ')}: {value:,}")
    return {"mode": "paper", "reading": asdict(settings.reading), "announced": announced}


def _save(state: dict[str, torch.Tensor], path: Path) -> None:
    with atomic_file(path) as beside:
        save_file(state, beside)
