"""The order of what rows of scores name, by their numbers: computed once for a collection, when all of it is known."""

import re
from functools import cached_property

import numpy as np

from modelsat.data import repeated_notes, short_scores
from modelsat.data.short_scores import Numbering, ScoreBooks, ShortScores
from modelsat.data.usual_shots import UsualShots


class ScoreRanks:
    """Ranks of candidates, prompts and origins, ascending; equal ones share theirs.

    Attributes:
        books: What the numbers stand for.
    """

    def __init__(self, books: ScoreBooks, shots: UsualShots) -> None:
        self.books = books
        self._shots = shots

    @cached_property
    def candidate(self) -> np.ndarray:
        """Return the rank of each candidate's name."""
        return short_scores.ranks(self.books.candidates.values)

    @cached_property
    def prompt(self) -> np.ndarray:
        """Return the rank of each prompt's id."""
        return short_scores.ranks(self.books.prompts.values)

    @cached_property
    def metric(self) -> np.ndarray:
        """Return the rank of each origin's metric."""
        return short_scores.ranks(self.books.column("metric"))

    @cached_property
    def uri(self) -> np.ndarray:
        """Return the rank of each origin's file."""
        return short_scores.ranks(self.books.column("source_uri"))

    @cached_property
    def version(self) -> np.ndarray:
        """Return the rank of each origin's version of the harness."""
        return short_scores.ranks(self.books.column("harness_version"), _version)

    @cached_property
    def date(self) -> np.ndarray:
        """Return the rank of each origin's date."""
        return short_scores.ranks(self.books.column("collected_at"))

    @cached_property
    def dated(self) -> np.ndarray:
        """Return which origins are of a harness that writes dates."""
        harnesses = self.books.column("harness")
        return np.asarray([harness == repeated_notes.DATED for harness in harnesses], dtype=bool)

    @cached_property
    def examples(self) -> np.ndarray:
        """Return a number for each origin's number of examples, equal ones sharing it."""
        return Numbering().of(self.books.column("num_fewshot")).astype(np.int64)

    @cached_property
    def benchmark(self) -> np.ndarray:
        """Return a number for each place's benchmark."""
        return Numbering().of(self.books.column("benchmark")).astype(np.int64)

    @cached_property
    def file(self) -> np.ndarray:
        """Return a number for each origin's file."""
        return Numbering().of(self.books.column("source_uri")).astype(np.int64)

    @cached_property
    def _usual(self) -> np.ndarray:
        return self._shots.ranks(self.books)

    def shots(self, scores: ShortScores, rows: np.ndarray) -> np.ndarray:
        """Return how usual the number of examples of each row is on its task."""
        return np.asarray(self._usual[scores.place[rows], self.examples[scores.origin[rows]]])


def _version(text: object) -> tuple[int, ...]:
    """Order dotted versions; a commit or nothing is older than any of them."""
    dotted = re.match(r"\d+(\.\d+)+", str(text or ""))
    return tuple(int(number) for number in dotted[0].split(".")) if dotted else ()
