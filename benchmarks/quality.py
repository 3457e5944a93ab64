"""Rivals on real benchmark results, cross-validated by question.

    python benchmarks/quality.py [--sets FOLDER ...] [--rivals NAME ...] [--folds 5]

Each (set, rival) is computed once and kept under the digest of data and code, so a run that was stopped goes on. The
tables go to `benchmarks/results/quality.json`, from which `benchmarks/results_page.py` writes `docs/results.md`.
"""

import argparse
import inspect
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
from markdown import mean_points, points
from threadpoolctl import threadpool_limits

from modelsat import cross_validation, embeddings, evaluation, rivals, spending
from modelsat.atomic import atomic_file, write_json
from modelsat.collection import Collection, collect
from modelsat.cross_validation import Folds
from modelsat.rendering import digest
from modelsat.statistics import bootstrap_means, interval

SETS = ("mmlupro", "mmlu_helm", "zeroeval")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).resolve().parent / "results" / "quality.json"
KEPT = Path(__file__).resolve().parents[1] / ".bench"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--rivals", nargs="+", default=list(rivals.NAMES))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--unseen", action="store_true", help="hold out whole benchmarks or categories")
    parser.add_argument("--into", type=Path, default=None)
    arguments = parser.parse_args()
    began = time.monotonic()
    tables, gains = {}, {}
    for source in arguments.sets:
        name = Path(source).name
        collection = collect([source])
        folds = cross_validation.build(collection, arguments.folds, arguments.unseen)
        vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
        scores = {rival: scored(name, collection, folds, vectors, rival) for rival in arguments.rivals}
        table = evaluation.evaluate(folds.arena, scores)
        tables[name] = as_json(table, folds) | {"match": {rival: match(folds, scores[rival]) for rival in scores}}
        best = table.correct[evaluation.BEST_SINGLE]
        for row, correct in table.correct.items():
            gains.setdefault(row, []).append(correct - best)
        print(as_text(name, tables[name]))
    pooled = {
        row: mean_points(np.concatenate(parts)) for row, parts in gains.items() if len(parts) == len(arguments.sets)
    }
    into = arguments.into or (RESULTS.with_name("unseen.json") if arguments.unseen else RESULTS)
    write_json(into, {"folds": arguments.folds, "sets": tables, "pooled": pooled})
    print(f"wrote {into} after {time.monotonic() - began:.0f} s")


def scored(name: str, collection: Collection, folds: Folds, vectors: np.ndarray, rival: str) -> np.ndarray:
    """Return the held-out scores of one rival, computed or kept."""
    fit = rivals.named(rival)
    key = digest("\x00".join([*code(fit), collection.digest(), str(folds.fold.tolist())]))
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


def code(fit: object) -> list[str]:
    """Return the source of a rival and of everything of ours that it imports."""
    seen: dict[str, str] = {}

    def add(module: str) -> None:
        if module in seen or not module.startswith("modelsat.r"):
            return
        loaded = import_module(module)
        seen[module] = inspect.getsource(loaded)
        for value in vars(loaded).values():
            add(value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None) or "")

    add(inspect.getmodule(fit).__name__)
    ours = (cross_validation, embeddings)
    return [seen[module] for module in sorted(seen)] + [inspect.getsource(module) for module in ours]


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


def match(folds: Folds, scores: np.ndarray) -> dict | None:
    """Return what matching the best single costs, in USD per 1,000 prompts and as a share, and the gain left over."""
    found = spending.cost_to_match(folds, scores)
    if found is None:
        return None
    means = bootstrap_means(np.column_stack([found.cost, found.single_cost, found.gain]))
    share = interval(found.cost.mean() / found.single_cost.mean(), means[:, 0] / means[:, 1])
    return {
        "usd": round(1000 * float(found.cost.mean()), 4),
        "single_usd": round(1000 * float(found.single_cost.mean()), 4),
        "share": points(share),
        "gain": points(interval(found.gain.mean(), means[:, 2])),
    }


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
