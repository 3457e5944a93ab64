"""What onboarding by the frozen aptitude test is worth, and whether the loss that it promises at most is kept.

    python benchmarks/loss_bound.py [--sets FOLDER ...] [--every 3]

Real outcomes stand in for the endpoint. Every third candidate of a set is left out: aptitude test and surface are made
without it, the champion routes among its four peers in strength, and it is onboarded by the first K questions of the
frozen test alone, with the code that `modelsat onboard` runs. Shown are the gain on the held-out prompts that follows,
the loss bound that the shadow evaluation prints, and in how many cases it is kept. The table goes to
`benchmarks/results/loss_bound.json`; what is there already, by the same code, is not measured again.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adaptive_order import without
from markdown import table
from quality import DATA, KEPT, RESULTS, SETS
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat.aptitude import cards, frozen_test
from modelsat.bundle import admission
from modelsat.bundle.bundle import Bundle
from modelsat.data import splits
from modelsat.data.collection import Collection, collect
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.gate import GateRules
from modelsat.evaluation.verdict import GateOutcome
from modelsat.io.atomic import write_json
from modelsat.onboarding import change, evidence, shadow
from modelsat.onboarding.change import Action, Change
from modelsat.policy import choice
from modelsat.rivals import fusion
from modelsat.routers.fusion import surface
from modelsat.routers.fusion.router import Anchors, Fusion
from modelsat.routers.selection import Selection
from modelsat.studies import cross_validation, newcomers
from modelsat.text import embeddings

INTO = RESULTS.with_name("loss_bound.json")
COUNTS = (64, 250, 1000)
MAX_LOSS = 0.05
NOISE = 1.645

TEXT = """
## Onboarding by the frozen test

One in {every} candidates of a set is left out, and onboarded by the first K questions of an aptitude test that was
chosen without it, into a champion of its four peers in strength. This uses the code of `modelsat onboard`, with real
outcomes in place of its endpoint. "gain" is the gain on held-out prompts, in points, mean and worst. "promoted" is
how many pass the gate at `--max-loss` 5 points, and their gain. "bound" is the printed loss bound, one-sided 95 %.
"kept" is how often the realised loss stays below it; in brackets, how often it does when the noise of the held-out
prompts is allowed for ({noise} standard errors). The figures are from commit f6e7f0f (2026-11-29), before the test
became a fair sample and levels were estimated from observed scores; [Onboard a model](onboarding.md) has some of the
present build.
"""


class Known:
    """Stands in for the encoder: what every text of a set was encoded as."""

    def __init__(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        self.row = {text: i for i, text in enumerate(texts)}
        self.vectors = vectors

    def encode(self, texts: Sequence[str], progress: object = None) -> np.ndarray:  # noqa: ARG002  an encoder's
        """Return the vectors of texts of the set."""
        return self.vectors[[self.row[text] for text in texts]]

    def read(self, texts: Sequence[str], progress: object = None) -> tuple[np.ndarray, list[tuple[int, ...]]]:
        """Return the same beside no tokens, which the surface alone does not read."""
        return self.encode(texts, progress), [()] * len(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--every", type=int, default=3)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    code = fingerprint(fusion.fit, admission, frozen_test, cards, change, evidence, shadow, newcomers)
    kept = resumed(arguments.into, {"code": code, "every": arguments.every, "counts": list(COUNTS)})
    for source in arguments.sets:
        name, began = Path(source).name, time.monotonic()
        if name in kept.setdefault("sets", {}):
            continue
        with threadpool_limits(1):
            kept["sets"][name] = measured(collect([source]), arguments.every)
        write_json(arguments.into, kept)
        print(f"{name}: {kept['sets'][name]} ({time.monotonic() - began:.0f} s)", flush=True)
    print(section(kept))


def measured(collection: Collection, every: int) -> dict:
    """Return what came of every onboarding, by K."""
    arena = cross_validation.build(collection).arena
    collection = complete(collection, arena)
    vectors = embeddings.vectors(arena.texts, KEPT / "vectors")
    stems = dict(zip(*(collection.prompts[c].to_pylist() for c in ("prompt_id", "stem_digest")), strict=True))
    held_out = splits.assign([stems[prompt_id] for prompt_id in arena.prompt_ids]) == splits.TEST
    pools = list(newcomers.matched_pools(arena.truth[~held_out].mean(axis=0)))[::every]
    found: dict[str, list[dict]] = {str(k): [] for k in COUNTS}
    for pool in pools:
        name = arena.candidates[pool.newcomer]
        rest = without(collection, name)
        test = frozen_test.choose(rest)
        champion = bundle(test, rest, arena, vectors, ~held_out, pool)
        for k in COUNTS:
            first = test.table.filter(pc.less(test.table["position"], k))["prompt_id"]
            own = answers(collection, name, first)
            order = Change(Action.ADD, name)
            wider = change.apply(champion, order, own, {})
            judged = shadow.compare(champion, wider, own, order, GateRules())
            gains = gained(champion, wider, arena, held_out)
            verdict = shadow.judge(judged, order, MAX_LOSS)
            found[str(k)].append(
                {
                    "candidate": name,
                    "asked": own.scores.num_rows,
                    "gain": round(100 * float(gains.mean()), 2),
                    "noise": round(100 * float(gains.std() / np.sqrt(len(gains))), 2),
                    "bound": None if judged.loss_bound is None else round(100 * judged.loss_bound, 2),
                    "promoted": verdict.outcome is GateOutcome.PROMOTED,
                }
            )
    return {"prompts": int(held_out.sum()), "pools": len(pools), "onboarded": found}


def bundle(
    test: frozen_test.AptitudeTest,
    rest: Collection,
    arena: Arena,
    vectors: np.ndarray,
    known: np.ndarray,
    pool: newcomers.NewcomerPool,
) -> Bundle:
    """Return a champion that was fitted to all others and routes among the peers."""
    others = [i for i in range(len(arena.candidates)) if i != pool.newcomer]
    names = [arena.candidates[i] for i in others]
    fitted = surface.fit(vectors[known], arena.truth[np.ix_(known, others)], arena.labels[known])
    row_of = {prompt_id: i for i, prompt_id in enumerate(arena.prompt_ids)}
    asked = [row_of[prompt_id] for prompt_id in test.table["prompt_id"].to_pylist()]
    anchors = Anchors(vectors[asked], arena.truth[np.ix_(asked, others)])
    peers = [others.index(i) for i in pool.peers]
    chosen = [names[i] for i in peers]
    table, _ = cards.build(test, rest.scores, chosen)
    level = arena.truth[known].mean(axis=0)
    return Bundle(
        router=Selection(Fusion(names, Known(arena.texts, vectors), fitted, anchors), peers),  # type: ignore[arg-type]
        candidates=rest.candidates.filter(pc.is_in(rest.candidates["candidate"], value_set=pa.array(chosen))),
        aptitude_test=test.table,
        cards=table,
        answers=frozen_test.answers(arena.truth[np.ix_(asked, list(pool.peers))], chosen),
        lineage={"mean_score": {arena.candidates[i]: float(level[i]) for i in pool.peers}},
    )


def complete(collection: Collection, arena: Arena) -> Collection:
    """Return the results on the prompts on which all of the pool were run."""
    inside = pc.is_in(collection.scores["prompt_id"], value_set=pa.array(arena.prompt_ids))
    return evidence.only(replace(collection, scores=collection.scores.filter(inside)), arena.candidates)


def answers(collection: Collection, name: str, questions: pa.ChunkedArray) -> Collection:
    """Return a candidate's results on some questions and no others."""
    own = evidence.only(collection, [name])
    asked = pc.is_in(own.scores["prompt_id"], value_set=questions.combine_chunks())
    return evidence.only(replace(own, scores=own.scores.filter(asked)), [name])


def gained(old: Bundle, new: Bundle, arena: Arena, rows: np.ndarray) -> np.ndarray:
    """Return the score of the changed bundle's choice minus the champion's on every held-out prompt."""
    texts = [arena.texts[i] for i in np.flatnonzero(rows)]
    probability = new.success_probability(texts)
    column = {name: i for i, name in enumerate(arena.candidates)}
    truth = arena.truth[rows][:, [column[name] for name in new.names]].astype(np.float64)
    every = np.arange(len(truth))
    before, after = (
        choice.choose(
            probability[:, : len(one.names)],
            mean_score=one.pool.mean_score,
            uncertainty_margin=one.router.doubt,
        )
        for one in (old, new)
    )
    return truth[every, after] - truth[every, before]


def section(facts: dict) -> str:
    """Return the part of the results page."""
    rows = []
    for name, found in facts["sets"].items():
        for k, cases in found["onboarded"].items():
            gains = np.asarray([case["gain"] for case in cases])
            promoted = np.asarray([case["promoted"] for case in cases])
            bound = np.asarray([np.inf if case["bound"] is None else case["bound"] for case in cases])
            noise = np.asarray([case["noise"] for case in cases])
            brought = f", {gains[promoted].mean():+.2f} ({gains[promoted].min():+.2f})" if promoted.any() else ""
            rows.append(
                [
                    f"{name}, K = {k}",
                    str(len(cases)),
                    f"{gains.mean():+.2f} ({gains.min():+.2f})",
                    f"{promoted.sum()}{brought}",
                    f"{bound[np.isfinite(bound)].mean():.1f}",
                    f"{(-gains <= bound).mean():.0%} ({(-gains - NOISE * noise <= bound).mean():.0%})",
                ]
            )
    heads = ["", "newcomers", "gain (least)", "promoted, gain (least)", "bound", "kept (noise allowed for)"]
    return f"{TEXT.format(every=facts['every'], noise=NOISE)}\n{table(heads, rows)}\n"


if __name__ == "__main__":
    main()
