"""Rivals in the paper's zoos, mirrored on our candidates: small, mixed, high-performance.

    python benchmarks/zoos.py [--sets FOLDER ...] [--rivals NAME ...] [--folds 5]

Cross-validated by question as in `quality.py`; who belongs to a zoo follows from size and training mean, by the rules
of `modelsat.studies.zoos`. The tables go to `benchmarks/results/zoos.json`; what is there already, with the same
settings and code, is not measured again.
"""

import argparse
import time
from pathlib import Path

import markdown
import numpy as np
from quality import DATA, KEPT, RESULTS, SETS
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.evaluation import table as evaluation
from modelsat.io.atomic import write_json
from modelsat.studies import cross_validation, zoos
from modelsat.studies.cross_validation import Folds
from modelsat.text import embeddings

INTO = RESULTS.with_name("zoos.json")
RIVALS = (
    rivals.OURS,
    "knn",
    "ridge",
    "task-classifier",
    "stack",
    "avengers",
    "embedllm",
    "saverouter",
    "uniroute",
    "inference-dynamics",
)

TEXT = """
## The paper's zoos, mirrored

{folds} folds by question. Small: at most ten billion parameters (a candidate of unknown size is not small).
High-performance: within {points:.0f} points of the best on training prompts. Mixed: both together. Membership is
decided per fold on training prompts; best single is the zoo's own. A zoo of fewer than two candidates is left out:
{left_out}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    settings = {
        "folds": arguments.folds,
        "small_parameters": zoos.SMALL_PARAMETERS,
        "close_behind": zoos.CLOSE_BEHIND,
    }
    kept = resumed(arguments.into, settings)
    for source in arguments.sets:
        collection = collect([source])
        folds = cross_validation.build(collection, arguments.folds)
        sizes = dict(zip(*(collection.candidates[name].to_pylist() for name in ("candidate", "n_params")), strict=True))
        n_params = np.asarray([sizes[name] or np.nan for name in folds.arena.candidates], dtype=np.float64)
        vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors")
        tables = kept.setdefault("sets", {}).setdefault(Path(source).name, {})
        for zoo, rule in zoos.ZOOS.items():
            inside = zoos.within(folds, rule, n_params)
            if inside.arena.pool.sum(axis=1).min() < 2:
                tables[zoo] = None
                continue
            table = tables[zoo] = (tables.get(zoo) or {"rivals": {}}) | described(inside)
            for rival in arguments.rivals:
                fit, began = rivals.named(rival), time.monotonic()
                code = fingerprint(fit, cross_validation, zoos)
                if table["rivals"].get(rival, {}).get("code") == code:
                    continue
                with threadpool_limits(1):
                    fit_to_zoo = zoos.fit_within(fit, rule, n_params)
                    scores = cross_validation.held_out_scores(folds, vectors, fit_to_zoo)
                table["rivals"][rival] = result(evaluation.evaluate(inside.arena, {rival: scores}).line(rival), code)
                write_json(arguments.into, kept)
                gain = markdown.gain(table["rivals"][rival]["gain"])
                print(f"{Path(source).name} {zoo} {rival}: {gain} ({time.monotonic() - began:.0f} s)", flush=True)
    write_json(arguments.into, kept)
    print(section(kept))


def described(folds: Folds) -> dict:
    """Return who is in a zoo, and its reference lines."""
    arena = folds.arena
    table = evaluation.evaluate(arena, {})
    members = arena.pool.any(axis=0)
    return {
        "prompts": table.prompts,
        "candidates": [name for name, member in zip(arena.candidates, members, strict=True) if member],
        "always": int(arena.pool.all(axis=0).sum()),
        "references": {line.name: result(line) for line in table.lines},
    }


def result(line: evaluation.Line, code: str | None = None) -> dict:
    """Return accuracy and gain of one line in points."""
    found = {"accuracy": markdown.points(line.accuracy), "gain": markdown.points(line.gain)}
    return found | ({"code": code} if code else {})


def section(facts: dict) -> str:
    """Return the part of the results page: one column per set and zoo, gains over the zoo's best single."""
    columns = {
        f"{name}, {zoo}": table for name, zoos_of in facts["sets"].items() for zoo, table in zoos_of.items() if table
    }
    left_out = [f"{name}: {zoo}" for name, zoos_of in facts["sets"].items() for zoo in zoos_of if not zoos_of[zoo]]
    text = TEXT.format(
        folds=facts["folds"], points=100 * facts["close_behind"], left_out="; ".join(left_out) or "none here"
    )
    sizes = [f"{name}: {len(table['candidates'])} candidates" for name, table in columns.items()]
    singles = [f"{table['references'][evaluation.BEST_SINGLE]['accuracy'][0]:.1f}" for table in columns.values()]
    rows = [["best single, accuracy in %", *singles]]
    for name in dict.fromkeys(rival for table in columns.values() for rival in table["rivals"]):
        found = [table["rivals"].get(name) for table in columns.values()]
        rows.append([name, *(markdown.gain(one["gain"]) if one else "" for one in found)])
    for name in (evaluation.ORACLE, evaluation.PER_CATEGORY, evaluation.RANDOM):
        rows.append([name, *(markdown.gain(table["references"][name]["gain"]) for table in columns.values())])
    return "\n".join([text, "; ".join(sizes) + ".\n", markdown.table(["gain in points", *columns], rows), ""])


if __name__ == "__main__":
    main()
