"""The proof as text: a table, the sentence for whoever decides, and what to run next."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from modelsat.io.printed_table import MISSING, PrintedTable
from modelsat.offpolicy.evidence import Design
from modelsat.offpolicy.policies import OURS, SINGLE
from modelsat.offpolicy.proof import Proof
from modelsat.offpolicy.verdict import Finding, Line, finding, requests_to_tell
from modelsat.statistics import Interval

HEADS = ("policy", "value", "gain, points", "USD per 1,000", "saved per 1,000", "same choice", "rests on", "finding")
TO_TELL = 0.01
"""The difference in value that `requests_to_tell` is asked for."""


def table(proof: Proof) -> str:
    """Return the table of policies."""
    rows = [cells(line, "" if line is proof.incumbent else finding(line, proof.margin)) for line in all_lines(proof)]
    names = [line.name for line in all_lines(proof)]
    marked = names.index(proof.recommended) if proof.recommended else 0
    return PrintedTable(HEADS, rows, marked=marked).text()


def all_lines(proof: Proof) -> list[Line]:
    """Return the incumbent's line and those of the policies."""
    return [proof.incumbent, *proof.lines]


def cells(line: Line, found: str) -> tuple[str, ...]:
    """Return one row of the table."""
    is_policy = bool(found)
    return (
        line.name,
        MISSING if line.value is None else f"{100 * line.value.value:.1f} %",
        _bounds(line.gain, 100, 1, True) if is_policy else "",
        MISSING if line.cost is None else f"{1000 * line.cost.value:.3f}",
        _bounds(line.saved, 1000, 3, True) if is_policy else "",
        f"{100 * line.matched:.0f} %" if is_policy else "",
        f"{line.effective:,.0f}",
        found,
    )


def sentence(proof: Proof) -> str:
    """Return what a manager wants to know."""
    days = f" of {proof.later.days}" if proof.later.days else ""
    if proof.recommended is None:
        return _nothing(proof, days)
    line = proof.line(proof.recommended)
    who = f"always asking {_single(proof)}" if line.name == SINGLE else f"routing with {line.name}"
    value = ""
    if line.value and line.gain and proof.incumbent.value:
        value = (
            f"scored {100 * line.value.value:.1f} % instead of {100 * proof.incumbent.value.value:.1f} % "
            f"({_points(line.gain)})"
        )
    money = ""
    if line.cost and line.saved and proof.incumbent.cost:
        money = (
            f" at ${1000 * line.cost.value:.2f} instead of ${1000 * proof.incumbent.cost.value:.2f} per 1,000 requests "
            f"({_share(line, proof.incumbent)})"
        )
    found = finding(line, proof.margin)
    price = ""
    if found is Finding.BETTER_FOR_MORE and line.saved and line.gain:
        price = f"; each further good answer costs ${-line.saved.value / line.gain.value:.4f}"
    return f"On {proof.judged:,} requests{days}, {who} would have {value}{money}{price}."


def _nothing(proof: Proof, days: str) -> str:
    ours = proof.line(OURS)
    if proof.design is Design.NONE:
        return (
            "Keep what you have: this log cannot tell what another choice would have been worth. Of its "
            f"{proof.later.requests:,} later requests, too few were answered by a model that was drawn by chance, and "
            f"too few prompts by several models; ours would have chosen as the log did on {100 * ours.matched:.0f} %."
        )
    if all(line.gain is None for line in proof.lines):
        return (
            f"Keep what you have: what other choices would have been worth cannot be told from {proof.judged:,} "
            f"requests{days}, of which {100 * ours.matched:.0f} % were answered by the model that ours chooses: "
            f"{ours.fault}."
        )
    told = max((line for line in proof.lines if line.gain), key=lambda line: line.gain.value if line.gain else 0.0)
    needed = requests_to_tell(told, proof.judged, TO_TELL)
    more = f" About {_rounded(needed)} requests like these would tell a difference of a point." if needed else ""
    return (
        f"Keep what you have: on {proof.judged:,} requests{days} no policy is shown to be better, or cheaper at no "
        f"loss. The best in value, {told.name}, gains {_points(told.gain)}.{more}"
    )


def commands(proof: Proof, bundle: str, catalogue: str) -> Sequence[str]:
    """Return the commands that put the recommended policy to work; none where nothing is recommended.

    Args:
        proof: What was found.
        bundle: Folder of the bundle.
        catalogue: File that names the models' endpoints.
    """
    if proof.recommended is None:
        return ()
    log = f"{bundle.rsplit('/', 1)[0]}/feedback" if "/" in bundle else "feedback"
    return (
        f"modelsat serve --bundle {bundle} --port 8080",
        f"modelsat gateway --upstreams {catalogue} --port 8000 --explore 0.05 --feedback-log {log} --feedback-text",
        f"modelsat prove {log} --catalogue {catalogue}",
    )


def ways_to_tell(proof: Proof) -> str:
    """Return what would make the log tell more; empty where it tells enough."""
    if proof.recommended is not None:
        return ""
    if proof.design is Design.RANDOMISED:
        return (
            "The log has the probabilities of its choices, and too few were left to chance: let it grow, or leave a "
            "larger share to chance (`modelsat gateway --explore`); or put some prompts to all models (`modelsat "
            "measure`)."
        )
    drawn = (
        "Too few requests have the probability of their choice (propensity), and choices follow the prompts, so "
        "--randomised would be refused. "
        if proof.dependence.is_certain
        else "Too few requests have the probability of their choice (propensity). Similar prompts did not get the same "
        "model more often than chance explains: if models were drawn by chance whatever the prompt, say so with "
        "--randomised. "
    )
    return (
        f"{drawn}To find out, leave a share of the choices to chance and keep the probabilities: `modelsat gateway "
        "--explore 0.1 --feedback-log FOLDER --feedback-text` does both; or put some prompts to all models (`modelsat "
        "measure`)."
    )


def as_json(proof: Proof) -> dict[str, Any]:
    """Return the proof as JSON; it holds no prompt."""
    policies = {
        policy.name: {"model": proof.models[policy.column]}
        if policy.name == SINGLE
        else {"cost_weight": policy.cost_weight}
        for policy in proof.policies
    }
    return {
        "design": proof.design.value,
        "models": list(proof.models),
        "earlier": {"requests": proof.earlier.requests, "days": proof.earlier.days},
        "later": {"requests": proof.later.requests, "days": proof.later.days},
        "judged": proof.judged,
        "unrated": proof.unrated,
        "incumbent": _line(proof.incumbent),
        "policies": [
            _line(line) | {"finding": finding(line, proof.margin).value, "settled": policies[line.name]}
            for line in proof.lines
        ],
        "recommended": proof.recommended,
        "margin": proof.margin,
        "sentence": sentence(proof),
        "follows_prompts": asdict(proof.dependence),
        "follows_time": asdict(proof.on_time),
        "ways_to_tell": ways_to_tell(proof),
        "remarks": list(proof.remarks),
    }


def _line(line: Line) -> dict[str, Any]:
    checks = {name: None if math.isnan(value) else value for name, value in line.checks.items()}
    return asdict(line) | {"checks": checks}


def _single(proof: Proof) -> str:
    return proof.models[next(policy.column for policy in proof.policies if policy.name == SINGLE)]


def _bounds(found: Interval | None, times: float, digits: int, signed: bool) -> str:
    if found is None:
        return MISSING
    sign = "+" if signed else ""
    value, low, high = (f"{times * one:{sign}.{digits}f}" for one in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _points(found: Interval | None) -> str:
    """Return a gain in words that stand in a sentence."""
    if found is None:
        return MISSING
    return f"{100 * found.value:+.1f} points, 95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"


def _share(line: Line, incumbent: Line) -> str:
    if line.saved is None or incumbent.cost is None or not incumbent.cost.value > 0:
        return "the same"
    value, low, high = (100 * one / incumbent.cost.value for one in (line.saved.value, line.saved.low, line.saved.high))
    if value >= 0:
        return f"{value:.0f} % less, {low:.0f} to {high:.0f} %"
    return f"{-value:.0f} % more, {-high:.0f} to {-low:.0f} %"


def _rounded(count: int) -> str:
    digits = max(len(str(count)) - 2, 0)
    return f"{round(count, -digits):,}"
