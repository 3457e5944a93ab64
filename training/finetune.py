r"""Fine-tune the Model-SAT network with DeepSpeed.

    python -m torch.distributed.run --nproc_per_node 1 -m training.finetune \
        --instructions DIR --backbone DIR --work DIR --recipe cpu

Stage 1 teaches connector and head while the language model rests; stage 2 teaches everything, adapters included
(Model-SAT, section 6). What is left in `--work` is `network.safetensors`, adapters merged, with `trained.json` written
last. Killed at any point, the same command goes on from the last complete checkpoint. It knows neither Kubeflow nor
MLflow.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import deepspeed
import numpy as np
from safetensors.torch import save_file
from torch.nn import functional

from modelsat import cards, splits
from modelsat.atomic import atomic_file, write_json
from modelsat.backbone_files import halve_backbone
from modelsat.capability import describe, fit
from modelsat.encoder import Encoder, load_language_model, load_tokenizer
from modelsat.errors import InputError, ModelsatError
from modelsat.instructions import Instructions, Part
from modelsat.network import Network, Shape
from modelsat.prompt_window import token_ids
from modelsat.rendering import INQUIRY, digest
from modelsat.storage import file_digest
from training import adapters, checkpoints, losses, order, recipe, states

_LINE_SECONDS = 5.0


@dataclass(frozen=True)
class Ranks:
    """Where this process stands among all."""

    rank: int
    count: int
    device: torch.device

    def barrier(self) -> None:
        """Wait for all ranks."""
        torch.distributed.barrier()

    def say(self, text: str) -> None:
        """Print a line once for all ranks."""
        if self.rank == 0:
            print(text, flush=True)  # noqa: T201


class Objective(torch.nn.Module):
    """The module that DeepSpeed wraps: batch in, loss out."""

    def __init__(
        self, network: Network, settings: recipe.Recipe, capability: torch.Tensor, membership: torch.Tensor
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.capability: torch.Tensor
        self.membership: torch.Tensor
        self.register_buffer("capability", capability, persistent=False)
        self.register_buffer("membership", membership, persistent=False)

    def forward(
        self, prompts: torch.Tensor, mask: torch.Tensor | None, targets: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Score a batch, in stage 1 (no mask) from the prompts' vectors, in stage 2 from their states."""
        settings = self.settings
        if mask is None:
            vectors = functional.dropout(prompts, settings.dropout, self.training)
            logits = self.network.read_card(vectors, self.capability)
            found = losses.category(self.network.attention(vectors), self.membership, labels)
        else:
            logits = self.network(prompts, mask, self.capability)
            found = logits.new_zeros(())
        return (
            settings.pointwise * losses.pointwise(logits, targets)
            + settings.across * losses.across(logits, targets)
            + settings.within * losses.within(logits, targets)
            + settings.category * found
        )


def main() -> None:
    """Run one rank; an error of ours ends in one sentence and its exit code."""
    parser = argparse.ArgumentParser(description="Fine-tune the Model-SAT network with DeepSpeed.")
    parser.add_argument("--instructions", type=Path, required=True, help="folder with capability instructions")
    parser.add_argument("--backbone", type=Path, required=True, help="folder with the language model")
    parser.add_argument("--work", type=Path, required=True, help="folder for states, checkpoints and the result")
    parser.add_argument("--recipe", default="cpu", help="name of a recipe or path of a YAML file")
    arguments = parser.parse_args()
    try:
        finetune(arguments.instructions, arguments.backbone, arguments.work, recipe.load(arguments.recipe))
    except ModelsatError as error:
        # torchrun turns every exit code into 1: the launcher reads the sentence from here.
        write_json(arguments.work / "failed.json", {"sentence": str(error), "exit_code": error.exit_code})
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from error


def finetune(instructions_folder: Path, backbone: Path, work: Path, settings: recipe.Recipe) -> None:
    """Train, or go on training, and leave the merged network in `work`.

    Raises:
        InputError: The instructions or the backbone are not usable.
    """
    ranks = _join(settings)
    if ranks.rank == 0:
        halve_backbone(backbone, work / "backbone")
    ranks.barrier()
    backbone = work / "backbone"
    instructions = Instructions.read(instructions_folder)
    train = instructions.part(splits.TRAIN)
    others = [text for split in (splits.VALIDATION, splits.TEST) for text in instructions.part(split).texts]
    network, capability, facts = _build(instructions, backbone, settings)
    network.to(ranks.device)
    ids = token_ids(load_tokenizer(backbone), [*train.texts, *others], settings.max_tokens)
    key = digest(json.dumps([train.texts, others, settings.max_tokens, settings.entry_layer, facts["backbone"]]))
    bar = Bar(ranks, "encoding prompts")
    prompts = states.encode(
        network, ids, len(train.texts), work / "states", key, ranks.rank, ranks.count, ranks.barrier, bar
    )
    with torch.no_grad():
        network.inquiry.copy_(_inquiry(network, backbone))
    adapters.inject(network, settings.lora_rank, settings.seed)
    membership, labels = _categories(instructions, train)
    engine = _engine(Objective(network, settings, capability, membership), settings)
    facts |= _announce(network, settings, ranks, train.targets)
    _train(engine, settings, ranks, prompts, torch.from_numpy(train.targets), labels, work)
    _export(engine, settings, ranks, backbone, work, facts)


def _join(settings: recipe.Recipe) -> Ranks:
    for name, value in (
        ("RANK", "0"),
        ("LOCAL_RANK", "0"),
        ("WORLD_SIZE", "1"),
        ("MASTER_ADDR", "127.0.0.1"),
        ("MASTER_PORT", "29511"),
    ):
        os.environ.setdefault(name, value)
    # The shared-memory collective compiles for minutes at first use and buys nothing here.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    count = int(os.environ["WORLD_SIZE"])
    torch.set_num_threads(
        settings.threads or max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", count)))
    )
    torch.manual_seed(settings.seed)
    device = torch.device("cpu")
    if os.environ["DS_ACCELERATOR"] == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    deepspeed.init_distributed("nccl" if device.type == "cuda" else "gloo", verbose=False)
    return Ranks(int(os.environ["RANK"]), count, device)


def _build(
    instructions: Instructions, backbone: Path, settings: recipe.Recipe
) -> tuple[Network, torch.Tensor, dict[str, Any]]:
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


def _engine(objective: Objective, settings: recipe.Recipe) -> Any:
    parts = dict(objective.named_parameters())
    lora = [value for name, value in parts.items() if value.requires_grad and "lora_" in name]
    ours = [value for name, value in parts.items() if value.requires_grad and "lora_" not in name]
    # ZeRO keeps the groups in this order; `_train` sets their rates before every step.
    optimizer = torch.optim.AdamW(
        [{"params": ours, "lr": 0.0}, {"params": lora, "lr": 0.0}], weight_decay=settings.weight_decay
    )
    config = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.clip,
        "zero_optimization": {"stage": settings.zero_stage, "stage3_gather_16bit_weights_on_model_save": True},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
    }
    engine, *_ = deepspeed.initialize(model=objective, optimizer=optimizer, config=config)
    return engine


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


@dataclass(frozen=True)
class Step:
    """One optimiser step: its number from 0, its stage, its prompts, and the learning rates of ours and of LoRA."""

    number: int
    stage: int
    rows: np.ndarray
    rates: tuple[float, float]


def plan(n: int, lengths: np.ndarray, settings: recipe.Recipe) -> Iterator[Step]:
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
                yield Step(number, stage, rows, (peaks[0] * share, peaks[1] * share))
                number, done = number + 1, done + 1
            epoch += 1


def _steps_of_stage_2(n: int, settings: recipe.Recipe) -> int:
    return int(np.ceil(n / settings.batch) * settings.epochs)


def _train(
    engine: Any,
    settings: recipe.Recipe,
    ranks: Ranks,
    prompts: states.States,
    targets: torch.Tensor,
    labels: torch.Tensor,
    work: Path,
) -> None:
    folder = work / "checkpoints"
    vectors = torch.from_numpy(prompts.vectors)
    steps = list(plan(len(targets), prompts.lengths, settings))
    start, history = _resume(engine, folder, ranks)
    line, saved, spent = time.monotonic(), time.monotonic(), 0
    for step in steps[start:]:
        rows = order.share(step.rows, ranks.rank, ranks.count)
        filled = torch.from_numpy(np.maximum(rows, 0))
        filler = torch.from_numpy(rows < 0)
        wanted = targets[filled].masked_fill(filler[:, None], torch.nan)
        about = labels[filled].masked_fill(filler, -1)
        for group, value in zip(engine.optimizer.param_groups, step.rates, strict=True):
            group["lr"] = value
        # Dropout is a function of the step, so that a resumed training draws what an uninterrupted one draws.
        torch.manual_seed((settings.seed * len(steps) + step.number) * ranks.count + ranks.rank)
        batch = (vectors[filled], None) if step.stage == 1 else prompts.batch(rows)
        # Fillers of an uneven batch are counted in the loss's constant, so the loss is scaled back.
        inputs = [None if part is None else part.to(ranks.device) for part in (*batch, wanted, about)]
        loss = engine(*inputs) * (len(rows) * ranks.count / len(step.rows))
        engine.backward(loss)
        engine.step()
        spent += len(step.rows)
        now = time.monotonic()
        last = step.number == len(steps) - 1
        if now - line > _LINE_SECONDS or last or not history:
            value = _mean(loss, ranks)
            history.append(_log(ranks, step, len(steps), value, spent / max(now - line, 1e-9), work))
            line, spent = now, 0
        if _agree(now - saved >= settings.checkpoint_seconds or last, ranks):
            checkpoints.save(engine, folder, step.number + 1, {"history": history}, ranks.rank, ranks.barrier)
            saved = time.monotonic()


def _resume(engine: Any, folder: Path, ranks: Ranks) -> tuple[int, list[dict[str, float]]]:
    """Load the newest complete checkpoint; return how many steps it holds and their history."""
    tags = checkpoints.complete(folder) if folder.exists() else []
    ranks.barrier()
    if not tags:
        return 0, []
    engine.load_checkpoint(str(folder), tag=tags[-1], load_module_strict=False)
    done = int(tags[-1].removeprefix("step-"))
    ranks.say(f"resuming after step {done}")
    history: list[dict[str, float]] = checkpoints.progress(folder, tags[-1])["history"]
    return done, history


def _mean(loss: torch.Tensor, ranks: Ranks) -> float:
    value = loss.detach().clone()
    torch.distributed.all_reduce(value)
    return float(value) / ranks.count


def _agree(wish: bool, ranks: Ranks) -> bool:
    """Let rank 0 decide for all: clocks differ, and a checkpoint needs every rank."""
    if ranks.count == 1:
        return wish
    value = torch.tensor([int(wish)], device=ranks.device)
    torch.distributed.broadcast(value, src=0)
    return bool(value.item())


def _log(ranks: Ranks, step: Step, steps: int, loss: float, speed: float, work: Path) -> dict[str, float]:
    row = {
        "step": step.number + 1,
        "stage": step.stage,
        "loss": loss,
        "learning_rate": step.rates[0],
        "examples_per_second": speed,
    }
    ranks.say(f"stage {step.stage} step {step.number + 1:,}/{steps:,} loss {loss:.4f} {speed:,.0f} prompts/s")
    if ranks.rank == 0:
        with (work / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return row


def _export(
    engine: Any, settings: recipe.Recipe, ranks: Ranks, backbone: Path, work: Path, facts: dict[str, Any]
) -> None:
    """Gather the weights, merge the adapters, write the network and, last, `trained.json`."""
    state = engine._zero3_consolidated_16bit_state_dict() if settings.zero_stage == 3 else engine.module.state_dict()
    if ranks.rank == 0:
        state = {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
        network = Network(load_language_model(backbone), Shape(**facts["shape"]))
        adapters.inject(network, settings.lora_rank, settings.seed)
        network.load_state_dict(state)
        tensors = {
            name: value.detach().cpu().contiguous() for name, value in adapters.merged(network).state_dict().items()
        }
        with atomic_file(work / "network.safetensors") as beside:
            save_file(tensors, beside)
        network_digest = file_digest(work / "network.safetensors")
        write_json(work / "trained.json", facts | {"network_digest": network_digest})
    ranks.barrier()


class Bar:
    """Prints how far a long step is, at most every few seconds."""

    def __init__(self, ranks: Ranks, what: str) -> None:
        self.ranks, self.what, self.line = ranks, what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Report progress."""
        if time.monotonic() - self.line > _LINE_SECONDS or done == total:
            self.ranks.say(f"{self.what} {done:,}/{total:,}")
            self.line = time.monotonic()


if __name__ == "__main__":
    main()
