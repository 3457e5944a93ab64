"""What DeepSpeed makes of an objective: ZeRO, accumulation, precision and AdamW as a recipe says."""

from collections.abc import Sequence
from typing import Any

import torch

from training.optimisation import Optimisation


def wrap(
    objective: torch.nn.Module,
    groups: Sequence[Sequence[torch.nn.Parameter]],
    settings: Optimisation,
    universal: bool = False,
) -> Any:
    """Wrap an objective with DeepSpeed and AdamW.

    Args:
        objective: Batch in, loss out; its weights have the recipe's precision.
        groups: Trainable parameters; each step sets one learning rate per group. ZeRO keeps their order.
        settings: Of the optimiser.
        universal: Whether the checkpoint it will load is a universal one.
    """
    from training.lean_deepspeed import deepspeed

    optimizer = torch.optim.AdamW(
        [{"params": group, "lr": 0.0} for group in groups], weight_decay=settings.weight_decay
    )
    config = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": settings.accumulation,
        "gradient_clipping": settings.clip,
        "zero_optimization": {"stage": settings.zero_stage, "stage3_gather_16bit_weights_on_model_save": True},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
        "bf16": {"enabled": settings.precision == "bfloat16"},
        # Many small gradients added up in bfloat16 would lose the last of them.
        "data_types": {"grad_accum_dtype": "fp32"},
        "checkpoint": {"load_universal": universal},
    }
    engine, *_ = deepspeed.initialize(model=objective, optimizer=optimizer, config=config)
    return engine


def weights(engine: Any, settings: Optimisation) -> dict[str, torch.Tensor]:
    """Return all weights of an engine's objective; every rank has to ask."""
    if settings.zero_stage == 3:
        return engine._zero3_consolidated_16bit_state_dict()
    return engine.module.state_dict()
