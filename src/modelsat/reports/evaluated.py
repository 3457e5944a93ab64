"""The verdict page: the sentence, the plane of cost and accuracy, the table, what changed for whom."""

from pathlib import Path

import numpy as np

from modelsat.evaluation.arena import Arena
from modelsat.evaluation.contest import Contest
from modelsat.evaluation.table import BEST_SINGLE, ORACLE, RANDOM, Evaluation, Line, chosen, filled_costs
from modelsat.evaluation.verdict import GateOutcome
from modelsat.reports import figures, members, page, traffic
from modelsat.reports.page import Section, TableRow
from modelsat.routers.router import FOREIGN
from modelsat.statistics import mean_over_ties

_COST_WEIGHTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
_FLIPS = 10
_BINS = 10
_FAMILIAR = 0.1


def write(contest: Contest, challenger: str, path: Path | str, footer: str = "") -> None:
    """Write the page of the evaluate step.

    Args:
        contest: The verdict and what it rests on.
        challenger: Which router the gate judged.
        path: Where to.
        footer: Versions, seed and digests.
    """
    arena, evaluation, verdict = contest.arena, contest.evaluation, contest.verdict
    probabilities = contest.predictions[challenger]
    sections = [
        _plane(arena, evaluation, probabilities, challenger),
        table(evaluation, challenger),
        members.section(contest.members),
        traffic.without_reading(contest),
        _by_label(arena, evaluation, challenger),
        _by_foreign(contest.foreign, evaluation, challenger),
        *traffic.sections(contest, challenger),
        _flips(arena, evaluation, challenger),
        _calibration(arena, evaluation, probabilities, challenger),
    ]
    tone = {GateOutcome.PROMOTED: "good", GateOutcome.KEPT: "", GateOutcome.DO_NOT_ROUTE: "bad"}[verdict.outcome]
    page.write(path, "Evaluated router", contest.sentence(), [s for s in sections if s is not None], tone, footer)


def table(evaluation: Evaluation, challenger: str) -> Section:
    """Return the table of routers and reference lines."""
    order = sorted(evaluation.lines, key=lambda line: (line.is_reference, -line.accuracy.value))
    rows = [TableRow(_cells(line), "strong" if line.name == challenger else "") for line in order]
    sets = ", ".join(f"{name} ({n:,})" for name, n in evaluation.sets.items())
    return Section(
        "Accuracy on held-out prompts",
        f"{evaluation.prompts:,} prompts that no router was trained on, up to {evaluation.pool} candidates to choose "
        f"from: {sets}.{_unjudged(evaluation)}",
        heads=("", "accuracy", "95 % interval", "gain over best single", "95 % interval", "USD per 1,000"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4, 5}),
        note="Paired bootstrap over prompts. Best single is chosen on training prompts. Best per category knows each "
        "prompt's true category, which no router sees. A gain whose interval contains 0 is not significant.",
    )


def _unjudged(evaluation: Evaluation) -> str:
    shares = {name: share for name, share in evaluation.unjudged.items() if share}
    if not shares:
        return ""
    told = ", ".join(f"{name} {page.percent(share)}" for name, share in shares.items())
    return (
        f" Choices that cannot be judged, since the candidate was not run on the prompt: {told}; accuracy and gain are "
        "over the others, cost is over all."
    )


def _cells(line: Line) -> tuple[object, ...]:
    return (
        line.name,
        page.percent(line.accuracy.value),
        f"{100 * line.accuracy.low:.1f} to {100 * line.accuracy.high:.1f}",
        page.points(line.gain.value),
        f"{page.points(line.gain.low)} to {page.points(line.gain.high)}",
        page.dollars(line.cost_usd_per_1k),
    )


def _plane(arena: Arena, evaluation: Evaluation, probabilities: np.ndarray, challenger: str) -> Section | None:
    if not evaluation.cost:
        return None
    everywhere = arena.pool.all(axis=0)
    priced = everywhere & ~np.isnan(arena.billed).any(axis=0)
    singles = [
        (arena.candidates[i], float(arena.billed[:, i].mean() * 1000), float(arena.truth[:, i].mean()))
        for i in np.flatnonzero(priced)
    ]
    marks = [
        ("our router" if line.name in evaluation.choices else line.name, line.cost_usd_per_1k, line.accuracy.value)
        for line in evaluation.lines
        if line.cost_usd_per_1k is not None and line.name in (next(iter(evaluation.choices)), BEST_SINGLE, RANDOM)
    ]
    rows = np.arange(len(arena.truth))
    filled = filled_costs(arena)
    curve_cost, curve_accuracy = [], []
    for weight in _COST_WEIGHTS:
        columns = chosen(arena, probabilities, evaluation.terms.get(challenger), weight)
        curve_cost.append(float(filled[rows, columns].mean() * 1000))
        curve_accuracy.append(float(np.nanmean(arena.truth[rows, columns])))
    note = (
        "Diamonds are routers and reference lines, grey points single candidates with prices that ran on every prompt."
    )
    return Section(
        "Cost and accuracy", figure=figures.cost_accuracy(singles, marks, (curve_cost, curve_accuracy)), note=note
    )


def _by_label(arena: Arena, evaluation: Evaluation, challenger: str) -> Section:
    benchmarks = np.asarray([label.split("/", 1)[0] for label in arena.labels])
    groups = benchmarks if len(np.unique(benchmarks)) > 1 else arena.labels
    mine, best, oracle = (evaluation.correct[name] for name in (challenger, BEST_SINGLE, ORACLE))
    rows = []
    for group in np.unique(groups):
        inside = (groups == group) & ~np.isnan(mine)
        if not inside.any():
            continue
        difference = mine[inside] - best[inside]
        margin = 1.96 * difference.std() / max(1.0, np.sqrt(inside.sum()))
        cells = (
            group,
            f"{inside.sum():,}",
            page.percent(mine[inside].mean()),
            page.percent(best[inside].mean()),
            page.points(difference.mean()),
            f"± {100 * margin:.1f}",
            page.percent(oracle[inside].mean()),
        )
        rows.append(TableRow(cells))
    return Section(
        "By benchmark or category",
        heads=("", "prompts", "router", "best single", "gain", "95 %", "oracle"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4, 5, 6}),
    )


def _by_foreign(foreign: np.ndarray | None, evaluation: Evaluation, challenger: str) -> Section | None:
    if foreign is None:
        return None
    mine, best = evaluation.correct[challenger], evaluation.correct[BEST_SINGLE]
    judged = ~np.isnan(mine)
    groups = {
        "familiar, below 0.1": foreign < _FAMILIAR,
        "in between": (foreign >= _FAMILIAR) & (foreign < FOREIGN),
        f"foreign, from {FOREIGN} on": foreign >= FOREIGN,
    }
    rows = [
        TableRow(
            (
                name,
                f"{inside.sum():,}",
                page.percent(mine[inside].mean()),
                page.percent(best[inside].mean()),
                page.points((mine[inside] - best[inside]).mean()),
            )
        )
        for name, inside in ((name, group & judged) for name, group in groups.items())
        if inside.any()
    ]
    return Section(
        "Familiar and foreign prompts",
        f"How far the prompts are from the training prompts, from 0 to 1: {foreign.mean():.2f} on average. Figures of "
        "this page hold for prompts like these; where users' prompts are more foreign, expect less of the router.",
        heads=("", "prompts", "router", "best single", "gain"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4}),
    )


def _flips(arena: Arena, evaluation: Evaluation, challenger: str) -> Section:
    difference = evaluation.correct[challenger] - evaluation.correct[BEST_SINGLE]
    rng = np.random.default_rng(0)
    gains, losses = (rng.permutation(np.flatnonzero(part)) for part in (difference > 0, difference < 0))
    size = min(_FLIPS, len(gains), len(losses))
    rows = []
    for kind, flipped in (("gain", gains[:size]), ("loss", losses[:size])):
        for i in flipped:
            text = " ".join(arena.texts[i].split())
            cells = (
                kind,
                arena.candidates[evaluation.choices[challenger][i]],
                arena.candidates[arena.best_single[i]],
                text[:160] + ("…" if len(text) > 160 else ""),
            )
            rows.append(TableRow(cells, "good" if kind == "gain" else "bad"))
    return Section(
        "Prompts that flipped",
        f"{len(gains):,} gains and {len(losses):,} losses against best single; equal numbers of each, drawn at random.",
        heads=("", "chosen", "best single", "prompt"),
        rows=rows,
    )


def _calibration(arena: Arena, evaluation: Evaluation, probabilities: np.ndarray, challenger: str) -> Section:
    asked = ~np.isnan(arena.truth) & arena.routable
    p = probabilities[asked]
    y = mean_over_ties(p, arena.truth[asked])
    parts = [part for part in np.array_split(np.argsort(p, kind="stable"), _BINS) if len(part)]
    predicted, observed = [float(p[part].mean()) for part in parts], [float(y[part].mean()) for part in parts]
    return Section(
        "Calibration",
        figure=figures.calibration(predicted, observed),
        note=f"Expected calibration error {evaluation.ece[challenger]:.3f} over all pairs in 15 bins of equal mass; "
        f"area under the curve {evaluation.auc[challenger]:.3f}.",
    )
