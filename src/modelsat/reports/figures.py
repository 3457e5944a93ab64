"""Figures as SVG text. Matplotlib is imported here and nowhere else."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_LONGEST_NAME = 40
_LIFTS = (4, -11)
"""Where a point's name may stand above its middle, in points."""

INK, ACCENT, MUTED, GOOD, BAD = "#1c2430", "#2563b0", "#9aa5b1", "#2e7d4f", "#b3372f"


def coverage(candidates: Sequence[str], columns: Sequence[str], shares: np.ndarray) -> str:
    """Draw on which share of each benchmark candidates were run; `shares` (candidates, columns) in [0, 1]."""
    import matplotlib

    labels = [_name(column) for column in columns]
    figure, axes = _canvas(9.2, 0.8 + 0.24 * len(candidates) + 0.06 * max(map(len, labels)))
    colours = matplotlib.colormaps["Blues"].with_extremes(bad="#f6e3e1")
    axes.imshow(np.where(shares == 0, np.nan, shares), aspect="auto", cmap=colours, vmin=0, vmax=1.6)
    axes.set_xticks(range(len(columns)), labels, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(candidates)), [_name(candidate) for candidate in candidates])
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return _svg(figure)


def lines(series: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_label: str, y_label: str) -> str:
    """Draw named curves, each as (x, y)."""
    figure, axes = _canvas(9.2, 3.4)
    for (name, (x, y)), colour in zip(series.items(), [ACCENT, GOOD, BAD, MUTED], strict=False):
        axes.plot(x, y, color=colour, linewidth=1.6, label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if len(series) > 1:
        axes.legend(frameon=False)
    return _svg(figure)


def cost_accuracy(
    singles: Sequence[tuple[str, float, float]],
    marks: Sequence[tuple[str, float, float]],
    curve: tuple[Sequence[float], Sequence[float]],
) -> str:
    """Draw the plane of cost and accuracy.

    Args:
        singles: (name, USD per 1,000 prompts, accuracy) of single candidates.
        marks: The same for routers and reference lines.
        curve: The router's costs and accuracies over its cost weight.
    """
    figure, axes = _canvas(9.2, 4.6)
    axes.scatter([s[1] for s in singles], [100 * s[2] for s in singles], s=26, color=MUTED, zorder=2)
    axes.plot(
        curve[0], [100 * y for y in curve[1]], color=ACCENT, linewidth=1.6, zorder=3, label="router, by cost weight"
    )
    for name, cost, accuracy in marks:
        axes.scatter([cost], [100 * accuracy], s=52, zorder=4, color=ACCENT if "router" in name else INK, marker="D")
    _label(axes, [*sorted(marks, key=_routers_first), *sorted(singles, key=lambda one: -one[2])])
    axes.set_xlabel("expected cost in USD per 1,000 prompts")
    axes.set_ylabel("accuracy in %")
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure)


def calibration(predicted: Sequence[float], observed: Sequence[float]) -> str:
    """Draw observed against predicted success, both in [0, 1], one point per bin."""
    figure, axes = _canvas(4.6, 4.2)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    axes.plot(predicted, observed, color=ACCENT, marker="o", markersize=4, linewidth=1.4)
    axes.set_xlabel("predicted success")
    axes.set_ylabel("observed success")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return _svg(figure)


def gains(
    rows: Sequence[tuple[str, float, float, float]],
    x_label: str = "gain over best single in points, with 95 % intervals",
) -> str:
    """Draw gains with their intervals, in points: (name, value, low, high), the first at the top; 0 is a line."""
    figure, axes = _canvas(9.2, 0.9 + 0.28 * len(rows))
    for i, (_, value, low, high) in enumerate(rows):
        colour = GOOD if low > 0 else BAD if high < 0 else MUTED
        axes.plot([low, high], [i, i], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot([value], [i], color=colour, marker="o", markersize=5)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [_name(row[0]) for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(x_label)
    return _svg(figure)


def bars(names: Sequence[str], groups: Mapping[str, Sequence[float]], x_label: str) -> str:
    """Draw horizontal bars: one row per name, one colour per group; values in [0, 1] shown in percent."""
    figure, axes = _canvas(9.2, 0.8 + 0.3 * len(names))
    height = 0.8 / len(groups)
    rows = np.arange(len(names))
    for i, ((group, values), colour) in enumerate(zip(groups.items(), [ACCENT, MUTED], strict=False)):
        axes.barh(rows + i * height, [100 * v for v in values], height=height, color=colour, label=group)
    axes.set_yticks(rows + 0.4 - height / 2, [_name(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(x_label)
    if len(groups) > 1:
        axes.legend(frameon=False, loc="lower right")
    return _svg(figure)


def _name(text: str) -> str:
    """Prepare a name that is not ours for matplotlib: shortened, and a dollar sign is no mathematics."""
    short = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
    return short.replace("$", r"\$")


def _routers_first(mark: tuple[str, float, float]) -> tuple[bool, float]:
    return "router" not in mark[0], -mark[2]


def _label(axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Name points in their order, right above or below; a name that would cover another in both places is left out."""
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    points_high = 72 * axes.figure.get_size_inches()[1]
    taken: list[tuple[float, float]] = []
    for name, x, y in points:
        for lift in _LIFTS:
            at = ((x - left) / (right - left), (100 * y - low) / (high - low) + lift / points_high)
            if all(abs(at[0] - other[0]) > 0.2 or abs(at[1] - other[1]) > 0.035 for other in taken):
                axes.annotate(
                    _name(name), (x, 100 * y), xytext=(6, lift), textcoords="offset points", fontsize=8, color=INK
                )
                taken.append(at)
                break


def _canvas(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=False)
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib

    with matplotlib.rc_context(
        {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "svg.hashsalt": "modelsat"}
    ):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]
