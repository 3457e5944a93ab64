"""Whether a stranger gets its due: how well its level is read, and what a much stronger one is given.

    python benchmarks/strangers.py [--set FOLDER ...] [--levels]

Every candidate of a set is left out in turn and the aptitude test is chosen without it, as `instruct` does. Its
outcomes then stand in for its answers to the first K questions. Shown is how far the level that is read off them lies
from what it scores on all training prompts: mean (bias), root mean square, and the mean for the strongest candidate of
the set. Tests are drawn with `DRAWS` seeds.

Then the strongest candidate comes to a zoo whose best is weaker by a lead: the share of the held-out prompts that it is
given after K answers, and what the pool scores above or below always taking it. The figures go to
`benchmarks/results/strangers.json`. Levels take minutes for all sets; the second part, which `--levels` leaves out,
encodes the prompts once.
"""

import argparse
from pathlib import Path

import numpy as np
from markdown import table
from quality import DATA, KEPT, RESULTS
from threadpoolctl import threadpool_limits

from modelsat.aptitude import balanced_order, frozen_test
from modelsat.data import score_matrix, splits
from modelsat.data.collection import Collection, collect
from modelsat.io.atomic import write_json
from modelsat.policy import choice
from modelsat.routers.fusion import level, newcomer, surface
from modelsat.routers.fusion.newcomer import NewcomerAnswers
from modelsat.studies import cross_validation
from modelsat.text import embeddings

SETS = ("mmlupro", "mmlu_helm", "zeroeval", "specialists")
COUNTS = (16, 64, 250, 1000)
MOST_SHARE = 0.25
DRAWS = 3
LEADS = (0.05, 0.15)
INTO = RESULTS.with_name("strangers.json")

TEXT = """
## The level of a new model

Every candidate is left out in turn, the aptitude test is chosen without it, and its level is estimated from its first
K answers ({draws} tests each; at most a quarter of the training prompts are asked). The error, in points, is against
its score on all training prompts: bias, root mean square (rms), and the mean for the set's strongest candidate.
"""

DUE = """
The strongest candidate is added to candidates of which the best is weaker by at least 5 or 15 points: predicted and
true level, share of the held-out prompts that it is given, and what the pool scores compared with always using it, in
points.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="*", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--into", type=Path, default=INTO)
    parser.add_argument("--levels", action="store_true")
    arguments = parser.parse_args()
    facts: dict = {"draws": DRAWS, "errors": {}, "due": {}}
    with threadpool_limits(1):
        for folder in arguments.set:
            name, collection = Path(folder).name, collect([folder])
            facts["errors"][name] = errors(Prompts(collection))
            for lead in () if arguments.levels else LEADS:
                if found := due(collection, lead):
                    facts["due"][f"{name}, {100 * lead:.0f}"] = found
            write_json(arguments.into, facts)
    print(section(facts))


class Prompts:
    """A set's training prompts, and every candidate's outcomes on them."""

    def __init__(self, collection: Collection) -> None:
        names = collection.candidates["candidate"].to_pylist()
        table = collection.prompts
        self.truth = score_matrix.matrix(collection.scores, table["prompt_id"].to_pylist(), names).astype(np.float64)
        pairs = zip(table["benchmark"].to_pylist(), table["task"].to_pylist(), strict=True)
        self.tasks = np.asarray([frozen_test.category_of(*pair) for pair in pairs])
        self.train = np.flatnonzero(splits.assign(table["stem_digest"].to_pylist()) == splits.TRAIN)
        self.levels = np.nanmean(self.truth[self.train], axis=0)

    def test(self, candidate: int, zoo: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the training prompts that a candidate was run on, and the places in them that the test asks."""
        rows = self.train[~np.isnan(self.truth[self.train, candidate])]
        traits = balanced_order.traits(self.truth[np.ix_(rows, zoo)], self.tasks[rows])
        return rows, balanced_order.order(traits, min(COUNTS[-1], int(MOST_SHARE * len(rows))), seed)


def errors(prompts: Prompts) -> dict:
    """Return what is read less what is true, in points, by number of answers: all candidates, and the strongest."""
    best, found = int(prompts.levels.argmax()), {count: [] for count in COUNTS}
    for candidate in range(len(prompts.levels)):
        zoo = np.setdiff1d(np.arange(len(prompts.levels)), [candidate])
        for seed in range(DRAWS):
            rows, asked = prompts.test(candidate, zoo, seed)
            known = score_matrix.filled(prompts.truth[np.ix_(rows, zoo)])
            own = prompts.truth[rows, candidate]
            for count, each in found.items():
                first = asked[:count]
                mean, variance = level.read(known.mean(axis=0), known[first], own[first])
                each.append((candidate == best, mean - own.mean(), np.sqrt(variance)))
    return {str(count): _summary(np.asarray(each)) for count, each in found.items()}


def _summary(each: np.ndarray) -> dict:
    is_best, error, told = each.T
    return {
        "candidates": len(each) // DRAWS,
        "bias": round(100 * float(error.mean()), 2),
        "rms": round(100 * float(np.sqrt((error**2).mean())), 2),
        "deviation": round(100 * float(np.sqrt((told**2).mean())), 2),
        "strongest": round(100 * float(error[is_best == 1].mean()), 2),
    }


def due(collection: Collection, lead: float) -> dict:
    """Return what the strongest candidate is given beside a zoo that is weaker by the lead, by number of answers."""
    arena = cross_validation.build(collection).arena
    vectors = embeddings.vectors(arena.texts, KEPT / "vectors")
    stem_of = dict(zip(*(collection.prompts[c].to_pylist() for c in ("prompt_id", "stem_digest")), strict=True))
    part = splits.assign([stem_of[prompt_id] for prompt_id in arena.prompt_ids])
    train, known, fresh = (part == splits.TRAIN), (part != splits.TEST), (part == splits.TEST)
    levels = arena.truth[train].mean(axis=0)
    best = int(levels.argmax())
    zoo = np.flatnonzero(levels < levels[best] - lead)
    if len(zoo) < 2:
        return {}
    rows = np.flatnonzero(train)
    traits = balanced_order.traits(arena.truth[np.ix_(rows, zoo)], arena.labels[rows])
    asked = rows[balanced_order.order(traits, min(COUNTS[-1], int(MOST_SHARE * len(rows))))]
    fitted = surface.fit(vectors[known], arena.truth[np.ix_(known, zoo)], arena.labels[known])
    truth, found = arena.truth[fresh][:, [*zoo, best]], {}
    for count in COUNTS:
        first = asked[:count]
        answers = NewcomerAnswers(
            arena.truth[first, best], arena.truth[np.ix_(first, zoo)].astype(float), fitted.features(vectors[first])
        )
        placed = newcomer.place(fitted, answers)
        probability = placed.success_probability(placed.directions(vectors[fresh]))
        chosen = choice.choose(probability, mean_score=placed.means, uncertainty_margin=placed.doubt)
        score = truth[np.arange(len(truth)), chosen].mean()
        found[str(count)] = {
            "lead": round(100 * float(levels[best] - levels[zoo].max()), 1),
            "level": round(100 * float(levels[best]), 1),
            "predicted": round(100 * float(placed.means[-1]), 1),
            "share": round(float((chosen == len(zoo)).mean()), 3),
            "against_always": round(100 * float(score - truth[:, -1].mean()), 2),
        }
    return found


def section(facts: dict) -> str:
    """Return the part of the results page."""
    heads = ["", *(f"K = {count}: bias, rms, strongest" for count in COUNTS)]
    rows = [
        [f"{name}, {each[str(COUNTS[0])]['candidates']} candidates"]
        + [f"{at['bias']:+.1f}, {at['rms']:.1f}, {at['strongest']:+.1f}" for at in each.values()]
        for name, each in facts["errors"].items()
    ]
    pooled = ["all, by candidate"]
    for count in map(str, COUNTS):
        at = [each[count] for each in facts["errors"].values()]
        weight = [one["candidates"] for one in at]
        bias = np.average([one["bias"] for one in at], weights=weight)
        rms = np.sqrt(np.average([one["rms"] ** 2 for one in at], weights=weight))
        pooled.append(f"{bias:+.1f}, {rms:.1f}, {np.mean([one['strongest'] for one in at]):+.1f}")
    due_heads = ["set, points", "lead", *(f"K = {count}: level, share, against always" for count in COUNTS)]
    due_rows = [
        [name, f"{each[str(COUNTS[0])]['lead']:.1f}"]
        + [
            f"{at['predicted']:.1f} of {at['level']:.1f}, {at['share']:.0%}, {at['against_always']:+.2f}"
            for at in each.values()
        ]
        for name, each in facts["due"].items()
    ]
    levels, given = table(heads, [*rows, pooled]), table(due_heads, due_rows)
    return f"{TEXT.format(**facts)}\n{levels}\n{DUE}\n{given}\n"


if __name__ == "__main__":
    main()
