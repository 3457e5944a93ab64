"""What the box says of a decision: who is chosen, why, what the others are given, and which questions speak for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelsat.bundle import ranking
from modelsat.io.printed_table import shortened
from modelsat.reports.page import Section, TableRow, percent
from modelsat.routers.router import FOREIGN
from serving.gateway.console import pictures
from serving.gateway.console.state import UNKNOWN
from serving.gateway.decision import FALLBACK, RoutingDecision

_SHOWN, _CHARACTERS = 12, 140


def sentence(decision: RoutingDecision) -> str:
    """Return who would answer and why."""
    if decision.outcome == FALLBACK:
        return f"{decision.order[0]} would answer. This is a fallback: {decision.reason}."
    why = decision.explanation or {}
    return str(why.get("reason") or f"{decision.order[0]} would answer.")


def sections(decision: RoutingDecision) -> list[Section]:
    """Return what stands below that sentence."""
    why = decision.explanation or {}
    found = [_ranked(decision)] if decision.ranked else []
    if why:
        found += [_members(why), _questions(why)]
    return found


def _ranked(decision: RoutingDecision) -> Section:
    chosen = decision.order[0]
    rows = [
        TableRow(
            (
                row["candidate"],
                pictures.length(row["success_probability"], f"{100 * row['success_probability']:.0f} %", i == 0),
                percent(row["success_probability"]),
                UNKNOWN if row["expected_cost_usd"] is None else f"{1000 * row['expected_cost_usd']:.3f}",
            ),
            "strong" if row["candidate"] == chosen else "",
        )
        for i, row in enumerate(decision.ranked[:_SHOWN])
    ]
    notes = [decision.promise.sentence()] if decision.promise else []
    if decision.foreign is not None and decision.foreign >= FOREIGN:
        notes.insert(0, ranking.unfamiliar(decision.foreign))
    left = len(decision.ranked) - _SHOWN
    if left > 0:
        notes.append(f"{left} more follow.")
    return Section(
        "Candidates in the order of the choice",
        heads=("Candidate", "Success", "Probability", "USD per 1,000 such prompts"),
        rows=rows,
        numeric=frozenset({2, 3}),
        note=" ".join(notes),
    )


def _members(why: Mapping[str, Any]) -> Section:
    names: Sequence[str] = why["candidates"]
    rows = [
        TableRow((one["name"], percent(one["weight"], 0), *(_score(one["scores"].get(name)) for name in names)))
        for one in why["members"]
    ]
    rows.append(TableRow(("overall level in training", "", *(_score(why["levels"].get(name)) for name in names))))
    return Section(
        "What the parts of the router say",
        str(why.get("conclusion", "")),
        heads=("Part", "Weight", *names),
        rows=rows,
        numeric=frozenset(range(1, 2 + len(names))),
    )


def _questions(why: Mapping[str, Any]) -> Section:
    names: Sequence[str] = why["candidates"]
    rows = [
        TableRow(
            (
                shortened(one["text"], _CHARACTERS),
                f"{one['likeness']:.2f}",
                percent(one["weight"], 0),
                *(_score(one["scores"].get(name)) for name in names),
            )
        )
        for one in why["questions"]
    ]
    return Section(
        "The most similar aptitude questions",
        "" if rows else "This router does not compare prompts with aptitude questions.",
        heads=("Question", "Similarity", "Weight", *(f"{name} scored" for name in names)),
        rows=rows,
        numeric=frozenset(range(1, 3 + len(names))),
    )


def _score(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"
