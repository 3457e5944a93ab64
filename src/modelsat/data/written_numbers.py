"""Numbers as tables and catalogues write them."""

import re

_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)", re.IGNORECASE | re.ASCII)


def number(cell: object) -> float | None:
    """Return a number or truth value as a float, None where the cell is neither.

    Python reads `0_1` and digits of other scripts as numbers, too. In a table they are mistakes.
    """
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in ("true", "false"):
            return float(text.lower() == "true")
        return float(text) if _NUMBER.fullmatch(text) else None
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
