"""In which order prompts are seen: a function of seed, stage and epoch alone, so that any rank can resume anywhere."""

import numpy as np


def batches(
    n: int, size: int, seed: int, stage: int, epoch: int, lengths: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return the batches of one epoch: every prompt exactly once.

    Args:
        n: Number of prompts.
        size: Prompts per batch over all ranks; the last batch may be smaller.
        seed: Of the training.
        stage: 1 or 2.
        epoch: From 0.
        lengths: Tokens per prompt (n,); where given, a batch holds prompts of similar length.
    """
    rng = np.random.default_rng([seed, stage, epoch])
    order = rng.permutation(n)
    if lengths is None:
        return [order[start : start + size] for start in range(0, n, size)]
    out = []
    span = size * 32
    for start in range(0, n, span):
        part = order[start : start + span]
        part = part[np.argsort(lengths[part], kind="stable")]
        out += [part[i : i + size] for i in range(0, len(part), size)]
    return [out[i] for i in rng.permutation(len(out))]


def shares(batch: np.ndarray, rank: int, ranks: int, accumulation: int = 1) -> list[np.ndarray]:
    """Return the parts of a batch that one rank works on, one after the other.

    All parts of all ranks have one size; short ones are filled up with -1.

    Args:
        batch: What a step learns from.
        rank: Of this process.
        ranks: Number of processes.
        accumulation: Parts per rank.
    """
    parts = ranks * accumulation
    size = -(-len(batch) // parts)
    filled = np.full(size * parts, -1, dtype=np.int64)
    filled[: len(batch)] = batch
    return [filled[part::parts] for part in range(rank, parts, ranks)]


def rate(step: int, steps: int, warm_up: float) -> float:
    """Return the share of the peak learning rate at a step: a linear rise, then a half cosine to 0."""
    rise = max(1, int(steps * warm_up))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + float(np.cos(np.pi * (step - rise) / max(1, steps - rise))))
