"""Instructions laid end to end in rows instead of each padded to the longest; in a row, each sees itself alone.

Transformers reads this off the positions, which begin at 0 with every instruction: attention by sdpa or eager masks
what is another instruction's, flash_attention_2 computes each by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch


@dataclass(frozen=True)
class Packed:
    """n instructions in r rows of l tokens.

    Attributes:
        ids: Token ids (r, l).
        positions: Of each token within its instruction, (r, l); what is left of a row counts from 0 as well.
        row: In which row each instruction stands, (n,).
        first: The column of its first token, (n,).
        last: The column of its last token, (n,).
    """

    ids: torch.Tensor
    positions: torch.Tensor
    row: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor

    def to(self, device: torch.device) -> "Packed":
        """Return the same on a device."""
        return Packed(*(getattr(self, part.name).to(device) for part in fields(self)))


def pack(instructions: Sequence[Sequence[int]], most: int, padding: int) -> Packed:
    """Lay instructions into as few rows as hold them, all filled about alike.

    Args:
        instructions: Token ids of each.
        most: Tokens of a row; 0 lays all into one.
        padding: Token id of what is left of a row.

    Raises:
        ValueError: An instruction is longer than a row.
    """
    lengths = np.asarray([len(ids) for ids in instructions])
    most = most or int(lengths.sum())
    if lengths.max() > most:
        raise ValueError(f"an instruction of {lengths.max()} tokens does not fit a row of {most}")
    rows = -(-int(lengths.sum()) // most)
    row, first, filled = _balanced(lengths, rows)
    while filled.max() > most:
        rows += 1
        row, first, filled = _balanced(lengths, rows)
    ids, positions = (np.zeros((rows, filled.max()), dtype=np.int64) for _ in range(2))
    for r, used in enumerate(filled):
        ids[r, used:], positions[r, used:] = padding, np.arange(filled.max() - used)
    for i, told in enumerate(instructions):
        inside = slice(first[i], first[i] + lengths[i])
        ids[row[i], inside], positions[row[i], inside] = told, np.arange(lengths[i])
    return Packed(*map(torch.from_numpy, (ids, positions, row, first, first + lengths - 1)))


def _balanced(lengths: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row and first column of each instruction, the longest first into the emptiest row, and what rows hold."""
    filled = np.zeros(rows, dtype=np.int64)
    row, first = np.zeros_like(lengths), np.zeros_like(lengths)
    for i in np.argsort(-lengths, kind="stable"):
        row[i] = filled.argmin()
        first[i] = filled[row[i]]
        filled[row[i]] += lengths[i]
    return row, first, filled
