"""The processes that train together: who they are, how they meet, and what only one of them says."""

import os
from dataclasses import dataclass

import torch

from modelsat.errors import InputError
from training.lean_deepspeed import deepspeed
from training.optimisation import Optimisation


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

    def mean(self, value: torch.Tensor) -> float:
        """Average a number over all ranks."""
        total = value.detach().clone()
        torch.distributed.all_reduce(total)
        return float(total) / self.count

    def agree(self, wish: bool) -> bool:
        """Let rank 0 decide for all: clocks differ, and a checkpoint needs every rank."""
        if self.count == 1:
            return wish
        value = torch.tensor([int(wish)], device=self.device)
        torch.distributed.broadcast(value, src=0)
        return bool(value.item())


def join(settings: Optimisation) -> Ranks:
    """Meet the other ranks; a process that was started alone is the only one."""
    for name, value in (
        ("RANK", "0"),
        ("LOCAL_RANK", "0"),
        ("WORLD_SIZE", "1"),
        ("MASTER_ADDR", "127.0.0.1"),
        ("MASTER_PORT", "0"),
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
        if settings.precision == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise InputError(f"{torch.cuda.get_device_name()} does not compute in bfloat16; set precision to float32")
    deepspeed.init_distributed("nccl" if device.type == "cuda" else "gloo", verbose=False)
    return Ranks(int(os.environ["RANK"]), count, device)
