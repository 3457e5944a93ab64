"""Held-out predictions of a router as rows of the contract `PREDICTIONS`."""

import numpy as np
import pyarrow as pa

from modelsat.data import contracts


def prediction_rows(
    name: str,
    probabilities: np.ndarray,
    ids: list[str],
    digest: str,
    foreign: np.ndarray | None = None,
    cost_usd: np.ndarray | None = None,
) -> pa.Table:
    """Return one router's probabilities (prompts, candidates) as a table of the contract `PREDICTIONS`."""
    columns = {
        "router": [name] * len(ids),
        "bundle_digest": [digest] * len(ids),
        "prompt_id": ids,
        "success_probability": _lists(probabilities, pa.float32()),
        "foreign": pa.nulls(len(ids), pa.float32()) if foreign is None else foreign,
        "expected_cost_usd": (
            pa.nulls(len(ids), pa.list_(pa.float64())) if cost_usd is None else _lists(cost_usd, pa.float64())
        ),
    }
    return contracts.conform(pa.table(columns), contracts.PREDICTIONS)


def _lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Return rows (n, m) as lists."""
    flat = np.ascontiguousarray(values).ravel()
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(pa.list_(kind))
