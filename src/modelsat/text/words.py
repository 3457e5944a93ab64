"""The words of a prompt as a vector, beside what a language model makes of them; serving needs nothing but numpy.

Tokens and pairs of neighbouring tokens, as the language model's own tokenizer cuts them, get TF-IDF weights, and these
are reduced to their leading directions (latent semantic analysis; Deerwester et al., JASIS 1990).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH = 128
MOST_TERMS = 32768
_BUCKETS = 1 << 20
_SPARE, _ROUNDS = 10, 3
_LEAST_PROMPTS = 2
"""A term that stands in one training prompt only cannot be compared by."""


@dataclass(frozen=True)
class Words:
    """What was learned of t terms.

    Attributes:
        terms: Numbers of the terms, ascending, int64 (t,).
        directions: Of each term, times how rare it is, (t, width).
    """

    terms: np.ndarray
    directions: np.ndarray

    def __call__(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Return float32 vectors (n, width) of length 1, of 0 where no term is known, of n prompts' token ids."""
        out = np.zeros((len(ids), self.directions.shape[1]), dtype=np.float32)
        for row, tokens in enumerate(ids):
            found, weights = counted(tokens)
            place = np.searchsorted(self.terms, found)
            known = np.flatnonzero(self.terms[np.minimum(place, len(self.terms) - 1)] == found)
            out[row] = weights[known] @ self.directions[place[known]].astype(np.float32)
        return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9))


def counted(ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of a prompt's terms, ascending, and 1 + log of how often each stands in it.

    Args:
        ids: Its token ids, special tokens at both ends included.
    """
    tokens = np.asarray(ids, dtype=np.int64)
    # A pair is a number above all single tokens; two pairs may share one.
    pairs = _BUCKETS + (tokens[:-1] * 1_000_003 + tokens[1:]) % _BUCKETS
    terms, times = np.unique(np.concatenate([tokens, pairs]), return_counts=True)
    return terms, 1 + np.log(times)


def learn(ids: Sequence[Sequence[int]]) -> Words | None:
    """Learn terms and directions from training prompts; outcomes are not used.

    Args:
        ids: Token ids of the prompts, as of `prompt_window.token_ids`.

    Returns:
        None where no two prompts share a term.
    """
    from scipy.sparse import csr_matrix

    found = [counted(row) for row in ids]
    terms, column, prompts = np.unique(
        np.concatenate([row for row, _ in found]), return_inverse=True, return_counts=True
    )
    starts = np.concatenate([[0], np.cumsum([len(row) for row, _ in found])])
    table = csr_matrix((np.concatenate([weight for _, weight in found]), column, starts), (len(ids), len(terms)))
    # Of the terms, those in most prompts are kept, in the order of their numbers.
    often = np.flatnonzero(prompts >= _LEAST_PROMPTS)
    kept = np.sort(often[np.argsort(-prompts[often], kind="stable")[:MOST_TERMS]])
    if len(kept) < 2:
        return None
    rarity = np.log((1 + len(ids)) / (1 + prompts[kept])) + 1
    weighted = table[:, kept].multiply(rarity).tocsr()
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)))
    weighted = weighted.multiply(1 / np.maximum(lengths, 1e-9)).tocsr()
    leading = _leading(weighted, max(1, min(WIDTH, len(ids) - 1, len(kept) - 1)))
    return Words(terms[kept], (rarity[:, None] * leading).astype(np.float16))


def _leading(table: Any, width: int) -> np.ndarray:
    """Return the leading right singular vectors (t, width) of a sparse table (n, t) by power iteration.

    Orthogonal is made only what has a row per prompt, of which there are fewer than terms (Halko, Martinsson and Tropp,
    Finding Structure with Randomness, SIAM Review 2011).
    """
    start = np.random.default_rng(0).normal(size=(table.shape[1], min(width + _SPARE, *table.shape)))
    basis, _ = np.linalg.qr(table @ start)
    for _ in range(_ROUNDS):
        basis, _ = np.linalg.qr(table @ (table.T @ basis))
    across = table.T @ basis
    squared, rotation = np.linalg.eigh(across.T @ across)
    largest = np.argsort(-squared, kind="stable")[:width]
    return np.asarray(across @ rotation[:, largest] / np.sqrt(np.maximum(squared[largest], 1e-12)))
