"""Votes of clients on answers as parallel arrays, and how they are averaged."""

from dataclasses import dataclass

import numpy as np

OPERATOR = ""
"""The giver of outcomes in the operator's own files; no client has this name."""


@dataclass(frozen=True)
class Votes:
    """Votes on n answers, one vote each.

    Attributes:
        ids: Of the answers, (n,).
        candidates: The candidate that answered, (n,).
        givers: The client that voted, as a keyed digest, (n,); `OPERATOR` is trusted.
        prompts: The prompt, as a keyed digest, (n,).
        scores: In [0, 1], (n,).
        expected: Success probability that the router gave the candidate on this prompt before, in [0, 1], (n,).
        known: The operator's outcome for the same answer, in [0, 1], NaN if there is none, (n,).
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
        """Return which votes came from clients, (n,)."""
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
