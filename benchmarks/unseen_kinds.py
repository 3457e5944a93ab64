"""Kinds of prompts that training did not have: how flat the mixture gets far from home, and what that is worth.

    python benchmarks/unseen_kinds.py [--sets FOLDER ...] [--shares 1 1 0.3 0.3] [--rivals NAME ...]

Whole benchmarks, or categories where there is one, are held out in five folds as in `quality.py --unseen`, and
questions in the first folds of those of `quality.py`. The mixture is fitted once a fold; what it would choose if it
were flattened by half, as it was before, not at all, or down to the best single candidate is read off the same fit.
Each fold is kept under the digest of data and code. The tables go to `benchmarks/results/unseen_kinds.json`.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import markdown
import numpy as np
from quality import DATA, KEPT, RESULTS, code, line, scored, thinned
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import Collection, collect
from modelsat.io.atomic import atomic_file, write_json
from modelsat.policy import choice
from modelsat.rivals import mixture
from modelsat.routers.fusion import members
from modelsat.studies import cross_validation
from modelsat.studies.cross_validation import Folds
from modelsat.text import embeddings
from modelsat.text.rendering import digest

INTO = RESULTS.with_name("unseen_kinds.json")
SETS, SHARES = ("specialists", "zeroeval", "mmlupro", "mmlu_helm"), (1.0, 1.0, 0.3, 0.3)
KINDS, QUESTIONS = "kinds", "questions"
FOLDS = {KINDS: range(5), QUESTIONS: range(2)}
FITTED, HALF = "as fitted", "by half, as before"
FIXED = {HALF: 0.5, "not at all": 1.0, "all the way": 0.0}
RIVALS = ("stack", "task-classifier", "uniroute-map")

TEXT = """
### With the members, flattened as leaving kinds out tells

What stands beside fusion, and how far its differences are believed far from the training prompts
([ADR 23](../adr/0023-how-flat-a-router-gets-far-from-home.md)), in a run of its own, all rows fitted to the same
prompts. Of mmlupro and mmlu_helm there are three tenths of the questions. "flattest" is what is left, far away, of the
differences between candidates: each of the five fits' own by leaving kinds out, or the same for all. Sets and prompts:
{sizes}.
"""

SEEN = """
Questions of known kinds, two of five folds ({sizes}), gain in points of "as fitted" over "by half": {gains}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES))
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    arguments = parser.parse_args()
    facts, pooled = {"sets": {}}, {}
    for source, share in zip(arguments.sets, arguments.shares, strict=True):
        name, collection = Path(source).name, thinned(collect([source]), share)
        table = facts["sets"].setdefault(name, {"share": share})
        for what in FOLDS:
            taken = arguments.rivals if what == KINDS else ()
            table[what] = measured(name, collection, what, taken, pooled.setdefault(what, {}))
        print(f"{name}: {table}", flush=True)
    for what, rows in pooled.items():
        facts[what] = over_half({row: np.concatenate(parts) for row, parts in rows.items()})
    write_json(INTO, facts)
    print(section(facts))


def measured(name: str, collection: Collection, what: str, taken: list[str], pooled: dict) -> dict:
    """Return the gains of every row over the best single candidate, and of the fitted one over the others."""
    folds = cross_validation.build(collection, unseen=what == KINDS)
    vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
    rows, flattest, tested = {}, [], []
    for fold in FOLDS[what]:
        found, steep = kept(name, collection, folds, vectors, fold)
        flattest.append(steep)
        tested.append(np.flatnonzero(folds.fold == fold))
        for row, gains in found.items():
            rows.setdefault(row, []).append(gains)
    places = np.concatenate(tested)
    gains = {row: np.concatenate(parts) for row, parts in rows.items()}
    for rival in taken:
        gains[rival] = over_single(scored(name, collection, folds, vectors, rival)[places], folds, places)
    for row, values in gains.items():
        pooled.setdefault(row, []).append(values)
    return {"prompts": len(places), "flattest": flattest} | over_half(gains)


def over_half(gains: dict[str, np.ndarray]) -> dict:
    """Return the mean gains with intervals, in points, and what the fitted mixture gains over each row."""
    return {
        "gain": {row: markdown.mean_points(values) for row, values in gains.items()},
        "fitted over": {row: markdown.mean_points(gains[FITTED] - values) for row, values in gains.items()},
    }


def kept(name: str, collection: Collection, folds: Folds, vectors: np.ndarray, fold: int) -> tuple[dict, float]:
    """Return what the mixture gains on one fold by how flat it gets, and how flat its own fit gets; fitted or kept."""
    own = digest("\x00".join([code(mixture.fit), collection.digest(), str(folds.fold.tolist()), str(fold)]))
    path = KEPT / "unseen" / f"{name}-{fold}-{own[:16]}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with threadpool_limits(1):
            gains, steep = fitted(folds, vectors, fold)
        with atomic_file(path) as beside, beside.open("wb") as file:
            np.savez(file, flattest=steep, **gains)
        print(f"{name}, fold {fold}: {steep}", flush=True)
    with np.load(path, allow_pickle=False) as found:
        return {row: found[row] for row in (FITTED, *FIXED)}, float(found["flattest"])


def fitted(folds: Folds, vectors: np.ndarray, fold: int) -> tuple[dict[str, np.ndarray], float]:
    """Fit the mixture without a fold, and return its gains there by how flat it gets."""
    everything, places = cross_validation.labelled(folds, vectors), np.flatnonzero(folds.fold == fold)
    surface, beside = mixture.fitted(everything.take(np.flatnonzero(folds.fold != fold)))
    test, gains = everything.take(places), {}
    tokens = mixture.tokens_of(test.texts)
    for row, flattest in {FITTED: surface.flattest, **FIXED}.items():
        said = beside.say(replace(surface, flattest=flattest), test.vectors, tokens)
        gains[row] = over_single(members.mixed(said, beside.weights), folds, places)
    return gains, surface.flattest


def over_single(scores: np.ndarray, folds: Folds, places: np.ndarray) -> np.ndarray:
    """Return what choices by scores (n, m) gain over the best single candidate on the prompts at `places`, (n,)."""
    truth, prior, each = folds.arena.truth[places], folds.arena.prior[places], np.arange(len(places))
    chosen = choice.choose(scores, mean_score=prior)
    return np.asarray(truth[each, chosen] - truth[each, prior.argmax(axis=1)], dtype=np.float64)


def section(facts: dict) -> str:
    """Return the part about unseen kinds with the members, in Markdown."""
    sets = facts["sets"]
    names = list(facts[KINDS]["gain"])
    heads = ["gain in points", *sets, "pooled", "fitted over it, pooled"]
    rows = [
        [
            row if row in rivals.NAMES else f"mixture, flattened {row}",
            *(markdown.gain(table[KINDS]["gain"][row]) for table in sets.values()),
            markdown.gain(facts[KINDS]["gain"][row]),
            "" if row == FITTED else markdown.gain(facts[KINDS]["fitted over"][row]),
        ]
        for row in names
    ]
    flat = ["flattest of the five fits", *(_listed(one[KINDS]["flattest"]) for one in sets.values()), "", ""]
    sizes = {what: ", ".join(f"{name} {one[what]['prompts']:,}" for name, one in sets.items()) for what in FOLDS}
    gains = [f"{name} {markdown.gain(one[QUESTIONS]['fitted over'][HALF])}" for name, one in sets.items()]
    gains.append(f"pooled {markdown.gain(facts[QUESTIONS]['fitted over'][HALF])}")
    text = TEXT.format(sizes=sizes[KINDS])
    return (
        f"{text}\n{markdown.table(heads, [*rows, flat])}\n{SEEN.format(sizes=sizes[QUESTIONS], gains=', '.join(gains))}"
    )


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


if __name__ == "__main__":
    main()
