"""Times, outcomes and ratings as logs write them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np

from modelsat.data.written_numbers import number

_GOOD = ("true", "yes", "pass", "passed", "correct", "right", "good", "up", "thumbs_up", "accepted", "success")
_BAD = ("false", "no", "fail", "failed", "incorrect", "wrong", "bad", "down", "thumbs_down", "rejected", "failure")
_MISSING = ("", "nan", "na", "n/a", "null", "none", "<na>")
# Seconds since 1970 have ten digits until 2286; more digits are thousandths, millionths or billionths.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_SCALES = ((0.0, 1.0), (-1.0, 1.0), (1.0, 5.0), (0.0, 10.0), (0.0, 100.0))


def is_missing(cell: object) -> bool:
    """Say whether a cell says nothing."""
    return cell is None or (isinstance(cell, float) and np.isnan(cell)) or str(cell).strip().lower() in _MISSING


def moment(cell: object) -> float:
    """Return a time in seconds since 1970; without a time zone it is UTC.

    Args:
        cell: ISO 8601 text, a date or datetime, or a number of seconds, milli-, micro- or nanoseconds since 1970.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo else cell.replace(tzinfo=UTC)).timestamp()
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC).timestamp()
    value = None if isinstance(cell, bool) else number(cell)
    if value is None:
        try:
            return moment(datetime.fromisoformat(str(cell).strip()))
        except ValueError:
            raise ValueError(f"{str(cell)[:80]!r} is no time; write ISO 8601 or seconds since 1970") from None
    if not 0 <= value < 1e20:
        raise ValueError(f"{str(cell)[:80]!r} is no time; write ISO 8601 or seconds since 1970")
    return value / next((unit for least, unit in _UNITS if value >= least), 1.0)


def rating(cell: object) -> float:
    """Return a rating as a number: a number as it is, a word such as yes or fail as 1 or 0.

    Raises:
        ValueError: It is neither.
    """
    word = str(cell).strip().lower().replace(" ", "_").replace("-", "_")
    if word in _GOOD or word in _BAD:
        return float(word in _GOOD)
    value = number(cell)
    if value is None or not np.isfinite(value):
        raise ValueError(f"{str(cell)[:80]!r} is no outcome; write a number, or a word such as yes and no")
    return value


def amount(cell: object) -> float:
    """Return a number of at least 0.

    Raises:
        ValueError: It is not one.
    """
    value = None if isinstance(cell, bool) else number(cell)
    if value is None or not 0 <= value < float("inf"):
        raise ValueError(f"{str(cell)[:80]!r} is no amount; write a number of at least 0")
    return value


def probability(cell: object) -> float:
    """Return a number in (0, 1].

    Raises:
        ValueError: It is not one.
    """
    value = amount(cell)
    if not 0 < value <= 1:
        raise ValueError(f"{str(cell)[:80]!r} is no probability of what was chosen; write a number above 0, at most 1")
    return value


def scale_of(ratings: Sequence[float]) -> tuple[float, float]:
    """Return the narrowest usual scale (worst, best) that holds all ratings: 0:1, -1:1, 1:5, 0:10 or 0:100.

    Raises:
        ValueError: None does.
    """
    low, high = min(ratings), max(ratings)
    for scale in _SCALES:
        if scale[0] <= low and high <= scale[1]:
            return scale
    raise ValueError(f"ratings from {low:g} to {high:g} are on no usual scale; say which with --ratings LOWEST:HIGHEST")


def scaled(value: float, scale: tuple[float, float]) -> float:
    """Return a rating as an outcome in [0, 1].

    Raises:
        ValueError: It is outside the scale.
    """
    low, high = scale
    if not low <= value <= high:
        raise ValueError(f"the rating {value:g} is outside {low:g} to {high:g}; correct it or --ratings")
    return (value - low) / (high - low)
