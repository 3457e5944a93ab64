"""The training loop: steps in order, a line every few seconds, checkpoints, and where to go on after a kill."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modelsat.io.atomic import naming_full_disk
from modelsat.io.progress import EVERY_SECONDS
from training import checkpoints, universal
from training.engine import weights, wrap
from training.optimisation import Optimisation
from training.ranks import Ranks


@dataclass(frozen=True)
class OptimiserStep:
    """One optimiser step: its number from 0, its stage, what it learns from, and the rate of each parameter group."""

    number: int
    stage: int
    rows: np.ndarray
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Batch:
    """What one rank works on at once.

    Attributes:
        tensors: What the objective takes.
        scale: What the loss is multiplied by to undo that shares are filled up.
        prompts: Rows of the training prompts that teach, fillers left out.
    """

    tensors: Sequence[torch.Tensor | None]
    scale: float
    prompts: np.ndarray


Inputs = Callable[[OptimiserStep], Iterable[Batch]]
"""Makes a rank's share of a step: as many batches as gradients are accumulated."""


def train(
    objective: torch.nn.Module,
    groups: Sequence[Sequence[torch.nn.Parameter]],
    steps: Sequence[OptimiserStep],
    inputs: Inputs,
    settings: Optimisation,
    ranks: Ranks,
    work: Path,
    folder: Path,
    unit: str = "prompts",
    enough: Callable[[Any, OptimiserStep], bool] = lambda *_: False,
) -> dict[str, torch.Tensor]:
    """Take all steps, or those that are left, until it is enough, and return all weights.

    Args:
        objective: Batch in, loss out.
        groups: Trainable parameters; each step holds one learning rate per group, an empty one included.
        steps: In order, their numbers rising by 1.
        inputs: Makes the batches of a step.
        settings: Of the training.
        ranks: This process and the others.
        work: Folder of the training, which receives `history.jsonl` and, of every rank, what each step learned from.
        folder: Of the checkpoints.
        unit: What a row of a step is called.
        enough: Asked by every rank after each step but the last; training ends where it says so.
    """
    tags = checkpoints.complete(folder)
    ranks.barrier()
    saved: dict[str, Any] = {"step": 0, "ranks": ranks.count, "history": []}
    if tags:
        saved = checkpoints.progress(folder, tags[-1])
    # Without ZeRO every rank holds everything, and any number of ranks can load it.
    recut = settings.zero_stage > 0 and saved["ranks"] != ranks.count
    # A group may be empty, as where a card in words needs nothing new: DeepSpeed drops it, so its rate goes, too.
    learning = [number for number, group in enumerate(groups) if group]
    engine = wrap(objective, [groups[number] for number in learning], settings, universal=recut)
    if tags:
        if recut:
            universal.load(engine, folder, tags[-1], ranks)
        else:
            checkpoints.load(engine, folder, tags[-1])
        ranks.say(f"resuming after step {saved['step']}, saved by {saved['ranks']} of now {ranks.count} ranks")
    history: list[dict[str, float]] = saved["history"]
    total = steps[-1].number + 1 if steps else 0
    line, written, spent = time.monotonic(), time.monotonic(), 0
    for step in steps:
        if step.number < saved["step"] or saved.get("over"):
            continue
        # Dropout is a function of the step, so that a resumed training draws what an uninterrupted one draws.
        torch.manual_seed((settings.seed * total + step.number) * ranks.count + ranks.rank)
        step = replace(step, rates=tuple(step.rates[number] for number in learning))
        loss, taught = take(engine, step, inputs, ranks)
        row = {"step": step.number + 1, "stage": step.stage, "after": saved["step"], "ranks": ranks.count}
        _append(work / f"taught-{ranks.rank}.jsonl", row | {"prompts": taught})
        spent += len(step.rows)
        now = time.monotonic()
        last = step.number == total - 1 or enough(engine, step)
        if now - line > EVERY_SECONDS or last or not history:
            history.append(_log(ranks, step, total, ranks.mean(loss), spent / max(now - line, 1e-9), unit, work))
            line, spent = now, 0
        if ranks.agree(now - written >= settings.checkpoint_seconds or last):
            progress = {"step": step.number + 1, "ranks": ranks.count, "history": history, "over": last}
            checkpoints.save(engine, folder, step.number + 1, progress, ranks.rank, ranks.barrier)
            written = time.monotonic()
        if last:
            break
    state = weights(engine, settings)
    engine.destroy()
    return state


def take(engine: Any, step: OptimiserStep, inputs: Inputs, ranks: Ranks) -> tuple[torch.Tensor, list[int]]:
    """Learn from a rank's share of a step; return its mean loss and the prompts that taught."""
    for group, value in zip(engine.optimizer.param_groups, step.rates, strict=True):
        group["lr"] = value
    losses, taught = [], []
    for batch in inputs(step):
        loss = engine(*(None if part is None else part.to(ranks.device) for part in batch.tensors)) * batch.scale
        engine.backward(loss)
        # DeepSpeed moves the weights once the last micro-batch is in.
        engine.step()
        losses.append(loss.detach())
        taught += batch.prompts.tolist()
    return torch.stack(losses).mean(), taught


def _log(
    ranks: Ranks, step: OptimiserStep, steps: int, loss: float, speed: float, unit: str, work: Path
) -> dict[str, float]:
    row = {
        "step": step.number + 1,
        "stage": step.stage,
        "loss": loss,
        "learning_rate": step.rates[0],
        "examples_per_second": speed,
    }
    ranks.say(f"stage {step.stage} step {step.number + 1:,}/{steps:,} loss {loss:.4f} {speed:,.0f} {unit}/s")
    if ranks.rank == 0:
        _append(work / "history.jsonl", row)
    return row


def _append(path: Path, row: dict[str, Any]) -> None:
    with naming_full_disk(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
