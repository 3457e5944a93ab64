"""What each idea of fusion is worth: the whole, less one idea at a time.

    python benchmarks/ablations.py [--sets FOLDER ...]

On the folds of `quality.py`, by question and by kind of prompt: the paired difference from fusion as it is, in points.
For newcomers the strength-matched pools of `newcomers.py` with 64 outcomes known. The table goes to
`benchmarks/results/ablations.json`; what is there already, by the same code, is not measured again.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from markdown import gain, mean_points, table
from newcomers import ALL, WORTHWHILE
from quality import DATA, KEPT, RESULTS, SETS
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.policy import choice
from modelsat.rivals import fusion
from modelsat.rivals.rival import Fit, Labelled, Scorer, on_all_layers
from modelsat.routers.fusion import newcomer, surface
from modelsat.studies import cross_validation, newcomers
from modelsat.studies.cross_validation import Folds
from modelsat.text import embeddings

INTO = RESULTS.with_name("ablations.json")
KNOWN, DRAWS = 64, 4
WHOLE, TOLD = "fusion as it is", "told its true level"
_MOST_CANDIDATES = 64

TEXT = """
## Ablations of fusion

Fusion without one idea at a time: the paired difference from fusion as it is, in points, over {sets}. "Seen kinds"
are folds by question; in "unseen kinds", whole benchmarks or categories are held out. A bold loss shows that the idea
pays, a bold gain that it costs.
"""

PLACING = """
How a new model is placed by {known} answers ({draws} draws), in the strength-matched pools of fold 0: the share of
the gain with all labels, where that gain is more than 0.7 points; elsewhere the gain over the pool without it, mean
and worst. "Told its true level" knows what the model scores on all training prompts, which no router does: what it
lacks of 100 % is not due to the level, but to strengths that so few answers do not show.
"""


DROPPED = """
## Ideas that did not pay

Each was measured once while fusion was designed, and left out. Figures for new models are means over the pools of fold
0, with 6 draws.
"""


@contextmanager
def patched(module: object, **values: object) -> Iterator[Fit]:
    """Fit with other constants or functions than fusion has."""
    with mock.patch.multiple(module, **values):
        yield refitted
    fusion._KEPT.clear()


@contextmanager
def instead(fit: Fit) -> Iterator[Fit]:
    """Fit something else."""
    yield fit


def refitted(train: Labelled, validation: Labelled) -> Scorer:
    """Fit fusion, whatever was fitted to the same prompts before."""
    fusion._KEPT.clear()
    return fusion.fit(train, validation)


def last_layer_alone(train: Labelled, validation: Labelled) -> Scorer:
    """Read the sentence vector and no earlier layer."""
    fitted = refitted(*(replace(part, vectors=part.vectors[:, -1:]) for part in (train, validation)))
    return lambda fresh: fitted(fresh[:, -1:])


def no_kinds(train: Labelled, validation: Labelled) -> Scorer:
    """Guess at no kind of prompt."""
    return refitted(*(replace(part, tasks=np.full(len(part.tasks), "")) for part in (train, validation)))


@contextmanager
def each_for_itself() -> Iterator[Fit]:
    """Take every candidate for a direction of its own, instead of the principal ones of all of them."""
    usual = np.linalg.eigh

    def axes(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # The other matrix of which axes are taken is the landmarks', hundreds wide.
        return (np.diag(matrix), np.eye(len(matrix))) if len(matrix) <= _MOST_CANDIDATES else usual(matrix)

    with mock.patch.object(np.linalg, "eigh", axes):
        yield refitted
    fusion._KEPT.clear()


Without = Callable[[], AbstractContextManager[Fit]]
IDEAS: dict[str, Without] = {
    "the earlier layers": lambda: instead(last_layer_alone),
    "the guess at the kind": lambda: instead(no_kinds),
    "directions over candidates": each_for_itself,
    "a curved kernel": lambda: patched(surface, BANDWIDTH=0.01),
    "three of four landmarks": lambda: patched(surface, LANDMARKS=250),
    "flattening far away": lambda: patched(surface, FLATTEST=1.0),
}
PLACINGS: dict[str, dict[str, object]] = {
    WHOLE: {"CAUTION": newcomer.CAUTION},
    "no caution": {"CAUTION": 0.0},
    "twice the caution": {"CAUTION": 2.0},
    "its level alone": {"DIRECTIONS": 0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    names = [Path(source).name for source in arguments.sets]
    code = fingerprint(fusion.fit, cross_validation, newcomers)
    kept = resumed(arguments.into, {"code": code, "sets": names, "known": KNOWN, "draws": DRAWS})
    collections = [collect([source]) for source in arguments.sets]

    def measure(part: str, name: str, found: Callable[[], dict]) -> None:
        if name in kept.setdefault(part, {}):
            return
        began = time.monotonic()
        with threadpool_limits(1):
            kept[part][name] = found()
        write_json(arguments.into, kept)
        print(f"{part}, {name}: {kept[part][name]} ({time.monotonic() - began:.0f} s)", flush=True)

    for part, unseen in (("seen kinds", False), ("unseen kinds", True)):
        folds = [cross_validation.build(collection, unseen=unseen) for collection in collections]
        compared = Compared(folds)
        for idea, without in IDEAS.items():
            measure(part, idea, lambda without=without, compared=compared: compared.less(without, names))
    for name, collection in zip(names, collections, strict=True):
        measure("placing", name, lambda collection=collection: placed(cross_validation.build(collection)))


class Compared:
    """Fusion and its parts on the same folds of several sets."""

    def __init__(self, sets: list[Folds]) -> None:
        self.sets = sets
        self.vectors = [embeddings.vectors(folds.arena.texts, KEPT / "vectors") for folds in sets]
        self.whole: list[np.ndarray] = []

    def less(self, without: Without, names: list[str]) -> dict:
        """Return the mean difference of a fusion without an idea, set by set and pooled, in points."""
        self.whole = self.whole or self._correct(fusion.fit)
        with without() as fit:
            differences = [part - whole for part, whole in zip(self._correct(fit), self.whole, strict=True)]
        found = {name: mean_points(difference) for name, difference in zip(names, differences, strict=True)}
        return found | {"pooled": mean_points(np.concatenate(differences))}

    def _correct(self, fit: Fit) -> list[np.ndarray]:
        found = []
        for folds, vectors in zip(self.sets, self.vectors, strict=True):
            scores = cross_validation.held_out_scores(folds, vectors, on_all_layers(fit))
            chosen = choice.choose(scores, mean_score=folds.arena.prior)
            found.append(folds.arena.truth[np.arange(len(chosen)), chosen].astype(np.float64))
        return found


def placed(folds: Folds) -> dict:
    """Return by way of placing newcomers what `share` says.

    Args:
        folds: Of one set; fold 0 is held out.
    """
    vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors")
    everything = Labelled(vectors, folds.arena.truth, folds.arena.labels, folds.arena.cost)
    parts = folds.train(0), folds.validation(0), np.flatnonzero(folds.fold == 0)
    trial = newcomers.Trial(fusion.fit, *(everything.take(rows) for rows in parts))
    pools = list(newcomers.matched_pools(trial.train.outcomes.mean(axis=0)))
    with_all = [trial.beside(pool, ALL, 0) for pool in pools]
    full, gains = [], {way: [] for way in (*PLACINGS, TOLD)}
    # Pool by pool: the zoo is fitted once, whatever is changed about the newcomer.
    for pool, labelled in zip(pools, with_all, strict=True):
        alone = trial.without(pool)
        full.append(float((labelled - alone).mean()))
        told = {"place": at_mean(float(trial.train.outcomes[:, pool.newcomer].mean()))}
        for way, values in (PLACINGS | {TOLD: told}).items():
            with mock.patch.multiple(newcomer, **values):
                chosen = [trial.beside(pool, KNOWN, seed) for seed in range(DRAWS)]
            gains[way].append(float((np.mean(chosen, axis=0) - alone).mean()))
    return {way: share(full, found) for way, found in gains.items()}


def share(full: list[float], gains: list[float]) -> dict:
    """Return the share of the full gain where that is worth something, and gains elsewhere in points: mean, least."""
    worth = [i for i, gain in enumerate(full) if gain > WORTHWHILE]
    elsewhere = [100 * gain for i, gain in enumerate(gains) if i not in worth]
    whole = sum(full[i] for i in worth)
    return {
        "share": round(sum(gains[i] for i in worth) / whole, 3) if whole else None,
        "elsewhere": [round(float(np.mean(elsewhere)), 2), round(min(elsewhere), 2)] if elsewhere else None,
    }


def at_mean(mean: float) -> Callable[..., surface.Surface]:
    """Place a newcomer as usual, then at a mean that somebody told, and of which there is no doubt."""
    usual = newcomer.place

    def place(found: surface.Surface, answers: newcomer.NewcomerAnswers) -> surface.Surface:
        placed = usual(found, answers)
        means = np.append(placed.means[:-1], np.float32(mean))
        return replace(placed, means=means, doubt=np.append(placed.doubt[:-1], np.float32(0.0)))

    return place


def section(facts: dict) -> str:
    """Return the part of the results page."""
    sets = facts["sets"]
    parts = [TEXT.format(sets=", ".join(sets))]
    for part in ("seen kinds", "unseen kinds"):
        rows = [[idea, *(gain(found[name]) for name in (*sets, "pooled"))] for idea, found in facts[part].items()]
        parts += [table([f"{part}, without", *sets, "pooled"], rows), ""]
    done = facts.get("placing", {})
    if not done:
        return "\n".join(parts)
    heads = ["placed with", *(f"{name}: {what}" for name in done for what in ("share", "elsewhere (least)"))]
    rows = [[way, *(cell for found in done.values() for cell in _placing(found[way]))] for way in (*PLACINGS, TOLD)]
    return "\n".join([*parts, PLACING.format(**facts), table(heads, rows), ""])


def dropped(facts: dict) -> str:
    """Return the part of the results page about what was tried and left."""
    rows = [[one["idea"], one["measure"], one["with"], one["without"]] for one in facts["ideas"]]
    return f"{DROPPED}\n{table(['idea', 'measure', 'with it', 'without'], rows)}\n"


def _placing(found: dict) -> tuple[str, str]:
    share = "–" if found["share"] is None else f"{found['share']:.0%}"
    return share, "–" if found["elsewhere"] is None else f"{found['elsewhere'][0]:+.2f} ({found['elsewhere'][1]:+.2f})"


if __name__ == "__main__":
    main()
