"""The release stream: models appear in order of release, and the router is never retrained (the paper's Figure 5).

    python benchmarks/release_stream.py [--sets FOLDER ...] [--rivals NAME ...] [--draws 2] [--drawn saverouter]

The earlier half of a set's candidates is known by all outcomes, each later one by K training prompts for good; at each
release the pool are the five best so far and the newest. One fold of the cross-validation of `quality.py` is held out.
The table goes to `benchmarks/results/release_stream.json`, the curves of one rival to `docs/img/`; what is there
already, with the same settings and code, is not measured again.
"""

import argparse
import time
from pathlib import Path

import markdown
import numpy as np
from markdown import mean_points
from quality import DATA, KEPT, RESULTS, SETS
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.io.atomic import write_json, write_text
from modelsat.reports import figures
from modelsat.rivals.rival import Labelled
from modelsat.studies import cross_validation, newcomers, release_stream
from modelsat.studies.release_stream import Frozen, StreamedRelease
from modelsat.text import embeddings

INTO = RESULTS.with_name("release_stream.json")
IMAGES = Path(__file__).resolve().parents[1] / "docs" / "img"
COUNTS = (0, 20, 64, 250, 1000)
DRAWN_COUNT = 250
LEAST_DRAWN = 5
RIVALS = (rivals.OURS, "knn", "ridge", "task-classifier", "saverouter", "uniroute")

TEXT = """
## The release stream

The paper's Figure 5 on our sets: candidates arrive in order of release, and the pool at each release is the five best
so far (by training mean) and the newest. The router is fitted to the earlier half and never again. Later candidates
are known only by K training prompts ({draws} draws, the same prompts for all). Rivals that look up neighbours get
these outcomes in their table; rivals with one head per candidate fit that head to them, as their method prescribes.
Figures are means over the releases after the cut, with one of five folds held out. A gain is over "best so far", the
single candidate of the pool that looks best by the same outcomes. The second line compares with the best so far by
all outcomes, which nobody knows without measuring them, and says at how many releases the router is below it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--drawn", default="saverouter", help="rival whose curves are drawn")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    kept = resumed(arguments.into, {"draws": arguments.draws, "counts": list(COUNTS)})
    for source in arguments.sets:
        name, collection = Path(source).name, collect([source])
        folds = cross_validation.build(collection)
        arena = folds.arena
        day_of = dict(
            zip(*(collection.candidates[column].to_pylist() for column in ("candidate", "released_at")), strict=True)
        )
        order = release_stream.by_release(arena.candidates, [day_of[candidate] for candidate in arena.candidates])
        vectors = embeddings.vectors(arena.texts, KEPT / "vectors")
        everything = Labelled(vectors, arena.truth, arena.labels, arena.cost)
        parts = folds.train(0), folds.validation(0), np.flatnonzero(folds.fold == 0)
        train, validation, test = (everything.take(rows) for rows in parts)
        releases = list(release_stream.stream(order, train.outcomes.mean(axis=0)))
        table = kept.setdefault("sets", {}).setdefault(name, {"rivals": {}})
        table.update(described(releases, arena.candidates, day_of, test))
        for rival in arguments.rivals:
            fit, began = rivals.named(rival), time.monotonic()
            code = fingerprint(fit, cross_validation, newcomers, release_stream)
            if table["rivals"].get(rival, {}).get("code") == code:
                continue
            frozen = Frozen(fit, release_stream.before_cut(order), train, validation, test)
            with threadpool_limits(1):
                found, table["singles"] = measured(frozen, releases, arguments.draws)
            table["rivals"][rival] = found | {"code": code}
            write_json(arguments.into, kept)
            print(f"{name} {rival}: {found['gain']} ({time.monotonic() - began:.0f} s)", flush=True)
    write_json(arguments.into, kept)
    for path in draw(kept, arguments.drawn):
        print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB)")
    print(section(kept))


def described(releases: list[StreamedRelease], candidates: tuple[str, ...], day_of: dict, test: Labelled) -> dict:
    """Return the stream and the lines that need no router, in percent by release."""
    pools = [test.outcomes[:, list(release.pool)] for release in releases]
    newest = [candidates[release.newest] for release in releases]
    return {
        "prompts": len(test.outcomes),
        "old": len(releases[0].before),
        "releases": [[name, day_of[name].isoformat()] for name in newest],
        "random": [percent(pool.mean()) for pool in pools],
        "oracle": [percent(pool.max(axis=1).mean()) for pool in pools],
    }


def measured(frozen: Frozen, releases: list[StreamedRelease], draws: int) -> tuple[dict, dict]:
    """Return a rival's accuracies by release and its gains, by number of known outcomes; and those of best so far."""
    chosen = {
        str(count): [[frozen.at(release, count, seed) for release in releases] for seed in range(draws if count else 1)]
        for count in COUNTS
    }
    chosen["all"] = [[frozen.retrained(release) for release in releases]]
    router = {known: mean_of([[one.router for one in run] for run in runs]) for known, runs in chosen.items()}
    single = {known: mean_of([[one.single for one in run] for run in runs]) for known, runs in chosen.items()}
    found = {
        "accuracy": {known: [percent(value) for value in by.mean(axis=1)] for known, by in router.items()},
        "gain": {known: mean_points((router[known] - single[known]).mean(axis=0)) for known in router},
        "over all": {known: mean_points((router[known] - single["all"]).mean(axis=0)) for known in router},
        "below": {known: int((router[known].mean(axis=1) < single["all"].mean(axis=1)).sum()) for known in router},
    }
    return found, {known: [percent(value) for value in by.mean(axis=1)] for known, by in single.items()}


def mean_of(runs: list[list[np.ndarray]]) -> np.ndarray:
    """Average over draws; (releases, prompts)."""
    return np.mean(np.asarray(runs, dtype=np.float64), axis=0)


def percent(value: float) -> float:
    return round(100 * float(value), 2)


def draw(facts: dict, rival: str) -> list[Path]:
    """Draw the curves of one rival, one figure per set of five releases or more."""
    paths = []
    for name, table in facts["sets"].items():
        if rival not in table["rivals"] or len(table["releases"]) < LEAST_DRAWN:
            continue
        accuracy, x = table["rivals"][rival]["accuracy"], list(range(1, len(table["releases"]) + 1))
        curves = {
            f"{rival}, later ones known by {DRAWN_COUNT} prompts": (x, accuracy[str(DRAWN_COUNT)]),
            f"{rival}, retrained at each release": (x, accuracy["all"]),
            "best so far, by all outcomes": (x, table["singles"]["all"]),
            "random": (x, table["random"]),
        }
        paths.append(IMAGES / f"release_stream_{name}.svg")
        IMAGES.mkdir(parents=True, exist_ok=True)
        write_text(paths[-1], figures.lines(curves, f"release after the cut, {name}", "accuracy in %"))
    return paths


def section(facts: dict) -> str:
    """Return the part of the results page: a table per set, and the figures where they were drawn."""
    parts = [TEXT.format(draws=facts["draws"])]
    knowns = [*map(str, facts["counts"]), "all"]
    heads = [*(f"K = {count:,}" for count in facts["counts"]), "retrained, all outcomes"]
    for name, table in facts["sets"].items():
        size = len(table["releases"])
        rows = [["best so far, accuracy in %", *(f"{np.mean(table['singles'][known]):.1f}" for known in knowns)]]
        for rival, found in table["rivals"].items():
            rows.append([rival, *(markdown.gain(found["gain"][known]) for known in knowns)])
            below = (f"{markdown.gain(found['over all'][known])}, {found['below'][known]}" for known in knowns)
            rows.append([f"{rival}, against all outcomes", *below])
        said = (
            f"{name}: {table['old']} old candidates, {size} releases, {table['prompts']:,} prompts; "
            f"random {np.mean(table['random']):.1f} %, oracle {np.mean(table['oracle']):.1f} %."
        )
        parts += [said, "", markdown.table([f"{name}, gain in points", *heads], rows), ""]
        image = IMAGES / f"release_stream_{name}.svg"
        if image.is_file():
            parts += [f"![Accuracy over the releases of {name}](img/{image.name})", ""]
    return "\n".join(parts)


if __name__ == "__main__":
    main()
