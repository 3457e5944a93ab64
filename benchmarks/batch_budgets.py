"""Batches within a budget: what `budget_usd` buys on real results, beside the same money spread without reading.

    python benchmarks/batch_budgets.py [--sets FOLDER ...]

Each fold of `quality.py` is one batch; its budget is a share of what the best single candidate is expected to cost on
it. Held-out probabilities are fusion's, costs those of `money.py`. The front of singles spends the same money: it
splits prompts at random between two candidates. Figures go to `benchmarks/results/batch_budgets.json`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import markdown
import numpy as np
from markdown import mean_points
from quality import DATA, KEPT, RESULTS, line, scored
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.errors import InputError
from modelsat.evaluation import front
from modelsat.io.atomic import write_json
from modelsat.policy import assignment, budgets
from modelsat.studies import cross_validation, spending
from modelsat.studies.cross_validation import Folds
from modelsat.studies.spending import Bill
from modelsat.text import embeddings

INTO = RESULTS.with_name("batch_budgets.json")
SETS = ("mmlupro", "mmlu_helm", "zeroeval")
SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)

TEXT = """
## Batches within a budget

Each fold is a batch with a budget: a share of what the best single candidate is expected to cost on it. `budget_usd`
spends it by fusion's held-out probabilities. "gap" is how many more successes the linear relaxation (HiGHS) expects,
in points of the batch. The gain is over the best single candidate. "over the front" is over the same money split at
random between two neighbours of the front of singles, which is chosen on the other folds; both are in points. "spent"
is the realised cost as a share of the budget, since answers may be longer than expected.
"""


@dataclass(frozen=True)
class Batches:
    """The folds of a set, each a batch.

    Attributes:
        folds: The set.
        success: Held-out probabilities (n, candidates).
        bill: What prompts cost.
    """

    folds: Folds
    success: np.ndarray
    bill: Bill

    def measured(self, share: float) -> dict:
        """Return what a share of the best single's expected cost buys; the reason where it buys nothing."""
        arena, rows = self.folds.arena, np.arange(len(self.success))
        choice, most = np.empty(len(rows), dtype=np.int64), 0.0
        split = np.empty(arena.truth.shape)
        budget = share * self.bill.expected[rows, arena.best_single]
        for fold in range(self.folds.count):
            here = self.folds.fold == fold
            success, cost, money = self.success[here], self.bill.expected[here], float(budget[here].sum())
            try:
                choice[here] = budgets.spend(success, cost, money).choice
            except InputError as error:
                return {"refused": str(error)}
            most += expected_at_most(success, cost, money)
            split[here] = self.front_within(~here, money / here.sum())
        score = arena.truth[rows, choice]
        return {
            "accuracy": round(100 * float(score.mean()), 2),
            "gain": mean_points(score - arena.truth[rows, arena.best_single]),
            "over_front": mean_points(score - (split * arena.truth).sum(axis=1)),
            "gap": round(100 * float(most - self.success[rows, choice].sum()) / len(rows), 3),
            "spent": round(100 * float(self.bill.realised[rows, choice].sum() / budget.sum()), 1),
        }

    def front_within(self, others: np.ndarray, usd: float) -> np.ndarray:
        """Return the shares (candidates,) of a split of the front that costs so much a prompt on the other folds."""
        cost, accuracy = self.bill.expected[others].mean(axis=0), self.folds.arena.truth[others].mean(axis=0)
        hull = front.vertices(cost, accuracy)
        stops = np.eye(len(cost))[hull]
        return np.asarray([np.interp(usd, cost[hull], stops[:, column]) for column in range(len(cost))])


def expected_at_most(success: np.ndarray, cost: np.ndarray, budget_usd: float) -> float:
    """Return the successes of the linear relaxation: the bound of the exchanged problem, as `budgets` states it."""
    dearest = cost.max()
    floor = max(0.0, 1 - budget_usd / (len(cost) * dearest))
    return len(cost) - assignment.bound(1 - cost / dearest, 1 - success, floor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    found: dict = {"sets": {}}
    for source in arguments.sets:
        name, collection = Path(source).name, collect([source])
        folds = cross_validation.build(collection)
        vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
        with threadpool_limits(1):
            bill = spending.bill_of(collection, folds, vectors)
            success = scored(name, collection, folds, vectors, rivals.OURS).astype(np.float64)
            batches = Batches(folds, np.clip(success, 0, 1), bill)
            found["sets"][name] = {
                "prompts": len(success),
                "candidates": len(folds.arena.candidates),
                "budgets": {f"{share:g}": batches.measured(share) for share in SHARES},
            }
        write_json(arguments.into, found)
    print(section(found))


def section(found: dict) -> str:
    """Return the section of the results page."""
    rows = []
    for name, table in found["sets"].items():
        for share, row in table["budgets"].items():
            first = [name, f"{100 * float(share):.0f} %"]
            if "refused" in row:
                rows.append([*first, "less than the cheapest cost", "", "", "", ""])
                continue
            told = [f"{row['accuracy']:.1f}", *map(markdown.gain, (row["gain"], row["over_front"]))]
            rows.append([*first, *told, f"{row['spent']:.0f} %", f"{row['gap']:.2f}"])
    heads = ["", "budget", "accuracy in %", "gain", "over the front", "spent", "gap"]
    return "\n".join([TEXT, markdown.table(heads, rows), ""])


if __name__ == "__main__":
    main()
