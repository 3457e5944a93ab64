"""An evaluation as text: the table of routers and reference lines, and what it means in one sentence."""

from collections.abc import Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any

from modelsat.evaluation.gate import GateRules
from modelsat.evaluation.table import Evaluation, Line

_EQUAL = 1e-9


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
    assumed = "; each prompt has those that were run on it" if facts.get("missing_at_random") else ""
    lines = [
        f"{sets}: {facts['prompts']:,} held-out prompts, up to {facts['pool']} candidates{assumed}",
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
    leading = leaders(table)
    best = leading[0]
    if len(leading) > 1:
        return _tie(leading)
    gain = f"{_points(best.gain.value)} points ({_points(best.gain.low)} to {_points(best.gain.high)})"
    if best.gain.value <= 0:
        return f"No router is better than the best single candidate; {best.name} comes closest: {gain}."
    verdict = "significantly" if best.gain.low > 0 else "not significantly"
    chosen = f" It is the best of {len(routers)} on these very prompts, which flatters it." if len(routers) > 1 else ""
    return f"{best.name} routes best, {verdict} better than the best single candidate: {gain}.{chosen}"


def leaders(table: Evaluation) -> list[Line]:
    """Return the router with the largest gain; several where their gains are equal, up to what sums of floats lose."""
    routers = [line for line in table.lines if not line.is_reference]
    most = max(line.gain.value for line in routers)
    return [line for line in routers if isclose(line.gain.value, most, abs_tol=_EQUAL)]


def winner(table: Evaluation) -> str | None:
    """Return who routes best; None where nobody does: a tie, no gain, or too few prompts to say."""
    leading = leaders(table)
    alone = len(leading) == 1 and leading[0].gain.value > 0
    return leading[0].name if alone and table.prompts >= GateRules().min_prompts else None


def _tie(leading: Sequence[Line]) -> str:
    *others, last = (line.name for line in leading)
    gain = f"{_points(leading[0].gain.value)} points"
    names = f"{', '.join(others)} and {last}"
    if leading[0].gain.value <= 0:
        return f"No router is better than the best single candidate; {names} come equally close: {gain}."
    return f"No router is the best: {names} are equally accurate, {gain} over the best single candidate."


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
