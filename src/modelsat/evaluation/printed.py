"""An evaluation as text: the table of routers and reference lines, and what it means in one sentence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelsat.evaluation.gate import GateRules
from modelsat.evaluation.table import Evaluation


def result(facts: Mapping[str, Any]) -> str:
    """Return the table of routers and reference lines and the verdict, from `steps.evaluate.as_json`."""
    return f"{table(facts, facts['challenger'])}\n\n{facts['verdict']['sentence']}"


def table(facts: Mapping[str, Any], marked: str = "") -> str:
    """Return the table of routers and reference lines, from `comparison.as_json` or `steps.evaluate.as_json`.

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


def sentence(table: Evaluation) -> str:
    """Say who routed best and whether that is significant, where prompts are enough for the gate to tell."""
    prompts, enough = table.prompts, GateRules().min_prompts
    if prompts < enough:
        return f"Too few held-out prompts to say who routes best: {prompts}, and {enough} are needed."
    routers = [line for line in table.lines if not line.is_reference]
    best = max(routers, key=lambda line: line.gain.value)
    gain = f"{_points(best.gain.value)} points ({_points(best.gain.low)} to {_points(best.gain.high)})"
    if best.gain.value <= 0:
        return f"No router is better than the best single candidate; {best.name} comes closest: {gain}."
    verdict = "significantly" if best.gain.low > 0 else "not significantly"
    chosen = f" It is the best of {len(routers)} on these very prompts, which flatters it." if len(routers) > 1 else ""
    return f"{best.name} routes best, {verdict} better than the best single candidate: {gain}.{chosen}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


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
