"""How many aptitude questions a newcomer needs: in the adaptive order, the frozen one, and at random.

    python benchmarks/adaptive_order.py [--set FOLDER] [--draws 3]

Real outcomes stand in for the endpoint. Each candidate is left out of its set in turn: the surface is fitted and the
aptitude test is chosen without it, then it is placed by K answers and may be chosen beside the four candidates nearest
to it in mean accuracy (as in `newcomers.py`). Shown are the gain over the pool without it on the held-out prompts, over
all pools and over those in which all answers gain more than 0.7 points, and how far the predicted success is from what
all answers predict. Then, among all candidates of the set, where the adaptive order stops and how many choices all
answers would still have changed. The table goes to `benchmarks/results/adaptive_order.json`.
"""

import argparse
import functools
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from markdown import gain, mean_points, table
from quality import DATA, KEPT, RESULTS
from threadpoolctl import threadpool_limits

from modelsat.aptitude import balanced_order, frozen_test
from modelsat.data import splits
from modelsat.data.collection import Collection, collect
from modelsat.evaluation.arena import Arena
from modelsat.io.atomic import write_json
from modelsat.onboarding.asking import adaptive
from modelsat.onboarding.asking.adaptive import Choices
from modelsat.policy import choice
from modelsat.routers.fusion import newcomer, surface
from modelsat.routers.fusion.newcomer import NewcomerAnswers
from modelsat.studies import cross_validation, newcomers
from modelsat.text import embeddings

COUNTS = (32, 64, 96, 128, 192, 256)
WORTHWHILE = 0.007
INTO = RESULTS.with_name("adaptive_order.json")

TEXT = """
## Which questions a new model is asked

In the {pools} strength-matched pools of {set}, each new model is placed by K answers to its aptitude test ({questions}
questions), taken from real outcomes. The gain, in points, is over the pool without it on {prompts} held-out prompts,
over all pools and over the {worthwhile} in which all answers gain more than 0.7 points. The distance is the root mean
square difference, in points, between the predicted success and what all answers predict. Random is the mean of {draws}
draws. The adaptive order asks in blocks of {block}.
"""

STOPS = """
Among all candidates of the set the adaptive order stops after {mean:.0f} questions on average ({least} to {most}), in
{early} of {pools} cases before the end: there it expects fewer than {settled:.0%} of the choices to change. All answers
change {changed:.1%} of them.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default=str(DATA / "zeroeval"))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    began = time.monotonic()
    with threadpool_limits(1):
        facts = {"set": Path(arguments.set).name, **measured(collect([arguments.set]), arguments.draws)}
    write_json(arguments.into, facts)
    print(section(facts), f"{time.monotonic() - began:.0f} s")


def measured(collection: Collection, draws: int) -> dict:
    """Return gains and distances by order and number of questions, and where the adaptive order stops."""
    arena = cross_validation.build(collection).arena
    vectors = embeddings.vectors(arena.texts, KEPT / "vectors")
    stem_of = dict(zip(*(collection.prompts[c].to_pylist() for c in ("prompt_id", "stem_digest")), strict=True))
    held_out = splits.assign([stem_of[prompt_id] for prompt_id in arena.prompt_ids]) == splits.TEST
    names = ("all", *(f"{name} {k}" for name in ("adaptive", "frozen", "random") for k in COUNTS))
    gains: dict[str, list[np.ndarray]] = {name: [] for name in names}
    distances: dict[str, list[float]] = {name: [] for name in names}
    sizes, stops, changed = [], [], []
    for pool in newcomers.matched_pools(arena.truth[~held_out].mean(axis=0)):
        trial = Trial(collection, arena, vectors, held_out, pool)
        sizes.append(len(trial.rows))
        asked = trial.adaptively(trial.peers, most=max(COUNTS))
        drawn = [np.random.default_rng(seed).permutation(len(trial.rows)) for seed in range(draws)]
        orders = {"adaptive": [asked], "frozen": [range(len(trial.rows))], "random": drawn}
        gains["all"].append(trial.gain(range(len(trial.rows))))
        for name, runs in orders.items():
            for k in COUNTS:
                gains[f"{name} {k}"].append(np.mean([trial.gain(run[:k]) for run in runs], axis=0))
                distances[f"{name} {k}"].append(np.mean([trial.distance(run[:k]) for run in runs]))
        everybody = list(range(len(arena.candidates) - 1))
        stopped = trial.adaptively(everybody, settled=adaptive.SETTLED)
        stops.append(len(stopped))
        changed.append(float((trial.chosen(stopped, everybody) != trial.chosen(trial.everything, everybody)).mean()))
    worth = [i for i, one in enumerate(gains["all"]) if one.mean() > WORTHWHILE]
    return {
        "pools": len(sizes),
        "worthwhile": len(worth),
        "questions": round(float(np.mean(sizes))),
        "prompts": int(held_out.sum()),
        "draws": draws,
        "block": adaptive.BLOCK,
        "settled": adaptive.SETTLED,
        "gain": {name: mean_points(np.mean(values, axis=0)) for name, values in gains.items()},
        "gain where worthwhile": {
            name: mean_points(np.mean([values[i] for i in worth], axis=0)) for name, values in gains.items() if worth
        },
        "distance": {name: round(100 * float(np.mean(values)), 2) for name, values in distances.items() if values},
        "stops": stops,
        "early": sum(stop < size for stop, size in zip(stops, sizes, strict=True)),
        "changed": round(float(np.mean(changed)), 4),
    }


Rows = Sequence[int] | np.ndarray


class Trial:
    """One newcomer, its test and its pool; `rows` are the arena's prompts that the test asks, in the frozen order."""

    def __init__(
        self,
        collection: Collection,
        arena: Arena,
        vectors: np.ndarray,
        held_out: np.ndarray,
        pool: newcomers.NewcomerPool,
    ) -> None:
        others = [i for i in range(len(arena.candidates)) if i != pool.newcomer]
        test = frozen_test.choose(without(collection, arena.candidates[pool.newcomer])).table
        row_of = {prompt_id: i for i, prompt_id in enumerate(arena.prompt_ids)}
        asked = [(row_of[row["prompt_id"]], row["task"]) for row in test.to_pylist() if row["prompt_id"] in row_of]
        self.rows, self.tasks = np.asarray([row for row, _ in asked]), [task for _, task in asked]
        known = np.flatnonzero(~held_out)
        self.surface = surface.fit(vectors[known], arena.truth[np.ix_(known, others)], arena.labels[known])
        self.scores = arena.truth[self.rows, pool.newcomer].astype(np.float64)
        self.zoo = arena.truth[np.ix_(self.rows, others)].astype(np.float64)
        self.features = self.surface.features(vectors[self.rows])
        self.known, self.fresh = vectors[known], vectors[held_out]
        self.pool, self.others, self.peers = pool, others, [others.index(i) for i in pool.peers]
        self.truth, self.level = arena.truth[held_out], arena.truth[known].mean(axis=0)
        self.everything = range(len(self.rows))
        alone = self.surface.success_probability(self.surface.directions(self.fresh))[:, self.peers]
        self.alone = self._scored(choice.choose(alone, mean_score=self.level[list(pool.peers)]), list(pool.peers))
        self.predicted_by_all = self._predicted(self.everything)[:, -1]

    def gain(self, rows: Rows) -> np.ndarray:
        """Return what each held-out prompt gains where the newcomer answered these questions of the test."""
        return self._scored(self.chosen(rows, self.peers), self.pool.columns) - self.alone

    def chosen(self, rows: Rows, peers: list[int]) -> np.ndarray:
        """Return who is chosen on each held-out prompt: a place among the peers, or the newcomer behind them."""
        level = self.level[[*(self.others[i] for i in peers), self.pool.newcomer]]
        return choice.choose(self._predicted(rows)[:, [*peers, -1]], mean_score=level)

    def distance(self, rows: Rows) -> float:
        """Return how far the newcomer's predicted success is from what all answers predict, root mean square."""
        return float(np.sqrt(((self._predicted(rows)[:, -1] - self.predicted_by_all) ** 2).mean()))

    def adaptively(self, peers: list[int], most: int = 10**9, settled: float = 0.0) -> list[int]:
        """Return the questions in adaptive order, until choices among the peers are settled."""
        size = len(newcomer.believe(self.surface, self.scores[:0], self.zoo[:0]).mean)
        questions = adaptive.design(self.surface.observed(self.zoo), size)
        told = self.surface.directions(self.known)
        best = self.surface.success_probability(told)[:, peers].max(axis=1)
        choices = Choices(adaptive.design(told, size), best)
        asked: list[int] = []
        while len(asked) < min(most, len(self.rows)):
            now = newcomer.believe(self.surface, self.scores[asked], self.zoo[asked], self._fair(asked))
            if asked and adaptive.unsettled(now, choices) < settled:
                break
            left = np.setdiff1d(self.everything, asked)
            half = adaptive.BLOCK // 2
            asked += left[:half].tolist()
            rest = left[half:]
            block = adaptive.next_block(now, choices, questions[rest], [self.tasks[i] for i in rest], half)
            asked += rest[block].tolist()
        return asked

    @functools.lru_cache(maxsize=1)  # noqa: B019  what is measured twice is measured at once
    def _placed(self, rows: tuple[int, ...]) -> np.ndarray:
        asked = np.asarray(rows, dtype=int)
        answers = NewcomerAnswers(self.scores[asked], self.zoo[asked], self.features[asked], self._fair(asked))
        placed = newcomer.place(self.surface, answers)
        return choice.assured(placed.success_probability(placed.directions(self.fresh)), placed.doubt)

    def _fair(self, asked: Rows) -> np.ndarray:
        return balanced_order.beginning(np.isin(np.arange(len(self.rows)), asked))[asked]

    def _predicted(self, rows: Rows) -> np.ndarray:
        return self._placed(tuple(map(int, rows)))

    def _scored(self, chosen: np.ndarray, columns: list[int]) -> np.ndarray:
        return self.truth[:, columns][np.arange(len(chosen)), chosen].astype(np.float64)


def without(collection: Collection, name: str) -> Collection:
    """Return the collection as it was before a candidate came."""
    scores = collection.scores.filter(pc.not_equal(collection.scores["candidate"], name))
    candidates = collection.candidates.filter(pc.not_equal(collection.candidates["candidate"], name))
    return replace(collection, scores=scores, candidates=candidates)


def section(facts: dict) -> str:
    """Return the part of the results page."""
    heads = ["", *(f"K = {k}" for k in COUNTS), f"all {facts['questions']}"]
    rows = []
    for told, values in (("", facts["gain"]), (", where worthwhile", facts["gain where worthwhile"])):
        for name in ("adaptive", "frozen", "random"):
            if values:
                rows.append(
                    [f"gain{told}, {name}", *(gain(values[f"{name} {k}"]) for k in COUNTS), gain(values["all"])]
                )
    for name in ("adaptive", "frozen", "random"):
        rows.append([f"distance, {name}", *(f"{facts['distance'][f'{name} {k}']:.1f}" for k in COUNTS), "0.0"])
    stops = facts["stops"]
    ending = STOPS.format(**facts, mean=np.mean(stops), least=min(stops), most=max(stops))
    return f"{TEXT.format(**facts)}\n{table(heads, rows)}\n{ending}"


if __name__ == "__main__":
    main()
