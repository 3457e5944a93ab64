"""Columns of a file in little memory: each distinct cell once, or numbers as Arrow has them.

They are read like lists. What is decided of a cell is decided once for all rows that have the same.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Cells(Sequence[object]):
    """A column as its distinct cells and the number of the one that each row has.

    Attributes:
        distinct: Cells, each once and of any type.
        codes: Place in `distinct` for each row, int32.
    """

    def __init__(self, distinct: list[Any], codes: np.ndarray) -> None:
        self.distinct = distinct
        self.codes = codes

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, row: int) -> object: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[object]: ...
    def __getitem__(self, row: int | slice) -> object:
        return Cells(self.distinct, self.codes[row]) if isinstance(row, slice) else self.distinct[self.codes[row]]

    def __iter__(self) -> Iterator[object]:
        distinct = self.distinct
        return (distinct[code] for code in self.codes.tolist())

    def map(self, decide: Callable[[Any], Any]) -> "Cells":
        """Return the column of what is decided of each cell; equal decisions may stand several times."""
        return Cells([decide(cell) for cell in self.distinct], self.codes)


class Numbers(Sequence[object]):
    """A column of numbers or truth values, some of them missing: an Arrow array."""

    def __init__(self, values: pa.Array) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, row: int) -> object: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[object]: ...
    def __getitem__(self, row: int | slice) -> object:
        return Numbers(self.values[row]) if isinstance(row, slice) else self.values[row].as_py()

    def __iter__(self) -> Iterator[object]:
        return (cell for start in range(0, len(self), 4096) for cell in self.values.slice(start, 4096).to_pylist())

    def floats(self) -> np.ndarray:
        """Return them as float64, NaN where one is missing."""
        return pc.fill_null(self.values.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)


class CellsBuilder:
    """Makes a column of cells that come one by one."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._distinct: list[Any] = []
        self._codes = array("i")

    def __len__(self) -> int:
        return len(self._codes)

    def add(self, cell: object) -> None:
        """Add a cell; 1, 1.0 and true are three."""
        try:
            number = self._numbers.setdefault((cell.__class__, cell), len(self._distinct))
        except TypeError:
            number = len(self._distinct)
        if number == len(self._distinct):
            self._distinct.append(cell)
        self._codes.append(number)

    def fill(self, rows: int) -> None:
        """Add missing cells until there are so many rows."""
        while len(self) < rows:
            self.add(None)

    def cells(self) -> Cells:
        """Return the column."""
        return Cells(
            self._distinct, np.frombuffer(self._codes, dtype=np.int32) if self._codes else np.empty(0, np.int32)
        )


def coded(column: Sequence[object]) -> Cells:
    """Return a column of any kind as its distinct cells."""
    if isinstance(column, Cells):
        return column
    if isinstance(column, Numbers):
        # Of all values that are no number one stands for all.
        encoded = column.values.dictionary_encode(null_encoding="encode")
        return Cells(encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False))
    builder = CellsBuilder()
    for cell in column:
        builder.add(cell)
    return builder.cells()


def of_arrow(column: pa.ChunkedArray) -> Sequence[object]:
    """Return an Arrow column.

    Raises:
        UnicodeDecodeError: A text is not UTF-8.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if not pa.types.is_dictionary(whole.type):
            whole = whole.dictionary_encode(null_encoding="encode")
        distinct = whole.dictionary.to_pylist()
        indices = whole.indices
        if indices.null_count:
            indices, distinct = indices.fill_null(len(distinct)), [*distinct, None]
        return Cells(distinct, indices.cast(pa.int32()).to_numpy(zero_copy_only=False))
    if whole.type == kind and (
        pa.types.is_float64(kind) or pa.types.is_float32(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    ):
        return Numbers(whole)
    return column.to_pylist()
