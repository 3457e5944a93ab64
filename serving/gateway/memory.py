"""What this gateway remembers by itself: candidates and times under digests, in a table that is made once.

Entries that come and go one by one would make a gateway grow for days until the last of them is there. The table is
cut into rows, a key belongs to one of them, and the oldest entry of a full row is forgotten first.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

MOST_ENTRIES = 150_000
_ROW = 16
_ROOM = 1.6
"""Rows fill unevenly: with so many times the places, one entry in 180 is forgotten before its time."""


@dataclass(frozen=True)
class Answered:
    """Who answered, and when.

    Attributes:
        candidate: Who.
        at: When, in whole seconds since 1970.
    """

    candidate: str
    at: int


class Memory:
    """A bounded memory, whose size in bytes never changes.

    Args:
        most: About how many entries are kept.
    """

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        row = min(most, _ROW)
        rows = 1 if most <= _ROW else int(most * _ROOM) // row
        # Filled rather than zeroed, so that the pages are there from the beginning.
        self._digests = np.full((rows, row, 2), 0, dtype=np.uint64)
        self._put_at = np.full((rows, row), 0, dtype=np.uint64)
        self._seconds = np.full((rows, row), 0, dtype=np.uint32)
        self._who = np.full((rows, row), 0, dtype=np.uint32)
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._puts = 0

    def get(self, key: str) -> Answered | None:
        """Return what is kept under a key, None where nothing is."""
        row, place = self._find(key)
        if place is None:
            return None
        return Answered(self._names[self._who[row, place]], int(self._seconds[row, place]))

    def put(self, key: str, value: Answered) -> None:
        """Keep something, in the place of what was kept under this key."""
        row, place = self._find(key)
        if place is None:
            place = int(self._put_at[row].argmin())
            self._digests[row, place] = _digest(key)
        self._puts += 1
        self._put_at[row, place] = self._puts
        self._seconds[row, place] = value.at
        self._who[row, place] = self._number(value.candidate)

    def _find(self, key: str) -> tuple[int, int | None]:
        digest = _digest(key)
        row = int(digest[0] % np.uint64(len(self._digests)))
        (places,) = np.nonzero((self._digests[row] == digest).all(axis=1) & (self._put_at[row] > 0))
        return row, int(places[0]) if len(places) else None

    def _number(self, candidate: str) -> int:
        """Return the number of a candidate; there are as many as the gateway has upstreams."""
        if candidate not in self._numbers:
            self._numbers[candidate] = len(self._names)
            self._names.append(candidate)
        return self._numbers[candidate]


def _digest(key: str) -> np.ndarray:
    return np.frombuffer(hashlib.blake2b(key.encode(), digest_size=16).digest(), dtype=np.uint64)
