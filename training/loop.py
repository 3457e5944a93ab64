"""The training loop: steps in order, a line every few seconds, checkpoints, and where to go on after a kill."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import checkpoints
from training.optimisation import Optimisation
from training.ranks import LINE_SECONDS, Ranks


@dataclass(frozen=True)
class Step:
    """One optimiser step: its number from 0, its stage, what it learns from, and the rate of each parameter group."""

    number: int
    stage: int
    rows: np.ndarray
    rates: tuple[float, ...]


Inputs = Callable[[Step], tuple[Sequence[torch.Tensor | None], float]]
"""Makes a rank's share of a step: what the objective takes, and what the loss is scaled by to undo uneven shares."""


def engine(
    objective: torch.nn.Module,
    groups: Sequence[Sequence[torch.nn.Parameter]],
    settings: Optimisation,
    in_bfloat16: bool = False,
) -> Any:
    """Wrap an objective with DeepSpeed and AdamW.

    Args:
        objective: Batch in, loss out.
        groups: Trainable parameters; each step sets one learning rate per group. ZeRO keeps their order.
        settings: Of the optimiser.
        in_bfloat16: Whether the objective's weights are bfloat16; the optimiser keeps its own in float32.
    """
    # Not before `training.ranks` has named the accelerator.
    import deepspeed

    optimizer = torch.optim.AdamW(
        [{"params": group, "lr": 0.0} for group in groups], weight_decay=settings.weight_decay
    )
    config = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.clip,
        "zero_optimization": {"stage": settings.zero_stage, "stage3_gather_16bit_weights_on_model_save": True},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
        "bf16": {"enabled": in_bfloat16},
    }
    wrapped, *_ = deepspeed.initialize(model=objective, optimizer=optimizer, config=config)
    return wrapped


def weights(engine: Any, settings: Optimisation) -> dict[str, torch.Tensor]:
    """Return all weights of an engine's objective; every rank has to ask."""
    if settings.zero_stage == 3:
        return engine._zero3_consolidated_16bit_state_dict()
    return engine.module.state_dict()


def run(
    engine: Any,
    steps: Sequence[Step],
    inputs: Inputs,
    settings: Optimisation,
    ranks: Ranks,
    work: Path,
    folder: Path,
    unit: str = "prompts",
) -> None:
    """Take all steps, or those that are left.

    Args:
        engine: What `engine` made.
        steps: In order, their numbers rising by 1.
        inputs: Makes the batch of a step.
        settings: Of the training.
        ranks: This process and the others.
        work: Folder of the training, which receives `history.jsonl`.
        folder: Of the checkpoints.
        unit: What a row of a step is called.
    """
    start, history = _resume(engine, folder, ranks)
    total = steps[-1].number + 1 if steps else 0
    line, saved, spent = time.monotonic(), time.monotonic(), 0
    for step in steps:
        if step.number < start:
            continue
        for group, value in zip(engine.optimizer.param_groups, step.rates, strict=True):
            group["lr"] = value
        # Dropout is a function of the step, so that a resumed training draws what an uninterrupted one draws.
        torch.manual_seed((settings.seed * total + step.number) * ranks.count + ranks.rank)
        batch, scale = inputs(step)
        loss = engine(*(None if part is None else part.to(ranks.device) for part in batch)) * scale
        engine.backward(loss)
        engine.step()
        spent += len(step.rows)
        now = time.monotonic()
        last = step.number == total - 1
        if now - line > LINE_SECONDS or last or not history:
            value = ranks.mean(loss)
            history.append(_log(ranks, step, total, value, spent / max(now - line, 1e-9), unit, work))
            line, spent = now, 0
        if ranks.agree(now - saved >= settings.checkpoint_seconds or last):
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


def _log(ranks: Ranks, step: Step, steps: int, loss: float, speed: float, unit: str, work: Path) -> dict[str, float]:
    row = {
        "step": step.number + 1,
        "stage": step.stage,
        "loss": loss,
        "learning_rate": step.rates[0],
        "examples_per_second": speed,
    }
    ranks.say(f"stage {step.stage} step {step.number + 1:,}/{steps:,} loss {loss:.4f} {speed:,.0f} {unit}/s")
    if ranks.rank == 0:
        with (work / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return row
