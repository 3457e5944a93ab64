"""Tables of the results page: gains in points with their intervals, bold where they are significant."""

import numpy as np

from modelsat.statistics import Interval, bootstrap_means, interval


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table; the first column is text, all others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def gain(value: list[float]) -> str:
    """Format a gain with its interval, bold where the interval does not hold 0."""
    text = f"{value[0]:+.1f} [{value[1]:+.1f}, {value[2]:+.1f}]"
    return f"**{text}**" if value[1] > 0 or value[2] < 0 else text


def points(value: Interval) -> list[float]:
    """Return estimate and bounds in points, as results are stored."""
    return [round(100 * number, 2) for number in (value.value, value.low, value.high)]


def mean_points(gains: np.ndarray) -> list[float]:
    """Return the mean of paired gains (prompts,) with its bootstrap interval, in points."""
    column = np.asarray(gains, dtype=np.float64)[:, None]
    return points(interval(column.mean(), bootstrap_means(column)[:, 0]))
