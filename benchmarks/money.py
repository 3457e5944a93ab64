"""Tokens and dollars on real benchmark results: what routers cost that are as good as the best single candidate.

    python benchmarks/money.py [--sets NAME ...] [--rivals NAME ...]

Held-out scores are those of `quality.py`, computed once. Lengths are expected by heads that were fitted without the
prompt's fold; policies, prices and corrections are chosen on the other folds. The figures go to
`benchmarks/results/money.json`.
"""

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import batches
import numpy as np
import pyarrow.compute as pc
from markdown import mean_points, points
from money_section import section
from quality import DATA, KEPT, RESULTS, line, scored
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data import score_matrix
from modelsat.data.collection import Collection, collect
from modelsat.evaluation import front
from modelsat.io.atomic import write_json
from modelsat.rivals import task_classifier
from modelsat.rivals.rival import Labelled, Scorer
from modelsat.statistics import bootstrap_means, interval
from modelsat.studies import cross_validation, lengths, spending
from modelsat.studies.cross_validation import Folds
from modelsat.studies.spending import Spending
from modelsat.text import embeddings

SETS = {"mmlupro": "mmlupro", "mmlu_helm": "mmlu_helm", "zeroeval": "zeroeval", "zeroeval-without-o1": "zeroeval"}
RIVALS = (rivals.OURS, "knn", "task-classifier", "stack", "ridge", "omnirouter", "inference-dynamics", "avengers-pro")
FRONT = "front of singles"
SHORT = {"best single": 0.0, "1 point less": 0.01}
ASSIGNED = "omnirouter"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--into", type=Path, default=RESULTS.with_name("money.json"))
    arguments = parser.parse_args()
    began = time.monotonic()
    tables = {}
    for name in arguments.sets:
        collection = collect([str(DATA / SETS[name])])
        if name.endswith("without-o1"):
            collection = without(collection, "o1-")
        tables[name] = measured(name, collection, arguments.rivals)
        print(f"{name} after {time.monotonic() - began:.0f} s", flush=True)
    write_json(arguments.into, {"sets": tables})
    print(section({"sets": tables}))
    print(f"wrote {arguments.into} after {time.monotonic() - began:.0f} s")


def without(collection: Collection, prefix: str) -> Collection:
    """Leave out the candidates whose name begins so."""
    kept = [pc.invert(pc.starts_with(part["candidate"], prefix)) for part in (collection.scores, collection.candidates)]
    return replace(
        collection, scores=collection.scores.filter(kept[0]), candidates=collection.candidates.filter(kept[1])
    )


def measured(name: str, collection: Collection, names: list[str]) -> dict:
    """Return all figures of one set."""
    folds = cross_validation.build(collection)
    arena = folds.arena
    vectors = embeddings.vectors(arena.texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
    with threadpool_limits(1):
        bill = spending.bill_of(collection, folds, vectors)
        errors = length_errors(collection, folds, vectors)
    scores = {rival: scored(name, collection, folds, vectors, rival) for rival in {*names, ASSIGNED}}
    rows = {}
    for what, short in SHORT.items():
        spent = {FRONT: spending.front_to_match(folds, bill, short)}
        spent |= {rival: spending.cost_to_match(folds, scores[rival], bill, short) for rival in names}
        rows[what] = {row: as_json(found) for row, found in spent.items()}
    cost, accuracy = bill.realised.mean(axis=0), arena.truth.mean(axis=0)
    return {
        "prompts": len(arena.prompt_ids),
        "candidates": len(arena.candidates),
        "unpriced": [arena.candidates[i] for i in np.flatnonzero(np.isnan(arena.cost).all(axis=0))],
        "lengths": errors,
        "front": [
            {"candidate": arena.candidates[i], "usd": dollars(cost[i]), "accuracy": round(100 * float(accuracy[i]), 1)}
            for i in front.vertices(cost, accuracy)
        ],
        "match": rows,
        "batches": batches.served(folds, scores[ASSIGNED].astype(np.float64), bill, SHORT),
    }


def length_errors(collection: Collection, folds: Folds, vectors: np.ndarray) -> dict | None:
    """Return how far expected lengths and their costs are from logged ones on held-out prompts; None without any.

    A benchmark's mean that stands for the length of each of its answers is fitted to, and not measured by.
    """
    arena = folds.arena
    tokens = lengths.logged(collection.scores, arena.prompt_ids, arena.candidates)
    own = own_lengths(tokens, arena.labels)
    if not own.any():
        return None
    heads = {
        "candidate's mean": (level,),
        "its means on the predicted task": tuple(
            partial(task_classifier.classify, value) for value in task_classifier.INVERSE_PENALTIES
        ),
        "length head": lengths.RIDGE,
    }
    found = {}
    for name, some in heads.items():
        middle = lengths.held_out(folds, vectors, tokens, partial(lengths.middle, heads=some))
        mean = lengths.held_out(folds, vectors, tokens, partial(lengths.fit, heads=some))
        paid, expected = (
            np.where(own, np.nan_to_num(spending.costs_at(collection, folds, some)), 0.0) for some in (tokens, mean)
        )
        groups = [arena.labels == label for label in np.unique(arena.labels)]
        missed = [np.abs((expected - paid)[rows].sum(axis=0)).sum() for rows in groups]
        found[name] = {
            "log_error": round(float(np.abs(np.log1p(middle) - np.log1p(tokens))[own].mean()), 3),
            "prompt": round(100 * float(np.abs(expected - paid).sum() / paid.sum()), 1),
            "category": round(100 * float(sum(missed) / paid.sum()), 1),
        }
    return {"logged": round(100 * float(own.mean()), 1), "heads": found}


def own_lengths(tokens: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Say which lengths (n, candidates) are an answer's own and not the mean of its benchmark, which never varies."""
    own = ~np.isnan(tokens)
    benchmarks = np.asarray([label.split("/", 1)[0] for label in labels])
    for benchmark in np.unique(benchmarks):
        here = benchmarks == benchmark
        own[here] &= np.ptp(np.nan_to_num(tokens[here]), axis=0) > 0
    return own


def level(train: Labelled) -> Scorer:
    """Expect the same everywhere."""
    levels = score_matrix.levels(train.outcomes)
    return lambda vectors: np.tile(levels, (len(vectors), 1))


def as_json(spent: Spending) -> dict:
    """Return USD per 1,000 prompts, shares of the best single's cost in percent, and the gain left over in points."""
    columns = np.column_stack([spent.realised, spent.single_realised])
    means = bootstrap_means(columns)
    return {
        "expected_usd": dollars(spent.cost.mean()),
        "realised_usd": dollars(spent.realised.mean()),
        "single_expected_usd": dollars(spent.single_cost.mean()),
        "single_realised_usd": dollars(spent.single_realised.mean()),
        "share": points(interval(columns[:, 0].mean() / columns[:, 1].mean(), means[:, 0] / means[:, 1])),
        "gain": mean_points(spent.gain),
    }


def dollars(cost: float) -> float:
    """Return USD per 1,000 prompts."""
    return round(1000 * float(cost), 4)


if __name__ == "__main__":
    main()
