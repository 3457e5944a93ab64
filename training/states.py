"""Prompts run through the frozen lower layers once, kept on disk: stage 2 starts there in every epoch.

Held are the hidden states of the training prompts, and of the validation prompts where a recipe measures on them, at
the entry layer (float16, one row per token) and, of all prompts,
their mean states after a few layers of the untouched language model (float32): the last one's start stage 1, and all of
them describe a prompt to the fusion router.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from modelsat.io.atomic import naming_full_disk, write_json
from modelsat.routers.model_sat.network import Network
from modelsat.text.encoder import length_sorted_batches, mean_pool, thirds

MEANS = "means.f32"
_BATCH = 32


@dataclass(frozen=True)
class States:
    """What `encode` left on disk.

    Attributes:
        lengths: Tokens per prompt whose states are held (kept,), training prompts first.
        hidden: File of their states at the entry layer, float16 (tokens of all of them, width). It is read
            and not mapped: a mapping would count as this process's memory, a gigabyte for 6,000 long prompts.
        means: Mean states of every prompt after the layers that `thirds` names, float32 (prompts, layers, width),
            training prompts first.
    """

    lengths: np.ndarray
    hidden: Path
    means: np.ndarray

    @property
    def vectors(self) -> np.ndarray:
        """Return the mean of the last hidden states of every prompt (prompts, width)."""
        return self.means[:, -1]

    @property
    def unit_means(self) -> np.ndarray:
        """Return the means, each of length 1, as fusion reads them."""
        return np.asarray(self.means / np.maximum(np.linalg.norm(self.means, axis=2, keepdims=True), 1e-12))

    def batch(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states (n, l, d) as float32 and mask (n, l) of prompts whose states are held; row -1 is a filler."""
        offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        filled = np.maximum(rows, 0)
        longest = int(self.lengths[filled].max())
        width = self.means.shape[2]
        states = torch.zeros(len(rows), longest, width)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for i, row in enumerate(filled):
            size = self.lengths[row]
            read = np.fromfile(self.hidden, np.float16, int(size) * width, offset=2 * int(offsets[row]) * width)
            states[i, :size] = torch.from_numpy(read.reshape(size, width).astype(np.float32))
            mask[i, :size] = 1
        return states, mask


def encode(
    network: Network,
    ids: Sequence[Sequence[int]],
    kept: int,
    folder: Path,
    key: str,
    rank: int = 0,
    ranks: int = 1,
    barrier: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] | None = None,
) -> States:
    """Encode prompts, every rank its share; what is there already under the same key is used.

    Args:
        network: With the adapters still neutral.
        ids: Token ids of all prompts, training prompts first.
        kept: Of how many of them, from the first, the states are held.
        folder: Where to keep the states.
        key: Digest of texts, backbone and entry layer.
        rank: Of this process.
        ranks: Number of processes.
        barrier: Waits for all ranks.
        progress: Called with (prompts done, prompts of this rank).
    """
    lengths = np.asarray([len(row) for row in ids])
    width = network.inquiry.shape[0]
    tokens = int(lengths[:kept].sum())
    done_file = folder / "states.json"
    layers = thirds(len(network.lower) + len(network.upper))
    sizes = {"hidden.f16": max(tokens, 1) * width * 2, MEANS: len(ids) * len(layers) * width * 4}
    complete = _is_complete(done_file, key, sizes)
    # Nobody touches the files before everybody has looked: ranks that disagree would wait for each other forever.
    barrier()
    if not complete:
        folder.mkdir(parents=True, exist_ok=True)
        if rank == 0:
            done_file.unlink(missing_ok=True)
            for name, size in sizes.items():
                _reserve(folder / name, size)
        barrier()
        _fill(network, ids, lengths, kept, folder, layers, rank, ranks, progress)
        barrier()
        if rank == 0:
            write_json(done_file, {"key": key})
    means = np.fromfile(folder / MEANS, dtype=np.float32).reshape(-1, len(layers), width)
    return States(lengths[:kept], folder / "hidden.f16", means)


def _reserve(path: Path, size: int) -> None:
    """Allocate a file for good: a full disk is an error here and not a signal in the middle of a memory map."""
    with naming_full_disk(path), path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def _is_complete(done_file: Path, key: str, sizes: dict[str, int]) -> bool:
    try:
        same = json.loads(done_file.read_text(encoding="utf-8"))["key"] == key
        return same and all((done_file.parent / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _fill(
    network: Network,
    ids: Sequence[Sequence[int]],
    lengths: np.ndarray,
    kept: int,
    folder: Path,
    layers: Sequence[int],
    rank: int,
    ranks: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    width = network.inquiry.shape[0]
    means = np.memmap(folder / MEANS, dtype=np.float32, mode="r+", shape=(len(ids), len(layers), width))
    offsets = np.concatenate([[0], np.cumsum(lengths[:kept])])
    mine = np.arange(rank, len(ids), ranks)
    done = 0
    with torch.inference_mode(), (folder / "hidden.f16").open("r+b") as hidden:
        for part in length_sorted_batches(lengths[mine], _BATCH):
            rows = mine[part]
            input_ids, mask = (part.to(network.inquiry.device) for part in _padded([ids[i] for i in rows]))
            after = list(network.walk(input_ids, mask))
            means[rows] = torch.stack([mean_pool(after[layer], mask) for layer in layers], dim=1).cpu().numpy()
            states = after[network.shape.entry_layer].cpu()
            for j, row in enumerate(rows):
                if row < kept:
                    hidden.seek(2 * int(offsets[row]) * width)
                    hidden.write(states[j, : lengths[row]].half().numpy().tobytes())
            done += len(rows)
            if progress is not None:
                progress(done, len(mine))
    means.flush()


def _padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(row) for row in rows)
    input_ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for i, row in enumerate(rows):
        input_ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return input_ids, mask
