"""The comparison page: gains as a picture, the table, what was unseen."""

from pathlib import Path

import numpy as np

from modelsat.evaluation import patchy, printed
from modelsat.evaluation.comparison import Comparison
from modelsat.evaluation.table import BEST_SINGLE, ORACLE, RANDOM, Line
from modelsat.reports import collected, evaluated, figures, page
from modelsat.reports.page import Section, TableRow


def write(comparison: Comparison, path: Path | str, footer: str = "") -> None:
    """Write the page.

    Args:
        comparison: What was compared.
        path: Where to.
        footer: Versions and seeds.
    """
    sections = [
        _gains(comparison),
        evaluated.table(comparison.evaluation, ""),
        _patchy(comparison),
        _remarks(comparison),
        _by_set(comparison),
        _unseen(comparison),
        collected.rejects(comparison.collection) if comparison.collection.rejects.num_rows else None,
    ]
    page.write(
        path,
        "Compared routers",
        printed.sentence(comparison.evaluation),
        [s for s in sections if s is not None],
        footer=footer,
    )


def _gains(comparison: Comparison) -> Section:
    shown = [line for line in comparison.evaluation.lines if line.name not in (BEST_SINGLE, RANDOM, ORACLE)]
    order = sorted(shown, key=lambda line: -line.gain.value)
    return Section("Gain over best single", figure=figures.gains([_points(line) for line in order]))


def _points(line: Line) -> tuple[str, float, float, float]:
    return line.name, 100 * line.gain.value, 100 * line.gain.low, 100 * line.gain.high


def _patchy(comparison: Comparison) -> Section | None:
    if not comparison.arena.missing_at_random:
        return None
    offered = comparison.arena.pool.sum(axis=1)
    return Section(
        "Missing at random",
        f"{patchy.ASSUMPTION} A prompt has {offered.mean():.1f} candidates on average, at least {offered.min()} and at "
        f"most {offered.max()}.",
    )


def _remarks(comparison: Comparison) -> Section | None:
    if not comparison.remarks:
        return None
    return Section("Remarks", rows=[TableRow((one,)) for one in comparison.remarks], heads=("before you believe it",))


def _by_set(comparison: Comparison) -> Section | None:
    table, sets = comparison.evaluation, np.unique(comparison.arena.sets)
    if len(sets) < 2:
        return None
    rows = []
    for name in comparison.predictions:
        gain = table.correct[name] - table.correct[BEST_SINGLE]
        rows.append(TableRow((name, *(page.points(gain[comparison.arena.sets == one].mean()) for one in sets))))
    return Section(
        "Gain by set, in points",
        heads=("", *(Path(one).name for one in sets)),
        rows=rows,
        numeric=frozenset(range(1, len(sets) + 1)),
    )


def _unseen(comparison: Comparison) -> Section | None:
    rows = []
    for router, seen in comparison.seen.items():
        unseen = [name for name in comparison.arena.candidates if name not in seen]
        if unseen:
            rows.append(TableRow((router, len(unseen), ", ".join(unseen))))
    if not rows:
        return None
    return Section(
        "Candidates that a router was not trained on",
        "They are scored by their answers to the router's own aptitude test and to other labelled questions. A "
        "candidate without answers is never chosen.",
        heads=("router", "candidates", "names"),
        rows=rows,
        numeric=frozenset({1}),
    )
