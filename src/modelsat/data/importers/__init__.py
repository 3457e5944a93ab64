"""Importers turn other people's lists of models into a catalogue of candidates.

Each is a module with one function that returns an `Import`: what could be taken over, and a sentence for each entry
that could not.
"""

from dataclasses import dataclass

import pyarrow as pa

__all__ = ["Import"]


@dataclass(frozen=True)
class Import:
    """A table of the contract `CANDIDATES`, and sentences on what was left out."""

    candidates: pa.Table
    notes: tuple[str, ...] = ()
