"""What the default of a router was settled on, kept in its bundle: prices and candidates change before it learns again.

It holds no text: of each prompt its length, what the router said of it without having been fitted to it, what came of
it, and what answers were expected to cost.
"""

import json
from collections.abc import Collection as Names
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILE = "default_evidence.parquet"
MOST_PAIRS = 2_000_000
"""Of prompts and candidates that are kept, with three figures of 4 bytes each; beyond, a sample of the prompts."""


@dataclass(frozen=True)
class KeptEvidence:
    """n prompts and m candidates; numbers are float32.

    Attributes:
        names: The candidates, m.
        tokens_in: How long the prompts are in tokens, (n,).
        pictured: Which prompts came with pictures, boolean (n,).
        probabilities: Calibrated success probabilities that were not fitted to these prompts, (n, m).
        outcomes: Scores (n, m), NaN where not run.
        cost_usd: What a cost head expects answers to cost (n, m), NaN for candidates without one.
    """

    names: tuple[str, ...]
    tokens_in: np.ndarray
    pictured: np.ndarray
    probabilities: np.ndarray
    outcomes: np.ndarray
    cost_usd: np.ndarray

    def sample(self) -> "KeptEvidence":
        """Return what is kept: all of it, or as many prompts, drawn by chance, as hold `MOST_PAIRS`."""
        most = max(1, MOST_PAIRS // len(self.names))
        if len(self.tokens_in) <= most:
            return self
        rows = np.sort(np.random.default_rng(0).permutation(len(self.tokens_in))[:most])
        return replace(self, **{name: getattr(self, name)[rows] for name in _ARRAYS})

    def without(self, names: Names[str]) -> "KeptEvidence | None":
        """Return the evidence without some candidates; None where it knows no others."""
        kept = [name for name in self.names if name not in names]
        if not kept:
            return None
        tables = {name: self.of(kept, getattr(self, name), np.nan) for name in _TABLES}
        return replace(self, names=tuple(kept), **tables)

    def forgetting_cost(self, name: str) -> "KeptEvidence":
        """Return the evidence without what was expected of a candidate's cost, whose prices have changed."""
        cost = np.where(np.asarray(self.names) == name, np.float32(np.nan), self.cost_usd)
        return replace(self, cost_usd=cost)

    def of(self, names: Sequence[str], table: np.ndarray, absent: float) -> np.ndarray:
        """Return a table of the evidence in the order of these candidates, with a value for those it does not know."""
        place = {name: i for i, name in enumerate(self.names)}
        columns = np.asarray([place.get(name, -1) for name in names], dtype=np.int64)
        return np.where(columns >= 0, table[:, columns], np.float32(absent))

    def write(self, folder: Path) -> None:
        """Write it beside the other tables of a bundle."""
        width = len(self.names)
        columns = {name: pa.array(getattr(self, name)) for name in _ARRAYS if name not in _TABLES}
        columns |= {
            name: pa.FixedSizeListArray.from_arrays(
                pa.array(np.ascontiguousarray(getattr(self, name), dtype=np.float32).ravel()), width
            )
            for name in _TABLES
        }
        table = pa.table(columns).replace_schema_metadata({_NAMES: json.dumps(self.names)})
        pq.write_table(table, folder / FILE, compression="zstd")


_TABLES = ("probabilities", "outcomes", "cost_usd")
_ARRAYS = tuple(field.name for field in fields(KeptEvidence) if field.name != "names")
_NAMES = "candidates"


def read(folder: Path) -> KeptEvidence | None:
    """Return the evidence of a bundle; None where it holds none, as those of earlier versions."""
    if not (folder / FILE).exists():
        return None
    table = pq.read_table(folder / FILE)
    names = tuple(json.loads(table.schema.metadata[_NAMES.encode()]))
    columns = {name: table[name].combine_chunks() for name in _ARRAYS}
    tables = {
        name: np.asarray(columns.pop(name).flatten(), dtype=np.float32).reshape(-1, len(names)) for name in _TABLES
    }
    return KeptEvidence(names, **tables, **{name: one.to_numpy(zero_copy_only=False) for name, one in columns.items()})
