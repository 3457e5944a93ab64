"""A thousand candidates: does choosing among many fall below the best single one? The winner's curse, measured.

    python benchmarks/many_candidates.py [--rivals NAME ...] [--pools 10] [--seconds 300]

Pools of 10, 100 and 1,000 candidates are simulated from averages of real models (`modelsat.studies.simulated_pools`);
prompts, their vectors and subjects are those of mmlu_helm. Outcomes of training prompts are coins, the score of a
choice is the true success probability. The table goes to `benchmarks/results/many_candidates.json`; what is there
already, with the same settings and code, is not measured again.
"""

import argparse
import time
from pathlib import Path

import markdown
import numpy as np
import pyarrow.csv
from markdown import mean_points
from quality import DATA, KEPT, RESULTS
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.rivals.rival import Labelled, Scorer, on_last_layer
from modelsat.studies import cross_validation, simulated_pools
from modelsat.studies.simulated_pools import SimulatedPool
from modelsat.text import embeddings

INTO = RESULTS.with_name("many_candidates.json")
SIZES = (10, 100, 1000)
TRAIN, VALIDATION, TEST = 1000, 200, 2000
PUBLISHED = "knn-5 as published"
RIVALS = (PUBLISHED, "knn", "ridge", "task-classifier", "stack", "avengers", "saverouter", "uniroute")
RANKS = ("avengers", "avengers-pro")
SINGLE, TRUE_SINGLE, ORACLE, RANDOM = "best single", "true best single", "oracle by subject", "random"

TEXT = """
## A thousand candidates

Simulated pools. The level of a candidate is the MMLU average of one of {levels:,} real models (Open LLM Leaderboard,
no better than the best model with a known profile). Its profile over the 57 subjects is a mixture of two of the ten
nearest of {shapes} real models. Each of {train:,} training prompts of mmlu_helm (and {validation} for
hyper-parameters) has one random outcome per candidate; a choice on {test:,} other prompts scores its true success
probability, so the result has no label noise. There are {pools} pools per size, and intervals are over pools. Best
single is chosen on the training outcomes. A prompt reveals nothing but its subject, so the oracle by subject is all
there is to win. The second table shows the winner's curse: what the router expected of its choices minus what they
achieved (ranks expect nothing).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--pools", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=300, help="no further pool for a rival after this time a size")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    folds = cross_validation.build(collect([str(DATA / "mmlu_helm")]))
    vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors")
    subjects, subject_of = np.unique(folds.arena.labels, return_inverse=True)
    real, levels = averages([subject.split("/")[1] for subject in subjects])
    settings = {
        "pools": arguments.pools,
        "prompts": [TRAIN, VALIDATION, TEST],
        "shapes": len(real),
        "levels": len(levels),
    }
    kept = resumed(arguments.into, settings)
    for size in SIZES:
        pools = [drawn((real, levels), vectors, subject_of, size, seed) for seed in range(arguments.pools)]
        table = kept.setdefault("sizes", {}).setdefault(str(size), {"rivals": {}})
        table["references"] = references(pools)
        for rival in arguments.rivals:
            fit, began = published if rival == PUBLISHED else rivals.named(rival), time.monotonic()
            code = fingerprint(fit, simulated_pools)
            if table["rivals"].get(rival, {}).get("code") == code:
                continue
            rows: list[tuple[float, float]] = []
            for pool in pools:
                if time.monotonic() - began < arguments.seconds:
                    with threadpool_limits(1):
                        rows.append(pool.routed(fit))
            found = summary(np.asarray(rows), pools, promises=rival not in RANKS)
            table["rivals"][rival] = found | {"code": code}
            write_json(arguments.into, kept)
            print(f"{size:,} candidates {rival}: {found} ({time.monotonic() - began:.0f} s)", flush=True)
    write_json(arguments.into, kept)
    print(section(kept))


def averages(subjects: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracies of real models by subject (models, subjects), and overall accuracies of many more."""
    folder = DATA / "model_aggregates"
    by_subject = pyarrow.csv.read_csv(folder / "mmlu57_bbh_math.csv.gz")
    columns = [by_subject[f"mmlu_{subject}"].to_numpy(zero_copy_only=False) for subject in subjects]
    real = np.column_stack(columns).astype(np.float64)
    levels = pyarrow.csv.read_csv(folder / "leaderboard_v1.csv.gz")["MMLU"].to_numpy(zero_copy_only=False) / 100
    return real[~np.isnan(real).any(axis=1)], levels[~np.isnan(levels)]


def drawn(profiles_from: tuple, vectors: np.ndarray, subject_of: np.ndarray, size: int, seed: int) -> SimulatedPool:
    rng = np.random.default_rng([size, seed])
    profiles = simulated_pools.draw_profiles(*profiles_from, size, rng)
    return simulated_pools.draw_pool(profiles, vectors, subject_of, (TRAIN, VALIDATION, TEST), rng)


@on_last_layer
def published(train: Labelled, validation: Labelled) -> Scorer:  # noqa: ARG001
    """Fit kNN as RouterEval does: five neighbours, no shrinkage, ties by the order of columns (Huang et al., 2025)."""

    def score(vectors: np.ndarray) -> np.ndarray:
        near = np.argpartition(-vectors @ train.vectors.T, 4, axis=1)[:, :5]
        # A step of a fifth is the smallest difference of two means; the order stays far below it.
        return train.right[near].mean(axis=1) - 1e-6 * np.arange(train.outcomes.shape[1])

    return score


def references(pools: list[SimulatedPool]) -> dict:
    """Return accuracies in percent, gains over the best single in points, and the best single's broken promise."""
    single = np.asarray([single_success(pool) for pool in pools])
    truth = {
        TRUE_SINGLE: np.asarray([pool.success.mean(axis=0).max() for pool in pools]),
        ORACLE: np.asarray([pool.success.max(axis=1).mean() for pool in pools]),
        RANDOM: np.asarray([pool.success.mean() for pool in pools]),
    }
    promised = np.asarray([pool.level[pool.single] for pool in pools])
    lines = {SINGLE: {"accuracy": round(100 * float(single.mean()), 2), "curse": mean_points(promised - single)}}
    return lines | {
        name: {"accuracy": round(100 * float(found.mean()), 2), "gain": mean_points(found - single)}
        for name, found in truth.items()
    }


def single_success(pool: SimulatedPool) -> float:
    """Return what the best single candidate comes to."""
    return float(pool.success[:, pool.single].mean())


def summary(rows: np.ndarray, pools: list[SimulatedPool], promises: bool) -> dict:
    """Return a rival's line from what its choices came to and what it promised, (pools, 2)."""
    gains = rows[:, 0] - [single_success(pool) for pool in pools[: len(rows)]]
    return {
        "pools": len(rows),
        "accuracy": round(100 * float(rows[:, 0].mean()), 2),
        "gain": mean_points(gains),
        "below": int((gains < 0).sum()),
        "curse": mean_points(rows[:, 1] - rows[:, 0]) if promises else None,
    }


def section(facts: dict) -> str:
    """Return the part of the results page: gains, broken promises, and who falls below the best single."""
    train, validation, test = facts["prompts"]
    sizes = {f"{int(size):,}": table for size, table in facts["sizes"].items()}
    text = TEXT.format(**{**facts, "train": train, "validation": validation, "test": test})
    rows = [["best single, accuracy in %", *(f"{one['references'][SINGLE]['accuracy']:.1f}" for one in sizes.values())]]
    names = list(dict.fromkeys(rival for table in sizes.values() for rival in table["rivals"]))
    for name in names:
        found = [table["rivals"].get(name) for table in sizes.values()]
        cells = (f"{markdown.gain(one['gain'])}, {one['below']} of {one['pools']}" if one else "" for one in found)
        rows.append([name, *cells])
    for name in (TRUE_SINGLE, ORACLE, RANDOM):
        rows.append([name, *(markdown.gain(table["references"][name]["gain"]) for table in sizes.values())])
    curses = [[SINGLE, *(markdown.gain(table["references"][SINGLE]["curse"]) for table in sizes.values())]]
    for name in names:
        found = [table["rivals"].get(name) for table in sizes.values()]
        if all(one and one["curse"] for one in found):
            curses.append([name, *(markdown.gain(one["curse"]) for one in found)])
    falls = {
        size: [name for name, one in table["rivals"].items() if one["gain"][2] < 0] for size, table in sizes.items()
    }
    said = [f"{', '.join(names) or 'nobody'} among {size} candidates" for size, names in falls.items()]
    return "\n".join(
        [
            text,
            markdown.table(
                ["gain in points, pools in which choosing is worse", *(f"{size} candidates" for size in sizes)], rows
            ),
            f"\nBelow the best single, with an interval that does not hold 0: {'; '.join(said)}.\n",
            markdown.table(["expected minus realised, in points", *(f"{size} candidates" for size in sizes)], curses),
            "",
        ]
    )


if __name__ == "__main__":
    main()
