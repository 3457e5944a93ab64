"""Does the balanced default keep its promise? Settled on a part of a set, it is judged on the rest, many times over.

    python benchmarks/promise.py [--sets NAME ...] [--splits 40]

Probabilities are fusion's of `quality.py`, held out by question and computed once. In each split, 80 % of the prompts
settle the default as fine-tuning does, the best single candidate is chosen on them, and both answer the other 20 %. The
figures go to `benchmarks/results/promise.json`.
"""

import argparse

import markdown
import numpy as np
from quality import DATA, KEPT, RESULTS, line, scored

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.evaluation.arena import Arena
from modelsat.io.atomic import write_json
from modelsat.policy import choice, costs, promise
from modelsat.policy.promise import Promise
from modelsat.studies import cross_validation
from modelsat.text import embeddings

SETS = ("mmlupro", "mmlu_helm", "zeroeval", "specialists")
SPLITS, SHARE, PARTS = 40, 0.8, 5
ONE_SIDED = 1.645
"""Standard errors of a one-sided bound of 95 %."""

HEAD = """
## The balanced default and its promise

`auto` uses the cheapest cost weight at which, with 95 % confidence, at most {margin:.1f} points are lost against the
best single candidate; if none is that safe and cheaper, the best single candidate answers. The weight is chosen on 80
% of a set's prompts and judged on the other 20 %, {splits} times.

- "not refuted": splits whose 20 % do not show, with 95 % confidence, that more was lost.
- "kept": splits in which at most {margin:.1f} points were lost on the 20 % themselves. Their own noise, of a point
  and more, counts against the promise here.
- "falls back": splits in which the best single candidate answers.

Gain and cost are over five disjoint parts, so that every prompt is judged once: the gain in points, the cost as a
share of the best single candidate's, at list prices or as measured. Fusion alone, without the network.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=SPLITS)
    arguments = parser.parse_args()
    rows, gains, spent = {}, [], []
    for name in arguments.sets:
        collection = collect([str(DATA / name)])
        folds = cross_validation.build(collection)
        vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
        p = scored(name, collection, folds, vectors, rivals.OURS)
        rows[name], gain, paid = measured(folds.arena, p, arguments.splits)
        gains.append(gain)
        if rows[name]["falls_back"] < 50:
            spent.append(paid)
        print(name, rows[name], flush=True)
    together = {"gain": markdown.mean_points(np.concatenate(gains))}
    if spent:
        together["cost_share"] = round(100 * float(np.mean([one[0].mean() / one[1].mean() for one in spent])), 1)
        together["sets_where_anything_is_saved"] = len(spent)
    facts = {"margin": promise.MARGIN, "splits": arguments.splits, "sets": rows, "together": together}
    write_json(RESULTS.with_name("promise.json"), facts)
    print(section(facts))


def measured(arena: Arena, p: np.ndarray, repeats: int) -> tuple[dict, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the figures of a set; gains per prompt (n,); and what default and best single cost per prompt, (n,)."""
    n = len(p)
    kept, held, weights, losses = 0, 0, [], []
    for split in range(repeats):
        order = np.random.default_rng(split).permutation(n)
        gain, _, _, found = judged(arena, p, order[: int(SHARE * n)], order[int(SHARE * n) :])
        kept += int(gain.mean() >= -promise.MARGIN)
        noise = float(gain.std(ddof=1)) / np.sqrt(len(gain))
        held += int(gain.mean() + ONE_SIDED * noise >= -promise.MARGIN)
        losses.append(100 * float(gain.mean()))
        weights.append(None if found is None else found.cost_weight)
    part = np.random.default_rng(0).permutation(n) % PARTS
    gains, paid, single = np.empty(n), np.empty(n), np.empty(n)
    for held_out in range(PARTS):
        here = part == held_out
        gains[here], paid[here], single[here], _ = judged(arena, p, np.flatnonzero(~here), np.flatnonzero(here))
    known = [weight for weight in weights if weight is not None]
    figures = {
        "prompts": n,
        "candidates": p.shape[1],
        "not_refuted": round(100 * held / repeats, 1),
        "kept": round(100 * kept / repeats, 1),
        "worst": round(min(losses), 2),
        "falls_back": round(100 * (1 - len(known) / repeats), 1),
        "weight": round(float(np.median(known)), 3) if known else None,
        "gain": markdown.mean_points(gains),
        "cost_share": round(100 * float(paid.mean() / single.mean()), 1),
    }
    return figures, gains, (paid, single)


def judged(
    arena: Arena, p: np.ndarray, settles: np.ndarray, judges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Promise | None]:
    """Settle the default on some prompts; return its gain, cost and the best single's cost on others, and itself."""
    means = arena.truth[settles].mean(axis=0)
    found = promise.settle(p[settles], arena.truth[settles], arena.cost[settles], means, arena.candidates)
    single, rows = int(means.argmax()), np.arange(len(judges))
    chosen = np.full(len(judges), single)
    if found is not None and found.cost_weight is not None:
        chosen = choice.choose(p[judges], None, means, arena.cost[judges], found.cost_weight)
    truth, billed = arena.truth[judges], costs.filled(arena.billed[judges])
    return truth[rows, chosen] - truth[:, single], billed[rows, chosen], billed[:, single], found


def section(facts: dict) -> str:
    """Return the part about the promise in Markdown."""
    rows = [
        [
            name,
            f"{one['prompts']:,} x {one['candidates']}",
            f"{one['not_refuted']:.0f} %",
            f"{one['kept']:.0f} % ({one['worst']:+.1f})",
            f"{one['falls_back']:.0f} %",
            "" if one["weight"] is None else f"{one['weight']:.2f}",
            markdown.gain(one["gain"]),
            f"{one['cost_share']:.0f} %",
        ]
        for name, one in facts["sets"].items()
    ]
    heads = [
        "set",
        "prompts x candidates",
        "not refuted",
        "kept (worst loss)",
        "falls back",
        "median weight",
        "gain",
        "cost",
    ]
    together = facts["together"]
    share = f", {together['cost_share']:.0f} % of the cost where anything is saved" if "cost_share" in together else ""
    said = f"\nAll sets together: {markdown.gain(together['gain'])} points{share}.\n"
    head = HEAD.format(margin=100 * facts["margin"], splits=facts["splits"])
    return f"{head}\n{markdown.table(heads, rows)}\n{said}"


if __name__ == "__main__":
    main()
