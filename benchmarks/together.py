"""Two collections that share no prompts, and hardly a candidate: is a router better for learning from both at once?

    python benchmarks/together.py [--sets NAME NAME] [--settings NAME ...]

Fusion is fitted to the training prompts of one set, alone or together with all prompts of the other set; the candidates
of both are columns, missing where they were not run. Both then route the same held-out prompts of the one set among its
own candidates. Prompts of the other set that have a held-out question are left out. `questions` holds out questions,
`kinds` whole benchmarks; `newcomers` leaves out up to eight candidates, one at a time, places each by 64 answers and
asks how well its outcomes on held-out prompts are foretold. The tables go to `benchmarks/results/together.json`; what
is there already, by the same code, is not measured again.
"""

import argparse
import time
from dataclasses import dataclass, replace

import markdown
import numpy as np
from quality import DATA, KEPT, RESULTS
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat.data.collection import Collection, collect
from modelsat.io.atomic import write_json
from modelsat.policy import choice
from modelsat.rivals import fusion
from modelsat.rivals.rival import Labelled
from modelsat.routers.fusion import surface as surfaces
from modelsat.routers.mixture import log_loss
from modelsat.studies import cross_validation, newcomers
from modelsat.studies.cross_validation import Folds
from modelsat.text import embeddings

INTO = RESULTS.with_name("together.json")
SETS = ("specialists", "zeroeval")
SETTINGS = ("questions", "kinds", "newcomers")
FOLDS, ANSWERS, MOST_NEWCOMERS, SEED = 3, 64, 8, 0

TEXT = """
## Two collections at once

Does a router for one set of candidates learn anything from another collection, with other prompts and other
candidates? Fusion is fitted to the training prompts of one set alone, or together with all prompts of the other one,
and routes the same held-out prompts of the first among its own candidates. "Questions" holds out questions, "kinds"
whole benchmarks, in {folds} folds; for "newcomers" candidates (eight, evenly spread) are left out in turn, and placed
by {answers} answers. What both save over alone is in thousandths of a nat per answer. Members and network were not
measured.

On questions of known kinds nothing is gained, and log-loss is worse, probably because what a candidate was not run on
is taken to be its level, which makes candidates more alike than they are. On unseen kinds company makes
probabilities better on both sets, and choices on one; on both the best single candidate is better still. Newcomers are
known here by prompts of their own set alone, while the levels of a surface of both are over all prompts, so they are
misjudged; the aptitude test, by which models are onboarded, holds questions of both.
"""


@dataclass(frozen=True)
class Both:
    """A set and what stands beside it, with the candidates of both as columns.

    Attributes:
        own: Prompts of the set; its m candidates are the first columns.
        other: Prompts of the other set.
        twins: Row of the set that has the same question as each prompt of the other set, -1 for none.
    """

    own: Labelled
    other: Labelled
    twins: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs=2, default=list(SETS))
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    arguments = parser.parse_args()
    kept = resumed(INTO, {"folds": FOLDS, "answers": ANSWERS})
    code = fingerprint(fusion.fit, cross_validation)
    for name, beside in (arguments.sets, arguments.sets[::-1]):
        for setting in arguments.settings:
            table = kept.setdefault("sets", {}).setdefault(name, {})
            if table.get(setting, {}).get("code") == code:
                continue
            began = time.monotonic()
            collection = collect([str(DATA / name)])
            folds = cross_validation.build(collection, FOLDS, unseen=setting == "kinds")
            both = read(folds, collection, collect([str(DATA / beside)]))
            with threadpool_limits(1):
                found = placed(both, folds) if setting == "newcomers" else routed(both, folds)
            table[setting] = found | {"beside": beside, "code": code}
            write_json(INTO, kept)
            print(f"{name} beside {beside}, {setting}: {found} ({time.monotonic() - began:.0f} s)", flush=True)
    print(section(kept))


def read(folds: Folds, collection: Collection, beside: Collection) -> Both:
    """Put the candidates of both sets side by side; one that is in both has one column."""
    others = cross_validation.build(beside)
    names = list(folds.arena.candidates)
    names += [name for name in others.arena.candidates if name not in names]
    own, other = (_wide(part, names) for part in (folds, others))
    place = {stem: i for i, stem in enumerate(_stems(folds, collection))}
    return Both(own, other, np.asarray([place.get(stem, -1) for stem in _stems(others, beside)]))


def _stems(folds: Folds, collection: Collection) -> list[str]:
    of = dict(zip(*(collection.prompts[column].to_pylist() for column in ("prompt_id", "stem_digest")), strict=True))
    return [of[prompt_id] for prompt_id in folds.arena.prompt_ids]


def _wide(folds: Folds, names: list[str]) -> Labelled:
    vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors")
    part = cross_validation.labelled(folds, vectors)
    outcomes, cost = (np.full((len(vectors), len(names)), np.nan, dtype=np.float32) for _ in range(2))
    columns = [names.index(name) for name in folds.arena.candidates]
    outcomes[:, columns], cost[:, columns] = part.outcomes, part.cost
    return replace(part, outcomes=outcomes, cost=cost)


def trained(both: Both, held_out: np.ndarray, m: int) -> dict[str, Labelled]:
    """Return what a router learns from, alone and together; `held_out` is boolean over the prompts of the set."""
    alone = both.own.take(np.flatnonzero(~held_out))
    free = (both.twins < 0) | ~held_out[np.maximum(both.twins, 0)]
    return {"alone": alone.of(range(m)), "together": alone.joined(both.other.take(np.flatnonzero(free)))}


def routed(both: Both, folds: Folds) -> dict:
    """Return accuracies, and what learning together gains in points and saves in nats, over all folds."""
    m, n = len(folds.arena.candidates), len(folds.arena.texts)
    said = {how: np.empty((n, m)) for how in ("alone", "together")}
    for fold in range(folds.count):
        mine = folds.fold == fold
        for how, known in trained(both, mine, m).items():
            surface = surfaces.fit(known.vectors, known.outcomes, known.tasks)
            said[how][mine] = surface.success_probability(surface.directions(both.own.vectors[mine]))[:, :m]
    truth, rows = folds.arena.truth, np.arange(n)
    right = {}
    for how, told in said.items():
        right[how] = truth[rows, choice.choose(told, mean_score=truth.mean(axis=0))]
    saved = (log_loss(said["alone"], truth) - log_loss(said["together"], truth)).mean(axis=1)
    return {
        "prompts": n,
        "accuracy": {how: round(100 * float(one.mean()), 2) for how, one in right.items()},
        "single": round(100 * float(truth[rows, folds.arena.prior.argmax(axis=1)].mean()), 2),
        "gain": markdown.mean_points(right["together"] - right["alone"]),
        "saved": [round(10 * value, 2) for value in markdown.mean_points(saved)],
    }


def placed(both: Both, folds: Folds) -> dict:
    """Return log-loss of newcomers alone and together, and what together saves, over held-out prompts of one fold."""
    m, mine = len(folds.arena.candidates), folds.fold == 0
    left_out = np.unique(np.linspace(0, m - 1, min(m, MOST_NEWCOMERS)).round().astype(int))
    losses = {how: np.empty((mine.sum(), len(left_out))) for how in ("alone", "together")}
    for place, newcomer in enumerate(left_out):
        for how, known in trained(both, mine, m).items():
            zoo = np.setdiff1d(np.arange(known.outcomes.shape[1]), [newcomer])
            others = known.of(zoo)
            surface = surfaces.fit(others.vectors, others.outcomes, others.tasks)
            asked = newcomers.draw(int((~mine).sum()), ANSWERS, SEED)
            asked = np.append(asked, np.zeros(len(known.outcomes) - len(asked), dtype=bool))
            told = fusion.placed(surface, newcomers.known_in_part(known, newcomer, asked), zoo, np.asarray([newcomer]))
            probability = told.success_probability(told.directions(both.own.vectors[mine]))[:, -1]
            losses[how][:, place] = log_loss(probability, folds.arena.truth[mine, newcomer])
    saved = (losses["alone"] - losses["together"]).mean(axis=1)
    return {
        "prompts": int(mine.sum()),
        "newcomers": len(left_out),
        "log_loss": {how: round(float(one.mean()), 4) for how, one in losses.items()},
        "saved": [round(10 * value, 2) for value in markdown.mean_points(saved)],
    }


def section(facts: dict) -> str:
    """Return the part about two collections in Markdown."""
    rows = []
    for name, settings in facts["sets"].items():
        for setting, one in settings.items():
            accuracy = one.get("accuracy")
            rows.append(
                [
                    f"{name} beside {one['beside']}, {setting}",
                    f"{one['prompts']:,}",
                    f"{one['single']:.1f}" if accuracy else "",
                    f"{accuracy['alone']:.1f}" if accuracy else "",
                    f"{accuracy['together']:.1f}" if accuracy else "",
                    markdown.gain(one["gain"]) if accuracy else "",
                    markdown.gain(one["saved"]),
                ]
            )
    heads = [
        "what is held out",
        "prompts",
        "best single, %",
        "alone, %",
        "together, %",
        "gain in points",
        "log-loss saved",
    ]
    return f"{TEXT.format(**facts)}\n{markdown.table(heads, rows)}\n"


if __name__ == "__main__":
    main()
