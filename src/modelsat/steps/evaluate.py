"""The evaluate step: the challenger's files in; verdict page, decisions, result and fallback bundle out."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelsat import __version__
from modelsat.bundle import bundle, champions
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.data.collection import Collection
from modelsat.evaluation import contest as contests
from modelsat.evaluation.contest import Contest
from modelsat.evaluation.gate import GateRules
from modelsat.evaluation.table import BEST_SINGLE, CHALLENGER
from modelsat.io.atomic import write_json
from modelsat.policy import choice
from modelsat.reports import evaluated
from modelsat.routers.constant import Constant


def run(scores: Path, router: Path, predictions: Path, champion_store: str, rules: GateRules = GateRules()) -> Contest:
    """Judge a challenger.

    Args:
        scores: Folder of the validated collection.
        router: Folder of the challenger's bundle.
        predictions: Its held-out predictions; a sample of them is scored anew.
        champion_store: Champion records.
        rules: Settings of the gate.

    Raises:
        InputError: The predictions are not those of the bundle.
    """
    return contests.run(
        Collection.read(scores),
        bundle.read(router),
        contracts.read(predictions, contracts.PREDICTIONS),
        champions.current(champion_store),
        rules,
    )


def write_fallback(contest: Contest, challenger_folder: Path, folder: Path) -> None:
    """Write the bundle that is served where the advice is not to route: the best single candidate for every prompt."""
    challenger = bundle.read(challenger_folder, with_router=False)
    names = challenger.names
    prior = np.asarray([challenger.lineage["mean_score"].get(name, 0.0) for name in names])
    votes = np.bincount(contest.arena.best_single, minlength=len(contest.arena.candidates))
    best = names.index(contest.arena.candidates[votes.argmax()])
    # The best single of the arena comes first whatever a patchy training mean says.
    prior[best] = max(prior[best], prior.max() + 1e-6)
    Bundle(
        router=Constant(names, np.clip(prior, 0, 1)),
        candidates=challenger.candidates,
        aptitude_test=challenger.aptitude_test,
        cards=challenger.cards,
        answers=challenger.answers,
        # The best single candidate promises nothing against itself.
        lineage=challenger.lineage | {"reason": contest.verdict.reason, "promise": {}, "picture_promise": {}},
        attribution=challenger.attribution,
        seen_prompts=challenger.seen_prompts,
    ).write(folder)


def write_pages(contest: Contest, page: Path, decisions: Path, result: Path) -> None:
    """Write the verdict page, the per-prompt decisions (Parquet) and the table (JSON)."""
    footer = f"modelsat {__version__}, bundle {contest.digest}, data {contest.data_digest}, bootstrap seed 0"
    evaluated.write(contest, CHALLENGER, page, footer)
    contracts.write_plain(decisions_table(contest), decisions)
    write_json(result, as_json(contest))


def decisions_table(contest: Contest) -> pa.Table:
    """Return one row per held-out prompt: what was chosen by whom and whether it was right. It holds no prompt text."""
    arena, evaluation = contest.arena, contest.evaluation
    rows = np.arange(len(arena.truth))
    columns: dict[str, Any] = {
        "prompt_id": arena.prompt_ids,
        "set": arena.sets.tolist(),
        "label": arena.labels.tolist(),
    }
    for name in contest.predictions:
        picked = evaluation.choices[name]
        columns[f"{name}: chosen"] = [arena.candidates[i] for i in picked]
        columns[f"{name}: probability"] = contest.predictions[name][rows, picked].astype(np.float64)
        columns[f"{name}: score"] = pa.array(evaluation.correct[name], from_pandas=True)
    for name, answers in contest.served.items():
        columns[f"{name}: served"] = answers
    columns["best single"] = [arena.candidates[i] for i in arena.best_single]
    columns["best single: score"] = evaluation.correct[BEST_SINGLE]
    return pa.table(columns)


def as_json(contest: Contest) -> dict[str, Any]:
    """Return the table and the verdict as JSON."""
    return {
        "verdict": asdict(contest.verdict) | {"sentence": contest.sentence()},
        "prompts": contest.evaluation.prompts,
        "pool": contest.evaluation.pool,
        "sets": contest.evaluation.sets,
        "challenger": CHALLENGER,
        "served": _served(contest),
        "withheld": contest.withheld,
        "notes": contest.notes,
        "members": list(contest.members),
        "singles": asdict(contest.singles) if contest.singles else None,
        "promise": contest.promise.as_json() if contest.promise else None,
        "lines": [asdict(line) for line in contest.evaluation.lines],
        "metrics": metrics(contest),
    }


def _served(contest: Contest) -> dict[str, Any]:
    """Return what the challenger's choices come to as it is served, over the held-out prompts."""
    line = contest.evaluation.line(CHALLENGER)
    return {
        "shares": contest.shares(),
        "cost_usd_per_1k": line.cost_usd_per_1k,
        "unjudged": contest.evaluation.unjudged[CHALLENGER],
    }


def metrics(contest: Contest) -> dict[str, float]:
    """Return the scalars that KFP and MLflow show."""
    values = contest.evaluation.metrics(CHALLENGER)
    values["gain_over_opponent"] = contest.verdict.gain.value
    values["gain_over_opponent_ci_low"] = contest.verdict.gain.low
    values["gain_over_opponent_ci_high"] = contest.verdict.gain.high
    values["served_candidates"] = float(len(contest.shares()))
    values["withheld_candidates"] = float(len(contest.withheld))
    return values


def roc(contest: Contest, points: int = 100) -> tuple[list[float], list[float], list[float]]:
    """Return false positive rates, true positive rates and finite thresholds of the challenger's success prediction."""
    asked = ~np.isnan(contest.arena.truth) & contest.arena.routable
    p, right = contest.predictions[CHALLENGER][asked], contest.arena.truth[asked] > 0.5
    thresholds = np.unique(np.quantile(p, np.linspace(0, 1, points)))[::-1]
    false = [float((p[~right] >= t).mean()) if (~right).any() else 0.0 for t in thresholds]
    true = [float((p[right] >= t).mean()) if right.any() else 0.0 for t in thresholds]
    return false, true, [float(t) for t in thresholds]


def confusion(contest: Contest, most: int = 12) -> tuple[list[str], list[list[int]]]:
    """Return names and counts of chosen (columns) against best (rows) candidates, the rarest taken together."""
    arena = contest.arena
    chosen = contest.evaluation.choices[CHALLENGER]
    best = choice.choose(arena.truth, arena.pool, arena.prior)
    counts = np.bincount(np.concatenate([chosen, best]), minlength=len(arena.candidates))
    named = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i] > 0]
    shown = named[:most] if len(named) <= most else named[: most - 1]
    place = {candidate: i for i, candidate in enumerate(shown)}
    size = len(shown) + (len(named) > len(shown))
    matrix = np.zeros((size, size), dtype=int)
    for row, column in zip(best, chosen, strict=True):
        matrix[place.get(int(row), size - 1), place.get(int(column), size - 1)] += 1
    names = [arena.candidates[i] for i in shown] + (["other"] if size > len(shown) else [])
    return names, matrix.tolist()
