"""What a table says of a candidate beside its scores: columns as people write them, fields of the contract."""

import json
import re
from collections.abc import Mapping
from datetime import datetime

_FIELD_OF_COLUMN = {
    "family": "family",
    "release_date": "released_at",
    "released_at": "released_at",
    "context_length": "context_length",
    "price_in_usd_per_mtok": "price_in",
    "price_in": "price_in",
    "price_out_usd_per_mtok": "price_out",
    "price_out": "price_out",
    "endpoint": "endpoint",
    "aliases": "aliases",
}


def parse(cells: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of the contract `CANDIDATES` that a row tells; columns that mean nothing here are left out.

    Args:
        cells: Values by column, None, empty or NaN where missing; prices in USD per million tokens, `n_params_b` in
            billions, `aliases` as a list or separated by `|`, `;` or `,`.

    Raises:
        ValueError: A value cannot be read.
        OverflowError: A number is out of range.
    """
    facts: dict[str, object] = {}
    for column, field in _FIELD_OF_COLUMN.items():
        cell = cells.get(column)
        if _is_missing(cell):
            continue
        if field in ("price_in", "price_out"):
            facts[field] = float(str(cell))
        elif field == "released_at":
            facts[field] = datetime.fromisoformat(str(cell)).date()
        elif field == "context_length":
            facts[field] = _whole(cell, 2**31)
        elif field == "aliases":
            facts[field] = _aliases(cell)
        else:
            facts[field] = str(cell)
    if not _is_missing(cells.get("n_params_b")):
        facts["n_params"] = round(_finite(cells["n_params_b"]) * 1e9)
    return facts


def _is_missing(cell: object) -> bool:
    return cell is None or str(cell).strip().lower() in ("", "nan")


def _aliases(cell: object) -> list[str]:
    if isinstance(cell, str):
        cell = json.loads(cell) if cell.lstrip().startswith("[") else re.split(r"[|;,]", cell)
    if not isinstance(cell, list | tuple):
        raise ValueError(f"aliases {cell!r} are no list")
    return [str(one).strip() for one in cell if str(one).strip()]


def _finite(cell: object) -> float:
    value = float(str(cell))
    if value != value or abs(value) > 1e9:
        raise ValueError(f"{cell!r} is out of range")
    return value


def _whole(cell: object, below: int) -> int:
    value = int(float(str(cell)))
    if not 0 <= value < below:
        raise ValueError(f"{cell!r} is out of range")
    return value
