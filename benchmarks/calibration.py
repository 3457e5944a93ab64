"""Calibration: how far promised success probabilities are from what comes true: seen, newcomers, foreign prompts.

    python benchmarks/calibration.py [--sets FOLDER ...] [--rivals NAME ...]

Seen: the cross-validation of `quality.py`. Newcomers: a fifth of the candidates at a time is known by K outcomes of
training prompts alone. Foreign: fitted on one set, asked about another. Settings that are there already, with the same
code, are not measured again. The table goes to `benchmarks/results/calibration.json`.
"""

import argparse
import time
from itertools import permutations
from pathlib import Path

import markdown
import numpy as np
from quality import DATA, KEPT, RESULTS, SETS, line, scored
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat import rivals, statistics
from modelsat.data.collection import Collection, collect
from modelsat.evaluation.arena import texts_of
from modelsat.io.atomic import write_json
from modelsat.rivals import fusion
from modelsat.rivals.rival import Fit, Labelled
from modelsat.studies import cross_validation, newcomers, transfer
from modelsat.text import embeddings

INTO = RESULTS.with_name("calibration.json")
RIVALS = (rivals.OURS, "knn", "ridge", "task-classifier")
COUNTS = (64, 250, 1000)
PARTS, BINS, DRAWS = 5, 15, 20
WIDE = 0.3

TEXT = """
## Calibration

Expected calibration error over all (prompt, candidate) pairs, {bins} bins of equal mass, in points of probability. In
brackets: the mean over candidates of each one's own error, minus what a perfectly calibrated router with the same
probabilities would show on so few prompts. Probabilities are not recalibrated. Newcomers: a fifth of the candidates at
a time is known by K training prompts, the others by all. Foreign: fitted on one set and tested on another, with
candidates that were run on {wide:.0f} % of both.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    kept = resumed(arguments.into, {"bins": BINS, "parts": PARTS, "counts": list(COUNTS), "wide": WIDE})
    collections = {Path(source).name: collect([source]) for source in arguments.sets}
    for rival in arguments.rivals:
        fit, began = fusion.fit_probability if rival == rivals.OURS else rivals.named(rival), time.monotonic()
        code = fingerprint(fit, cross_validation, newcomers, transfer, statistics)
        if kept.setdefault("rivals", {}).get(rival, {}).get("code") == code:
            continue
        found = {}
        for name, collection in collections.items():
            found |= within(name, collection, rival, fit)
        for source, target in permutations(collections, 2):
            found[f"foreign, {source} to {target}"] = across(collections[source], collections[target], fit)
        kept["rivals"][rival] = {"code": code, "errors": found}
        write_json(arguments.into, kept)
        print(f"{rival}: {found} ({time.monotonic() - began:.0f} s)", flush=True)
    print(section(kept))


def within(name: str, collection: Collection, rival: str, fit: Fit) -> dict[str, list[float]]:
    """Return the errors on one set, of seen candidates and of newcomers."""
    folds = cross_validation.build(collection)
    vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
    found = {f"seen, {name}": errors(scored(name, collection, folds, vectors, rival), folds.arena.truth)}
    everything = Labelled(vectors, folds.arena.truth, folds.arena.labels, folds.arena.cost)
    rows = folds.train(0), folds.validation(0), np.flatnonzero(folds.fold == 0)
    train, validation, test = (everything.take(part) for part in rows)
    for count in COUNTS:
        with threadpool_limits(1):
            found[f"newcomers by {count}, {name}"] = errors(placed(fit, train, validation, test, count), test.outcomes)
    return found


def placed(fit: Fit, train: Labelled, validation: Labelled, test: Labelled, count: int) -> np.ndarray:
    """Return probabilities of all candidates, each while it is a newcomer known by `count` outcomes, (test, m)."""
    m = train.outcomes.shape[1]
    found = np.full((len(test.outcomes), m), np.nan)
    part = np.random.default_rng(0).permutation(m) % PARTS
    known = newcomers.draw(len(train.outcomes), count, 0)
    nowhere = np.zeros(len(validation.outcomes), dtype=bool)
    for late in (np.flatnonzero(part == i) for i in range(PARTS)):
        if not len(late):
            continue
        before, held = train, validation
        for newcomer in late:
            before = newcomers.known_in_part(before, newcomer, known)
            held = newcomers.known_in_part(held, newcomer, nowhere)
        found[:, late] = fit(before, held)(test.vectors)[:, late]
    return found


def across(source: Collection, target: Collection, fit: Fit) -> list[float]:
    """Return the errors of a router that was fitted to another set."""
    cut = transfer.cross(source, target, WIDE)
    known, asked = (
        transfer.labelled(one, cut.candidates, embeddings.vectors(every(one), KEPT / "vectors"))
        for one in (source, target)
    )
    with threadpool_limits(1):
        told = fit(known.take(cut.train), known.take(cut.validation))(asked.take(cut.test).vectors)
    return errors(told, asked.take(cut.test).outcomes)


def every(collection: Collection) -> list[str]:
    return texts_of(collection, np.arange(collection.prompts.num_rows))


def errors(told: np.ndarray, truth: np.ndarray) -> list[float]:
    """Return the error over all pairs, and the mean over candidates less its bias, in points of probability."""
    told = np.clip(told, 0.0, 1.0)
    own = [less_bias(told[:, i], truth[:, i]) for i in range(told.shape[1]) if not np.isnan(told[:, i]).all()]
    pairs = statistics.expected_calibration_error(told, np.where(np.isnan(told), np.nan, truth), BINS)
    return [round(100 * pairs, 1), round(100 * float(np.mean(own)), 1)]


def less_bias(told: np.ndarray, truth: np.ndarray) -> float:
    """Return one candidate's error less the error of coins that fall as they were told to, at least 0."""
    rng = np.random.default_rng(0)
    coins = [(rng.random(told.shape) < told).astype(np.float64) for _ in range(DRAWS)]
    chance = np.mean([statistics.expected_calibration_error(told, coin, BINS) for coin in coins])
    return max(0.0, statistics.expected_calibration_error(told, truth, BINS) - float(chance))


def section(facts: dict) -> str:
    """Return the part of the results page: a row per setting, a column per router."""
    names = list(facts["rivals"])
    settings = dict.fromkeys(setting for name in names for setting in facts["rivals"][name]["errors"])
    rows = []
    kinds = ("seen", "newcomers", "foreign")
    for setting in sorted(settings, key=lambda one: next(i for i, kind in enumerate(kinds) if one.startswith(kind))):
        found = [facts["rivals"][name]["errors"].get(setting) for name in names]
        rows.append([setting, *(f"{one[0]:.1f} ({one[1]:.1f})" if one else "" for one in found)])
    text = TEXT.format(bins=facts["bins"], wide=100 * facts["wide"])
    return "\n".join([text, markdown.table(["error in points", *names], rows), ""])


if __name__ == "__main__":
    main()
