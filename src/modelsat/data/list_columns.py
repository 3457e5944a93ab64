"""Columns of lists as matrices, without a Python object per number."""

import numpy as np
import pyarrow as pa


def matrix(column: pa.ChunkedArray, width: int) -> np.ndarray:
    """Return a column of lists of numbers as a matrix, (rows, width).

    Args:
        column: None of its lists is null, and all have the same length.
        width: That length.
    """
    values = column.combine_chunks().flatten()
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(column), width)
