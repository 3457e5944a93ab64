"""The result table for a terminal, from the JSON that the evaluation leaves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def result(facts: Mapping[str, Any]) -> str:
    """Return the table of routers and reference lines and the verdict, from `contest.as_json`."""
    return f"{comparison(facts, facts['challenger'])}\n\n{facts['verdict']['sentence']}"


def comparison(facts: Mapping[str, Any], marked: str = "") -> str:
    """Return the table of routers and reference lines, from `comparison.as_json` or `contest.as_json`.

    Args:
        facts: The JSON.
        marked: Name of the line that is pointed at.
    """
    rows = [_cells(line) for line in sorted(facts["lines"], key=lambda x: (x["is_reference"], -x["accuracy"]["value"]))]
    width = max(len(row[0]) for row in rows)
    sets = " + ".join(Path(name).name or name for name in facts["sets"])
    lines = [
        f"{sets}: {facts['prompts']:,} held-out prompts, up to {facts['pool']} candidates",
        "",
        f"  {'':<{width}}  {'accuracy':>8}   {'95 % interval':>14}   gain over best single, points",
    ]
    for name, accuracy, interval, gain in rows:
        mark = "›" if name == marked else " "
        lines.append(f"{mark} {name:<{width}}  {accuracy:>8}   {interval:>14}   {gain}".rstrip())
    return "\n".join(lines)


def _cells(line: Mapping[str, Any]) -> tuple[str, str, str, str]:
    accuracy, gain = line["accuracy"], line["gain"]
    return (
        line["name"],
        f"{100 * accuracy['value']:.1f} %",
        f"{100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f}",
        ""
        if line["is_reference"] and gain["low"] == gain["high"] == 0
        else f"{100 * gain['value']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})",
    )
