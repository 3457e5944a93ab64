"""Votes: what clients said of answers, side by side as arrays, and which of them count for how much."""

from dataclasses import dataclass

import numpy as np

OPERATOR = ""
"""Who gives what stands in the operator's own files; no client is called so."""


@dataclass(frozen=True)
class Votes:
    """What was said of n answers, one vote each.

    Attributes:
        ids: Of the answers, (n,).
        candidates: Who answered, (n,).
        givers: Who said it, as a keyed digest, (n,); `OPERATOR` is believed.
        prompts: Which prompt was answered, as a keyed digest, (n,).
        scores: In [0, 1], (n,).
        expected: Success probability that the router gave the candidate on this prompt before, in [0, 1], (n,).
        known: What the operator said of the same answer, in [0, 1], NaN where nothing, (n,).
        has_text: Whether the prompt's text was kept, (n,).
    """

    ids: np.ndarray
    candidates: np.ndarray
    givers: np.ndarray
    prompts: np.ndarray
    scores: np.ndarray
    expected: np.ndarray
    known: np.ndarray
    has_text: np.ndarray

    @property
    def by_clients(self) -> np.ndarray:
        """Return which votes clients gave, (n,)."""
        return np.asarray(self.givers != OPERATOR)


def rows_by(column: np.ndarray, among: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rows of every value of a column (n,), of the rows that a mask (n,) allows, by value in order."""
    rows = np.flatnonzero(among)
    values, place = np.unique(column[rows].astype(str), return_inverse=True)
    ends = np.cumsum(np.bincount(place, minlength=len(values)))
    parts = np.split(rows[np.argsort(place, kind="stable")], ends)[: len(values)]
    return {str(value): part for value, part in zip(values, parts, strict=True)}


def by_prompt(votes: Votes, chosen: np.ndarray, candidate: str) -> dict[str, float]:
    """Return what a candidate scored on each prompt: the mean of the votes that are chosen, (n,)."""
    rows = np.flatnonzero(chosen & (votes.candidates == candidate))
    prompts, place, counts = np.unique(votes.prompts[rows].astype(str), return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=votes.scores[rows], minlength=len(prompts)) / np.maximum(counts, 1)
    return dict(zip(prompts.tolist(), means.tolist(), strict=True))
