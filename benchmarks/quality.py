"""Rivals, and the part of our router that needs no training, on real results, cross-validated by question.

    python benchmarks/quality.py [--sets FOLDER ...] [--rivals NAME ...] [--folds 5]

Each (set, rival) is computed once and kept under the digest of data and code, so a run that was stopped goes on. The
tables go to `benchmarks/results/quality.json`, from which `benchmarks/results_page.py` writes `docs/results.md`.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from markdown import points
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data import splits
from modelsat.data.collection import Collection, collect
from modelsat.evaluation import table as evaluation
from modelsat.io.atomic import atomic_file, write_json
from modelsat.io.code_digest import code_digest
from modelsat.statistics import bootstrap_means, interval
from modelsat.studies import cross_validation
from modelsat.studies.cross_validation import Folds
from modelsat.text import embeddings
from modelsat.text.rendering import digest

SETS = ("mmlupro", "mmlu_helm", "zeroeval")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).resolve().parent / "results" / "quality.json"
SIMPLE, TWO_STACK, SEEDS = "stack", "two-stack", 5
KEPT = Path(__file__).resolve().parents[1] / ".bench"
_THINNING_SALT = "modelsat-thinned-1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--rivals", nargs="+", default=[rivals.OURS, rivals.MIXED, *rivals.NAMES])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--unseen", action="store_true", help="hold out whole benchmarks or categories")
    parser.add_argument("--shares", nargs="+", type=float, help="of the questions of each set, always the same ones")
    parser.add_argument("--into", type=Path, default=None)
    arguments = parser.parse_args()
    began = time.monotonic()
    tables, correct = {}, {}
    shares = arguments.shares or [1.0] * len(arguments.sets)
    for source, share in zip(arguments.sets, shares, strict=True):
        name = Path(source).name
        collection = thinned(collect([source]), share)
        folds = cross_validation.build(collection, arguments.folds, arguments.unseen)
        vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
        scores = {rival: scored(name, collection, folds, vectors, rival) for rival in arguments.rivals}
        table = evaluation.evaluate(folds.arena, scores)
        tables[name] = as_json(table, folds)
        for row, values in table.correct.items():
            correct.setdefault(row, []).append(values)
        print(as_text(name, tables[name]))
    together = pooled({row: np.concatenate(parts) for row, parts in correct.items()})
    into = arguments.into or (RESULTS.with_name("unseen.json") if arguments.unseen else RESULTS)
    write_json(into, {"folds": arguments.folds, "sets": tables, **together})
    print(f"wrote {into} after {time.monotonic() - began:.0f} s")


def thinned(collection: Collection, share: float) -> Collection:
    """Return a collection with about a share of its questions, in (0, 1]; copies of a question stay together."""
    if share >= 1:
        return collection
    kept = splits.buckets(collection.prompts["stem_digest"].to_pylist(), _THINNING_SALT) < share
    return replace(collection, prompts=collection.prompts.filter(pa.array(kept)))


def scored(name: str, collection: Collection, folds: Folds, vectors: np.ndarray, rival: str) -> np.ndarray:
    """Return the held-out scores of one rival, computed or kept."""
    fit = rivals.named(rival)
    priced = digest(str(folds.arena.cost.tolist()))
    key = digest("\x00".join([code(fit), collection.digest(), priced, str(folds.fold.tolist())]))
    path = KEPT / "scores" / f"{name}-{rival}-{key[:16]}.npy"
    if path.is_file():
        return np.load(path, allow_pickle=False)
    began = time.monotonic()
    # Problems this small are faster on one thread, several times so where another process is busy.
    with threadpool_limits(1):
        found = cross_validation.held_out_scores(folds, vectors, fit).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as beside, beside.open("wb") as file:
        np.save(file, found, allow_pickle=False)
    print(f"{name}: {rival} {time.monotonic() - began:.0f} s", flush=True)
    return found


def code(fit: rivals.PromptFit) -> str:
    """Return the digest of a rival, of everything that it depends on, and of what cross-validates it."""
    return code_digest([fit.__module__, cross_validation.__name__, embeddings.__name__])


def as_json(table: evaluation.Evaluation, folds: Folds) -> dict:
    """Return a table with its size, accuracies and gains in points."""
    return {
        "prompts": table.prompts,
        "candidates": table.pool,
        "lines": [
            {
                "name": line.name,
                "reference": line.is_reference,
                "accuracy": points(line.accuracy),
                "gain": points(line.gain),
                "auc": table.auc.get(line.name),
            }
            for line in table.lines
        ],
        "digest": digest("".join(folds.arena.prompt_ids)),
    }


def pooled(correct: dict[str, np.ndarray]) -> dict:
    """Return gains over all sets together: over best single, over the strongest simple router, and by other seeds."""
    rows = list(correct)
    table = np.column_stack([correct[row] for row in rows])
    by_seed = [gains(table, rows, rows.index(evaluation.BEST_SINGLE), seed) for seed in range(SEEDS)]
    moved = [abs(by_seed[0][row][i] - other[row][i]) for other in by_seed[1:] for row in rows for i in (1, 2)]
    found = {"pooled": by_seed[0], "seeds": SEEDS, "bounds_move": round(max(moved), 2)}
    for key, reference in (("over_simple", SIMPLE), ("over_two_stack", TWO_STACK)):
        if reference in rows:
            found[key] = gains(table, rows, rows.index(reference), 0)
    return found


def gains(table: np.ndarray, rows: list[str], reference: int, seed: int) -> dict[str, list[float]]:
    """Return the paired gain of every column of (prompts, rows) over one of them, in points."""
    paired = table - table[:, [reference]]
    means = bootstrap_means(paired, seed=seed)
    return {row: points(interval(paired[:, i].mean(), means[:, i])) for i, row in enumerate(rows)}


def as_text(name: str, table: dict) -> str:
    """Return a table for the terminal."""
    rows = [f"\n{name}: {table['prompts']:,} prompts, {table['candidates']} candidates"]
    rows += [
        f"  {line['name']:<32} {line['accuracy'][0]:5.1f} %   {line['gain'][0]:+5.2f} "
        f"({line['gain'][1]:+.2f} to {line['gain'][2]:+.2f})"
        for line in table["lines"]
    ]
    return "\n".join(rows)


def line(what: str):
    """Return a progress line for the terminal."""

    def show(done: int, total: int) -> None:
        if done == total or done % 1024 == 0:
            print(f"{what} {done:,}/{total:,}", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    main()
