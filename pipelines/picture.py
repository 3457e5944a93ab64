"""Draws compiled pipelines as pictures: `python -m pipelines.picture docs/img`, from the YAML that Kubeflow is given.

A box is a step, a frame a condition, a loop or a pipeline within the pipeline; arrows go from a step to those that wait
for it. Steps are laid out from top to bottom, by how many others have to be done before.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

COMPILED = Path(__file__).parent / "compiled"
PICTURED = ("retrain", "watch")
_STEP, _HEIGHT, _GAP, _ROW, _PAD, _TITLE = 200, 34, 16, 26, 14, 22
_STYLE = (
    "text{font-family:sans-serif;font-size:12px;fill:#1f2328}.step{fill:#fff;stroke:#57606a}"
    ".frame{fill:#0969da;fill-opacity:.06;stroke:#0969da;stroke-dasharray:4 3}.title{font-weight:600}"
    "path{stroke:#57606a;fill:none;marker-end:url(#tip)}"
)


@dataclass(frozen=True)
class Drawn:
    """A part of the picture, its upper left corner at (0, 0): width and height in pixels, and elements of SVG."""

    width: float
    height: float
    svg: str


def picture(compiled: Mapping[str, Any]) -> str:
    """Return the SVG of a compiled pipeline."""
    drawn = _graph(compiled["root"]["dag"]["tasks"], compiled["components"])
    name = compiled["pipelineInfo"]["name"]
    width, height = drawn.width + 2 * _PAD, drawn.height + 2 * _PAD
    tip = '<marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"><path d="M0 0L8 4L0 8z" '
    tip += 'style="fill:#57606a;stroke:none;marker-end:none"/></marker>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="Steps of the pipeline {escape(name)}"><defs>{tip}</defs><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/><g transform="translate({_PAD} {_PAD})">{drawn.svg}</g></svg>\n'
    )


def rows(tasks: Mapping[str, Any]) -> list[list[str]]:
    """Return the names of tasks in rows: each below all that it waits for, in the order of the alphabet."""
    depth: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((of(before) for before in _before(tasks[name])), default=-1)
        return depth[name]

    found: list[list[str]] = [[] for _ in range(1 + max(map(of, tasks), default=-1))]
    for name in sorted(tasks):
        found[depth[name]].append(name)
    return found


def _before(task: Mapping[str, Any]) -> list[str]:
    return list(task.get("dependentTasks", []))


def _graph(tasks: Mapping[str, Any], components: Mapping[str, Any]) -> Drawn:
    parts = {name: _part(task, components) for name, task in tasks.items()}
    layers = rows(tasks)
    width = max(sum(parts[name].width + _GAP for name in row) - _GAP for row in layers)
    place: dict[str, tuple[float, float]] = {}
    y, svg = 0.0, ""
    for row in layers:
        x = (width - sum(parts[name].width + _GAP for name in row) + _GAP) / 2
        for name in row:
            place[name] = (x, y)
            svg += f'<g transform="translate({x:g} {y:g})">{parts[name].svg}</g>'
            x += parts[name].width + _GAP
        y += max(parts[name].height for name in row) + _ROW
    for name in tasks:
        for before in _nearest(name, tasks):
            (ax, ay), (bx, by) = place[before], place[name]
            start, end = (ax + parts[before].width / 2, ay + parts[before].height), (bx + parts[name].width / 2, by)
            svg += f'<path d="M{start[0]:g} {start[1]:g}C{start[0]:g} {start[1] + 14:g} {end[0]:g} {end[1] - 14:g} '
            svg += f'{end[0]:g} {end[1] - 1:g}"/>'
    return Drawn(width, y - _ROW, svg)


def _nearest(name: str, tasks: Mapping[str, Any]) -> list[str]:
    """Return what a task waits for, without what these wait for themselves."""
    before = _before(tasks[name])
    return [one for one in before if not any(one in _all_before(other, tasks) for other in before if other != one)]


def _all_before(name: str, tasks: Mapping[str, Any]) -> set[str]:
    return {found for one in _before(tasks[name]) for found in (one, *_all_before(one, tasks))}


def _part(task: Mapping[str, Any], components: Mapping[str, Any]) -> Drawn:
    title = escape(task["taskInfo"]["name"])
    inner = components[task["componentRef"]["name"]].get("dag")
    if inner is None:
        box = f'<rect class="step" rx="6" width="{_STEP}" height="{_HEIGHT}"/>'
        return Drawn(_STEP, _HEIGHT, f'{box}<text x="{_STEP / 2:g}" y="21" text-anchor="middle">{title}</text>')
    if "parameterIterator" in task:
        title = f"for {title}"
    elif task.get("triggerPolicy", {}).get("condition"):
        title = f"if {title}"
    drawn = _graph(inner["tasks"], components)
    width, height = max(drawn.width, 7.0 * len(title)) + 2 * _PAD, drawn.height + _TITLE + 2 * _PAD
    frame = f'<rect class="frame" rx="8" width="{width:g}" height="{height:g}"/>'
    head = f'<text class="title" x="{_PAD}" y="{_TITLE}">{title}</text>'
    body = f'<g transform="translate({(width - drawn.width) / 2:g} {_TITLE + _PAD})">{drawn.svg}</g>'
    return Drawn(width, height, frame + head + body)


def main(into: Path) -> None:
    """Write `pipeline_NAME.svg` of each pictured pipeline."""
    for name in PICTURED:
        first = next(yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text(encoding="utf-8")))
        (into / f"pipeline_{name}.svg").write_text(picture(first), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
