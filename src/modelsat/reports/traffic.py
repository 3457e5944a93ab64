"""Who gets the traffic of a router as it is served, what that costs, and who is not served."""

import numpy as np

from modelsat.evaluation.contest import Contest
from modelsat.evaluation.table import BEST_SINGLE, filled_costs
from modelsat.reports import figures, page
from modelsat.reports.page import Section, TableRow

_DRAWN = 25


def sections(contest: Contest, router: str) -> list[Section | None]:
    """Return the sections on the candidates that are served and on those that are withheld.

    Args:
        contest: The verdict and what it rests on.
        router: Whose choices are shown.
    """
    return [_drawn(contest, router), _served(contest, router), _withheld(contest)]


def without_reading(contest: Contest) -> Section | None:
    """Return the section on what can be had without reading prompts: the front of singles, and a cascade along it."""
    found = contest.singles
    if found is None:
        return None
    singles = zip(found.names, found.accuracy, found.cost_usd, strict=True)
    rows = [
        TableRow((name, page.percent(accuracy), page.dollars(1000 * cost), "1.0")) for name, accuracy, cost in singles
    ]
    rows += [
        TableRow(
            (
                f"cascade, checker right about {100 * precision:.0f} % of answers",
                page.percent(one.accuracy),
                page.dollars(1000 * one.cost_usd),
                f"{one.asked:.1f}",
            )
        )
        for precision, one in found.cascades.items()
    ]
    worth = "; ".join(
        f"{name} {page.points(gain.value)} points ({page.points(gain.low)} to {page.points(gain.high)})"
        for name, gain in found.worth.items()
    )
    return Section(
        "Which single, which few",
        "The front of single candidates, and a cascade along it where answers can be checked: the cheapest first, the "
        "next one where it failed.",
        heads=("", "accuracy", "USD per 1,000", "answers per prompt"),
        rows=rows,
        numeric=frozenset({1, 2, 3}),
        note=f"Over a random split of the front at the same cost, reading prompts is worth: {worth}." if worth else "",
    )


def _drawn(contest: Contest, router: str) -> Section:
    arena, n = contest.arena, len(contest.arena.truth)
    chosen = contest.evaluation.choices[router]
    after, best = (np.bincount(one, minlength=len(arena.candidates)) / n for one in (chosen, arena.best_single))
    order = [i for i in np.argsort(-(after + best), kind="stable") if after[i] + best[i] > 0][:_DRAWN]
    shares = {"router": [after[i] for i in order], BEST_SINGLE: [best[i] for i in order]}
    figure = figures.bars([arena.candidates[i] for i in order], shares, "share of prompts in %")
    oracle, rows = np.where(arena.pool, arena.truth, -1.0).max(axis=1), np.arange(n)
    judged = ~np.isnan(arena.truth[rows, chosen])
    agree = float((arena.truth[rows, chosen] >= oracle)[judged].mean())
    return Section(
        "Who gets the traffic",
        figure=figure,
        note=f"On {100 * agree:.1f} % of the prompts no candidate would have scored higher than the chosen one.",
    )


def _served(contest: Contest, router: str) -> Section:
    arena, evaluation = contest.arena, contest.evaluation
    chosen, correct = evaluation.choices[router], evaluation.correct[router]
    cost = filled_costs(arena) if evaluation.cost else None
    rows = []
    for name, share in contest.shares(router).items():
        column = arena.candidates.index(name)
        mine = chosen == column
        judged = mine & ~np.isnan(correct)
        known = arena.truth[:, column][~np.isnan(arena.truth[:, column])]
        cells = (
            name,
            page.percent(share),
            page.percent(correct[judged].mean()) if judged.any() else "–",
            page.percent(known.mean()) if len(known) else "–",
            page.dollars(None if cost is None or not mine.any() else float(cost[mine, column].mean() * 1000)),
        )
        rows.append(TableRow(cells))
    total = evaluation.line(router).cost_usd_per_1k
    told = "" if total is None else f", at an expected {page.dollars(total)} USD per 1,000 prompts"
    return Section(
        "Served candidates",
        f"The endpoint chooses among these {len(rows)} candidates as it does here{told}.",
        heads=("candidate", "share", "accuracy there", "accuracy on all prompts", "USD per 1,000"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4}),
    )


def _withheld(contest: Contest) -> Section | None:
    if not contest.withheld:
        return None
    arena = contest.arena
    rows, best = [], arena.truth[np.arange(len(arena.truth)), arena.best_single]
    for name, reason in contest.withheld.items():
        truth = arena.truth[:, arena.candidates.index(name)] if name in arena.candidates else np.full(len(best), np.nan)
        ran = ~np.isnan(truth)
        means = [page.percent(one[ran].mean()) if ran.any() else "–" for one in (truth, best)]
        rows.append(TableRow((name, reason, f"{ran.sum():,}", *means)))
    return Section(
        "Withheld candidates",
        "The router has learned from their results and does not choose them, since too few of its choices could be "
        "judged. `modelsat onboard NAME` lets one in by what it scores where it was run.",
        heads=("candidate", "reason", "held-out prompts it was run on", "accuracy there", "best single there"),
        rows=rows,
        numeric=frozenset({2, 3, 4}),
    )
