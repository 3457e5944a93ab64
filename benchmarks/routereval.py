"""Rivals in RouterEval's pools: mu_o, V_R, V_B and E_p beside oracle, r_o(0.5), random and best single.

    python benchmarks/routereval.py FOLDER [--rivals NAME ...] [--minilm]
    python benchmarks/routereval.py --mirror [SET ...] [--rivals NAME ...]

FOLDER holds RouterEval's `*_router_dataset.pkl`; prompts are read as its RoBERTa vectors, or as ours with `--minilm`,
and their tasks are clusters of the vectors, as the files name no sub-tasks. `--mirror` builds such pools from sets of
per-prompt results. Every figure is a mean over the pools of a size. What was fitted is kept, so a run that was stopped
goes on; the tables go to `benchmarks/results/routereval.json`.
"""

import argparse
import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import markdown
import numpy as np
from quality import DATA, KEPT, RESULTS, SETS, code
from routereval_page import METRICS, SINGLE, as_text, mean
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data import splits
from modelsat.data.collection import collect
from modelsat.data.readers import routereval_pools
from modelsat.errors import InputError
from modelsat.io.atomic import atomic_file, write_json
from modelsat.policy import choice as policy
from modelsat.rivals.clusters import cluster, nearest
from modelsat.rivals.rival import Labelled
from modelsat.studies import cross_validation, routereval, strength_pools
from modelsat.text import embeddings
from modelsat.text.rendering import digest

# Avengers-Pro routes by prices, which RouterEval has none of.
RIVALS = (rivals.OURS, *(name for name in rivals.NAMES if name not in ("avengers-pro", *rivals.READ_TEXTS)))
MIRRORED_SIZES = (3, 5, 10)
MIRRORED = {"mmlupro": "mmlu_pro", "mmlu_helm": "mmlu"}
CLUSTERS = 20
ORACLE, HALF, RANDOM, SINGLE_ON_TEST = "oracle", "r_o(0.5)", "random", "best single on test prompts"


@dataclass(frozen=True)
class Pool:
    """Candidates of a data set with their prompts in three splits."""

    size: int
    kind: str
    train: Labelled
    validation: Labelled
    test: Labelled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--mirror", nargs="*", metavar="SET", help="folders of per-prompt results; ours by default")
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--minilm", action="store_true")
    parser.add_argument("--into", type=Path, default=RESULTS.with_name("routereval.json"))
    arguments = parser.parse_args()
    if (arguments.folder is None) == (arguments.mirror is None):
        parser.error("name a folder with RouterEval's files, or --mirror")
    if arguments.folder:
        sources = files(arguments.folder)
    else:
        sources = [Path(source) for source in arguments.mirror or [str(DATA / name) for name in SETS]]
    tables, gains = {}, defaultdict(list)
    for source in sources:
        name, benchmark, pools = of_file(source, arguments.minilm) if arguments.folder else of_set(source)
        tables[name], found = measured(name, benchmark, pools, arguments.rivals)
        for key, values in found.items():
            gains[key].append(values)
        print(as_text(name, tables[name]), flush=True)
    pooled = {f"{line} {size}": markdown.mean_points(np.concatenate(parts)) for (size, line), parts in gains.items()}
    vectors = "mean RoBERTa states, as published" if arguments.folder and not arguments.minilm else "MiniLM"
    facts = {"mirror": not arguments.folder, "vectors": vectors, "sets": tables, "pooled": pooled}
    write_json(arguments.into, facts)
    print(f"wrote {arguments.into}")


def files(folder: Path) -> list[Path]:
    """Return the files of RouterEval below a folder."""
    found = sorted(path for path in folder.rglob("*.pkl") if routereval_pools.FILE.fullmatch(path.name))
    if not found:
        raise SystemExit(
            f"{str(folder)!r} holds none of RouterEval's *_router_dataset.pkl; name the folder router_dataset of its "
            "release, or measure the same on our sets with --mirror"
        )
    return found


def of_file(path: Path, minilm: bool) -> tuple[str, str, Iterator[Pool]]:
    """Return name, benchmark and pools of a file; outcomes have no cost."""
    dataset = routereval_pools.read(path)
    prompts = dataset.prompts
    if minilm:
        vectors = {split: embeddings.vectors(part.texts, KEPT / "vectors") for split, part in prompts.items()}
    else:
        vectors = {split: unit(part.vectors) for split, part in prompts.items()}
    last = {split: found[:, -1] if found.ndim == 3 else found for split, found in vectors.items()}
    centroids, _ = cluster(last[splits.TRAIN], CLUSTERS, seed=0)
    tasks = {split: nearest(found, centroids).astype(str) for split, found in last.items()}

    def pools() -> Iterator[Pool]:
        for pool in dataset.pools:
            parts = []
            for split in (splits.TRAIN, splits.VALIDATION, splits.TEST):
                scores = pool.scores[split]
                if np.isnan(scores).any():
                    raise InputError(
                        f"{str(path)!r} lacks scores in {pool.kind!r} of {len(pool.candidates)} candidates; "
                        "copy it again from its source"
                    )
                parts.append(Labelled(vectors[split], scores, tasks[split], np.full(scores.shape, np.nan)))
            yield Pool(len(pool.candidates), pool.kind, *parts)

    return dataset.name, dataset.name, pools()


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def of_set(source: Path) -> tuple[str, str, Iterator[Pool]]:
    """Return name, RouterEval's benchmark of the same questions, and pools of a set of ours."""
    collection = collect([str(source)])
    arena = cross_validation.build(collection).arena
    vectors = embeddings.vectors(arena.texts, KEPT / "vectors")
    everything = Labelled(vectors, arena.truth, arena.labels, arena.cost)
    stem_of = dict(zip(*(collection.prompts[name].to_pylist() for name in ("prompt_id", "stem_digest")), strict=True))
    bucket = splits.buckets([stem_of[prompt_id] for prompt_id in arena.prompt_ids], "modelsat-routereval-1")
    bounds = ((0.0, 0.8), (0.8, 0.9), (0.9, 1.0))
    parts = [everything.take((bucket >= low) & (bucket < high)) for low, high in bounds]

    def pools() -> Iterator[Pool]:
        for size in MIRRORED_SIZES:
            for kind, columns in strength_pools.build(parts[0].outcomes, size).items():
                kept = list(columns)
                yield Pool(
                    size,
                    kind,
                    *(Labelled(one.vectors, one.outcomes[:, kept], one.tasks, one.cost[:, kept]) for one in parts),
                )

    return source.name, MIRRORED.get(source.name, ""), pools()


def measured(name: str, benchmark: str, pools: Iterator[Pool], names: list[str]) -> tuple[dict, dict]:
    """Return the table of a data set, and the gains per test prompt by (size, line); both are means over pools."""
    found: dict[tuple[int, str], list[dict]] = defaultdict(list)
    gains: dict[tuple[int, str], list[np.ndarray]] = defaultdict(list)
    counts = {}
    for pool in pools:
        counts = {"train": len(pool.train.outcomes), "test": len(pool.test.outcomes)}
        began = time.monotonic()
        for line, metrics, gain in in_pool(pool, benchmark, names):
            found[pool.size, line].append(metrics)
            gains[pool.size, line].append(gain)
        print(f"{name}: {pool.kind} of {pool.size}, {time.monotonic() - began:.0f} s", flush=True)
    over_pools = {key: np.mean(parts, axis=0) for key, parts in gains.items()}
    sizes: dict[str, list[dict]] = defaultdict(list)
    for (size, line), pooled in found.items():
        means = {metric: mean([one[metric] for one in pooled]) for metric in METRICS}
        reference = line not in names
        sizes[str(size)].append(
            {"name": line, "reference": reference, **means, "gain": markdown.mean_points(over_pools[size, line])}
        )
    return {"prompts": counts, "benchmark": benchmark, "sizes": sizes}, over_pools


def in_pool(pool: Pool, benchmark: str, names: list[str]) -> Iterator[tuple[str, dict, np.ndarray]]:
    """Yield name, metrics and gains per test prompt of every line."""
    truth = pool.test.outcomes.astype(np.float64)
    level = pool.train.outcomes.mean(axis=0, dtype=np.float64)
    single = truth[:, level.argmax()]
    choices, preferred = {}, {}
    for name in names:
        scores = utilities(name, pool)
        choices[name] = routereval.chosen(policy.choose(scores, mean_score=level), pool.size)
        preferred[name] = routereval.softmax(scores)
    choices[ORACLE], preferred[ORACLE] = routereval.oracle(truth), routereval.shared(truth)
    choices[HALF], choices[RANDOM] = routereval.oracle(truth, 0.5), routereval.oracle(truth, 0.0)
    for name, by in ((SINGLE_ON_TEST, truth.mean(axis=0)), (SINGLE, level)):
        choices[name] = routereval.chosen(np.full(len(truth), by.argmax()), pool.size)
    for name, choice in choices.items():
        mu = routereval.mean_score(truth, choice)
        metrics = {
            "mu": mu,
            "v_r": routereval.to_reference(mu, benchmark),
            "v_b": routereval.to_best_single(mu, truth, truth),
            "v_b_train": routereval.to_best_single(mu, truth, pool.train.outcomes),
            "e_p": routereval.entropy(preferred.get(name, choice)),
        }
        yield name, metrics, (truth * choice).sum(axis=1) - single


def utilities(name: str, pool: Pool) -> np.ndarray:
    """Return a rival's scores of the test prompts, computed or kept."""
    fit = rivals.named(name)
    parts = [value for part in (pool.train, pool.validation) for value in vars(part).values() if value is not None]
    seen = (hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest() for value in [*parts, pool.test.vectors])
    path = KEPT / "scores" / f"routereval-{name}-{digest(chr(0).join([*code(fit), *seen]))[:16]}.npy"
    if path.is_file():
        return np.load(path, allow_pickle=False)
    with threadpool_limits(1):
        found = fit(pool.train, pool.validation)(pool.test.vectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as beside, beside.open("wb") as file:
        np.save(file, found, allow_pickle=False)
    return found


if __name__ == "__main__":
    main()
