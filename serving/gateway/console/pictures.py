"""Small pictures as SVG that a style sheet colours, so that they fit a dark page: bars of shares, and bullet charts."""

from collections.abc import Iterable, Mapping

from markupsafe import Markup

COLOURS = 8
"""How many candidates have a colour of their own; the others share the last one."""
_BAR = Markup(
    '<svg class="themed bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
)


def colour(place: int) -> str:
    """Return the class of the colour of the candidate at a place, counted from 0."""
    return f"c{min(place, COLOURS - 1)}"


def shares(title: str, values: Mapping[str, float], places: Mapping[str, int]) -> Markup:
    """Draw one bar that is cut into shares.

    Args:
        title: What the shares are of.
        values: In [0, 1] by name, together at most 1.
        places: By name, of its colour.
    """
    parts, left = [], 0.0
    for name, share in values.items():
        if share > 0:
            parts.append(_rectangle(colour(places[name]), left, 100 * share, 0, 10))
            left += 100 * share
    said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in values.items() if share > 0)
    return _BAR.format(f"{title}: {said}", Markup().join(parts))


def bullet(promised: float | None, realised: float | None) -> Markup:
    """Draw what was realised as a bar, and what was promised as a mark beside it; both in [0, 1]."""
    parts = [_rectangle("track", 0, 100, 2, 6)]
    said = []
    if realised is not None:
        parts.append(_rectangle("c0", 0, 100 * realised, 2, 6))
        said.append(f"realised {100 * realised:.0f} %")
    if promised is not None:
        parts.append(_rectangle("mark", min(max(100 * promised - 0.5, 0), 99), 1, 0, 10))
        said.append(f"promised {100 * promised:.0f} %")
    return _BAR.format(", ".join(said), Markup().join(parts))


def length(share: float, name: str, is_chosen: bool = False) -> Markup:
    """Draw a value in [0, 1] as a bar with a name."""
    bar = _rectangle("c0" if is_chosen else "quiet", 0, 100 * min(max(share, 0), 1), 2, 6)
    return _BAR.format(name, Markup().join([_rectangle("track", 0, 100, 2, 6), bar]))


def labelled(bars: Iterable[tuple[str, Markup]]) -> Markup:
    """Put bars below each other, each under its label; empty without any."""
    line = Markup('<div class="labelled"><span aria-hidden="true">{}</span>{}</div>')
    return Markup().join(line.format(label, bar) for label, bar in bars)


def swatch(place: int) -> Markup:
    """Draw the colour of the candidate at a place; its name stands beside it."""
    return Markup('<svg class="themed swatch" viewBox="0 0 10 10" aria-hidden="true">{}</svg>').format(
        _rectangle(colour(place), 0, 10, 0, 10)
    )


def _rectangle(style: str, x: float, width: float, y: float, height: float) -> Markup:
    shape = Markup('<rect class="{}" x="{:.2f}" width="{:.2f}" y="{:g}" height="{:g}"/>')
    return shape.format(style, x, width, y, height)
