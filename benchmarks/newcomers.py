"""Newcomers in strength-matched pools: what a released candidate adds when K of its outcomes are known.

    python benchmarks/newcomers.py [--sets FOLDER ...] [--rivals NAME ...] [--draws 2] [--share 1.0]

Every candidate is left out in turn, routers are fitted to all others; its pool are its four nearest in mean accuracy
within 8 points. Shown is the gain over the same pool without it, and its share of the gain with all labels, over the
pools in which that gain is more than 0.7 points. One fold of the cross-validation of `quality.py` is held out. The
tables go to `benchmarks/results/newcomers.json`; what is there already, by the same settings and code, is not
measured again.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from markdown import mean_points
from quality import DATA, KEPT, RESULTS, SETS, thinned
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.studies import cross_validation, newcomers
from modelsat.text import embeddings

COUNTS = (0, 20, 64, 250, 1000)
ALL = 10**9
WORTHWHILE = 0.007
RIVALS = (rivals.OURS, rivals.MIXED, "knn", "ridge", "saverouter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="of the questions of every set, as of quality.py")
    parser.add_argument("--into", type=Path, default=RESULTS.with_name("newcomers.json"))
    arguments = parser.parse_args()
    kept = resumed(arguments.into, {"draws": arguments.draws, "counts": list(COUNTS)})
    for source in arguments.sets:
        name = Path(source).name
        folds = cross_validation.build(thinned(collect([source]), arguments.share))
        vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors")
        everything = cross_validation.labelled(folds, vectors)
        parts = folds.train(0), folds.validation(0), np.flatnonzero(folds.fold == 0)
        train, validation, test = (everything.take(rows) for rows in parts)
        pools = list(newcomers.matched_pools(train.outcomes.mean(axis=0)))
        table = kept.setdefault("sets", {}).setdefault(name, {"rivals": {}})
        table |= {"pools": len(pools), "prompts": len(parts[2])}
        for rival in arguments.rivals:
            fit, began = rivals.named(rival), time.monotonic()
            code = fingerprint(fit, cross_validation, newcomers)
            if table["rivals"].get(rival, {}).get("code") == code:
                continue
            with threadpool_limits(1):
                found = measured(newcomers.Trial(fit, train, validation, test), pools, arguments.draws)
            table["rivals"][rival] = found | {"code": code}
            write_json(arguments.into, kept)
            print(f"{name} {rival}: {found} ({time.monotonic() - began:.0f} s)", flush=True)


def measured(trial: newcomers.Trial, pools: list[newcomers.NewcomerPool], draws: int) -> dict:
    """Return gain and share by K, over the pools where all labels gain more than 0.7 points."""
    told = [gained(trial, pool, draws) for pool in pools]
    full = [by_count[ALL] for by_count in told]
    chosen = [i for i, gains in enumerate(full) if gains.mean() > WORTHWHILE]
    others = [i for i in range(len(pools)) if i not in chosen]
    found = {"worthwhile": len(chosen), "all": over(full, chosen)}
    for count in COUNTS:
        gains = [by_count[count] for by_count in told]
        whole = sum(full[i].mean() for i in chosen)
        share = sum(gains[i].mean() for i in chosen) / whole if whole else 0.0
        elsewhere = [gains[i].mean() for i in others]
        found[str(count)] = {
            "gain": over(gains, chosen),
            "share": round(float(share), 3),
            "elsewhere": round(100 * float(np.mean(elsewhere)), 2) if elsewhere else 0.0,
            "worst elsewhere": round(100 * float(min(elsewhere, default=0.0)), 2),
        }
    return found


def gained(trial: newcomers.Trial, pool: newcomers.NewcomerPool, draws: int) -> dict[int, np.ndarray]:
    """Return the gains (test,) over the pool without its newcomer by K; all K below `ALL` share a zoo."""
    alone, found = trial.without(pool), {}
    for count in (*COUNTS, ALL):
        seeds = range(draws if 0 < count < ALL else 1)
        found[count] = np.mean([trial.beside(pool, count, seed) for seed in seeds], axis=0) - alone
    return found


def over(gains: list[np.ndarray], chosen: list[int]) -> list[float]:
    """Return the mean gain over pools in points with its interval; test prompts are what is resampled."""
    return mean_points(np.mean([gains[i] for i in chosen], axis=0)) if chosen else [0.0, 0.0, 0.0]


if __name__ == "__main__":
    main()
