"""Does the balanced default keep its promise? Settled on a part of a set, it is judged on the rest, many times over.

    python benchmarks/promise.py [--sets NAME ...] [--splits 40] [--words] [--routers SET=FOLDER ...]

Probabilities are fusion's of `quality.py`, held out by question and computed once; with `--words` those of the same
surface on the words of prompts, as the recipe `light` fits it, which needs no encodings. In each split, 80 % of the
prompts settle the default as fine-tuning does, the best single candidate is chosen on them, and both answer the other
20 %. The figures go to `benchmarks/results/promise.json`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import markdown
import numpy as np
import pyarrow.compute as pc
from quality import DATA, KEPT, RESULTS, line, scored
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.bundle import bundle
from modelsat.data import contracts
from modelsat.data.collection import Collection, collect
from modelsat.evaluation import arena as arenas
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.table import CHALLENGER
from modelsat.io.atomic import write_json
from modelsat.policy import choice, costs, promise
from modelsat.policy.promise import Promise
from modelsat.rivals.lexical import texts_of
from modelsat.rivals.rival import Labelled, PromptScorer
from modelsat.studies import cross_validation
from modelsat.text import embeddings
from modelsat.text import words as learned_words
from modelsat.text.backbone import default_backbone
from modelsat.text.prompt_window import token_ids
from modelsat.text.words_reader import WordTokenizer

SETS = ("mmlupro", "mmlu_helm", "zeroeval", "specialists")
SPLITS, SHARE, PARTS = 40, 0.8, 5
INTO, WORDS, ROUTERS = RESULTS.with_name("promise.json"), "words", "routers"
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
WHOLE = """
Whole routers of the recipe `light`, as the pipeline makes them, on the prompts that were held out from them, {splits}
splits: four fifths settle the default anew, one fifth judges it. With a quarter of the prompts, fewer weights are safe.
"""
ON_WORDS = """
The same surface on the words of prompts, as the recipe `light` fits it, {splits} splits:
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--words", action="store_true", help="read words, as the recipe light does")
    parser.add_argument("--routers", nargs="+", default=[], metavar="SET=FOLDER", help="judge whole routers instead")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    if arguments.routers:
        facts = _kept(arguments.into)
        found = facts.setdefault(ROUTERS, {"splits": arguments.splits, "sets": {}})
        for name, folder in (one.split("=", 1) for one in arguments.routers):
            arena, p = held_out(collect([str(DATA / name)]), Path(folder))
            found["sets"][name], _, _ = measured(arena, p, arguments.splits)
            print(name, found["sets"][name], flush=True)
            write_json(arguments.into, facts)
        return
    rows, gains, spent = {}, [], []
    for name in arguments.sets:
        collection = collect([str(DATA / name)])
        folds = cross_validation.build(collection)
        if arguments.words:
            with threadpool_limits(1):
                p = cross_validation.held_out_scores(folds, np.empty((len(folds.fold), 0)), on_words)
        else:
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
    # Each of the two readings keeps what the other one measured.
    into, before = arguments.into, _kept(arguments.into)
    facts = (
        before | {WORDS: facts}
        if arguments.words
        else facts | {key: before[key] for key in (WORDS, ROUTERS) if key in before}
    )
    write_json(into, facts)
    print(section(facts))


def _kept(into: Path) -> dict:
    return json.loads(into.read_text(encoding="utf-8")) if into.is_file() else {}


def held_out(collection: Collection, folder: Path) -> tuple[Arena, np.ndarray]:
    """Return what a whole pipeline's challenger says of the prompts that were held out from it.

    Args:
        collection: The results that it was made from.
        folder: With its bundle in `router`, and its `predictions`.
    """
    names = bundle.read(folder / "router", with_router=False).names
    arena = arenas.build(collection, served=names)
    columns = [arena.candidates.index(name) for name in names]
    told = contracts.read(folder / "predictions", contracts.PREDICTIONS)
    told = told.filter(pc.equal(told["router"], CHALLENGER))
    said = dict(zip(told["prompt_id"].to_pylist(), told["success_probability"].to_pylist(), strict=True))
    p = np.asarray([said[prompt_id] for prompt_id in arena.prompt_ids], dtype=np.float32)
    whole = ~np.isnan(arena.truth[:, columns]).any(axis=1)
    kept = replace(
        arena,
        candidates=names,
        truth=arena.truth[np.ix_(whole, columns)],
        pool=arena.pool[np.ix_(whole, columns)],
        cost=arena.cost[np.ix_(whole, columns)],
        paid=None if arena.paid is None else arena.paid[np.ix_(whole, columns)],
    )
    return kept, p[whole]


def on_words(train: Labelled, validation: Labelled) -> PromptScorer:
    """Fit the surface to the words of prompts."""
    tokenizer = WordTokenizer(default_backbone())
    tokens = token_ids(tokenizer, texts_of(train.joined(validation)), embeddings.MAX_TOKENS)
    words = learned_words.learn(tokens)

    def described(part: Labelled) -> Labelled:
        return replace(part, vectors=vectors(texts_of(part)))

    def vectors(texts: Sequence[str] | np.ndarray) -> np.ndarray:
        return words(token_ids(tokenizer, list(texts), embeddings.MAX_TOKENS))[:, None]

    scorer = rivals.named(rivals.OURS)(described(train), described(validation))
    return lambda _, texts=None: scorer(vectors(texts))


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
    head = HEAD.format(margin=100 * facts["margin"], splits=facts["splits"])
    words = facts.get(WORDS)
    told = f"{ON_WORDS.format(splits=words['splits'])}\n{_table(words)}" if words else ""
    whole = facts.get(ROUTERS)
    told += f"{WHOLE.format(splits=whole['splits'])}\n{_table(whole)}" if whole else ""
    return f"{head}\n{_table(facts)}{told}"


def _table(facts: dict) -> str:
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
    if "together" not in facts:
        return f"{markdown.table(heads, rows)}\n"
    together = facts["together"]
    share = f", {together['cost_share']:.0f} % of the cost where anything is saved" if "cost_share" in together else ""
    said = f"\nAll sets together: {markdown.gain(together['gain'])} points{share}.\n"
    return f"{markdown.table(heads, rows)}\n{said}"


if __name__ == "__main__":
    main()
