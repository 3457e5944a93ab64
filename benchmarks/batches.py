"""Batches under a quality floor: what OmniRouter's assignment promises, and what the true outcomes make of it.

A batch is one fold. Its floor is the best single candidate's mean on the training prompts, which *predicted* quality
has to meet; "floor raised" adds what the same assignment fell short by on the other folds. A stream is decided prompt
by prompt, by the prices of a batch of the other folds' validation prompts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markdown import mean_points

from modelsat.errors import InputError
from modelsat.policy import assignment
from modelsat.studies.cross_validation import Folds
from modelsat.studies.spending import Bill

CAPACITY = 0.3
BATCH, RAISED, STREAM = "batch", "batch, floor raised", "stream"


@dataclass(frozen=True)
class Batches:
    """All folds of a set as batches under one kind of floor.

    Attributes:
        folds: The set.
        quality: Held-out success probabilities (n, candidates).
        bill: What prompts cost.
        below: How far the floor is below the best single's training mean, in [0, 1].
        capacity: Most prompts per candidate as a share of a batch; None is no limit.
    """

    folds: Folds
    quality: np.ndarray
    bill: Bill
    below: float
    capacity: float | None

    def floor(self, fold: int) -> float:
        """Return the floor of one fold."""
        return float(self.folds.arena.prior[self.folds.fold == fold][0].max()) - self.below

    def problem(self, rows: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray, float, np.ndarray | None]:
        """Return quality, cost, floor and places of some prompts, as `assignment` takes them."""
        places = None
        if self.capacity is not None:
            places = np.full(self.quality.shape[1], np.ceil(self.capacity * len(rows)))
        return self.quality[rows], self.bill.expected[rows], floor, places

    def batch(self, raised: np.ndarray) -> tuple[np.ndarray, float]:
        """Assign every fold with the floor raised (folds,); return the choices (n,) and the gap to the HiGHS bound."""
        choice, cost, least = np.empty(len(self.quality), dtype=np.int64), 0.0, 0.0
        for fold in range(self.folds.count):
            rows = np.flatnonzero(self.folds.fold == fold)
            problem = self.problem(rows, self.floor(fold) + float(raised[fold]))
            found = assignment.assign(*problem)
            choice[rows], cost, least = found.choice, cost + found.cost, least + assignment.bound(*problem)
        return choice, cost / least - 1

    def stream(self) -> np.ndarray:
        """Decide every fold by the prices of the other folds' validation prompts; return the choices (n,)."""
        choice = np.empty(len(self.quality), dtype=np.int64)
        for fold in range(self.folds.count):
            rows = np.flatnonzero(self.folds.fold == fold)
            prices = assignment.assign(*self.problem(self.folds.validation(fold), self.floor(fold)))
            choice[rows] = assignment.decide(self.quality[rows], self.bill.expected[rows], prices)
        return choice

    def promised(self, choice: np.ndarray) -> np.ndarray:
        """Return by how much more was predicted than came true, (n,)."""
        rows = np.arange(len(choice))
        return self.quality[rows, choice] - self.folds.arena.truth[rows, choice]


def served(folds: Folds, quality: np.ndarray, bill: Bill, floors: Mapping[str, float]) -> list[dict]:
    """Return one row per floor, capacity and way of serving.

    Args:
        folds: The set.
        quality: Held-out success probabilities (n, candidates).
        bill: What prompts cost.
        floors: By how much each is below the best single's training mean.
    """
    rows = []
    for floor, below in floors.items():
        for capacity in (None, CAPACITY):
            batches = Batches(folds, quality, bill, below, capacity)
            facts = {"floor": floor, "capacity": capacity}
            rows += [facts | {"way": way} | found for way, found in ways(batches).items()]
    return rows


def ways(batches: Batches) -> dict[str, dict]:
    """Return what comes of a batch, of one with a raised floor, and of a stream; the reason where there is none."""
    fold, count = batches.folds.fold, batches.folds.count
    found: dict[str, dict] = {}
    try:
        choice, gap = batches.batch(np.zeros(count))
        found[BATCH] = as_json(batches, choice) | {"gap": round(100 * gap, 2)}
        short = batches.promised(choice)
        choice, gap = batches.batch(np.asarray([short[fold != held_out].mean() for held_out in range(count)]))
        found[RAISED] = as_json(batches, choice) | {"gap": round(100 * gap, 2)}
    except InputError as error:
        found |= {way: {"refused": str(error)} for way in (BATCH, RAISED) if way not in found}
    try:
        found[STREAM] = as_json(batches, batches.stream())
    except InputError as error:
        found[STREAM] = {"refused": str(error)}
    return found


def as_json(batches: Batches, choice: np.ndarray) -> dict:
    """Return USD per 1,000 prompts, floor and predictions against what came true in points, and shares in percent."""
    folds, bill = batches.folds, batches.bill
    rows, names = np.arange(len(choice)), folds.arena.candidates
    floor = np.asarray([batches.floor(fold) for fold in range(folds.count)])[folds.fold]
    loads = np.zeros((folds.count, len(names)))
    np.add.at(loads, (folds.fold, choice), 1)
    sizes = loads.sum(axis=1, keepdims=True)
    places = np.ceil(sizes * (1.0 if batches.capacity is None else batches.capacity))
    mean = 100 * loads.sum(axis=0) / len(choice)
    return {
        "expected_usd": round(1000 * float(bill.expected[rows, choice].mean()), 4),
        "realised_usd": round(1000 * float(bill.realised[rows, choice].mean()), 4),
        "realised": mean_points(folds.arena.truth[rows, choice]),
        "over_floor": mean_points(folds.arena.truth[rows, choice] - floor),
        "promised": mean_points(batches.promised(choice)),
        "most": round(100 * float((loads / sizes).max()), 1),
        "too_many": round(100 * float(np.maximum(loads - places, 0).sum() / len(choice)), 1),
        "shares": {names[i]: round(float(mean[i]), 1) for i in np.argsort(-mean) if mean[i] >= 1},
    }
