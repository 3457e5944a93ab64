"""What fusion loses where it is fitted to a sample of the training prompts, as on very large sets, and what it takes.

    python benchmarks/fitted_prompts.py [--sets FOLDER ...] [--sizes 10240x1000 20480x1000]

On the folds of `quality.py` by question: the paired difference in points from fusion that is fitted to all training
prompts. Memory is that of a process which fits and weighs the members without words on simulated outcomes of so many
prompts and candidates. The table goes to `benchmarks/results/fitted_prompts.json`; what is there already, by the same
code, is not measured again.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from markdown import gain, mean_points, table
from quality import DATA, KEPT, RESULTS
from records import fingerprint, resumed
from scale import measured
from threadpoolctl import threadpool_limits

from modelsat.data import splits
from modelsat.data.collection import collect
from modelsat.evaluation import table as evaluation
from modelsat.io.atomic import write_json
from modelsat.rivals import fusion
from modelsat.rivals.rival import Labelled, PromptFit, Scorer, on_all_layers
from modelsat.studies import cross_validation
from modelsat.text import embeddings

INTO = RESULTS.with_name("fitted_prompts.json")
SETS = ("zeroeval", "specialists", "mmlupro", "mmlu_helm")
SHARES = (1, 2, 4, 8)

TEXT = """
### Matrices of prompts and candidates

Closed forms are fitted to at most {train:,} training and {validation:,} validation prompts, drawn at random
(`splits.fitted`); the questions of the aptitude test are always among them. So the matrices that are computed with grow
with prompts no further than that, and with candidates in proportion. No set here is as large; what a sample costs is
measured by sampling smaller ones. Gain of fusion in points, fitted to a part of the training prompts, over fusion
fitted to all of them, by {folds} folds of questions:
"""
MEMORY = """
Half of some 3,000 prompts is no significant loss, fewer are. What half of 80,000 loses is not measured.

Largest memory of a process that cross-fits, weighs and fits the members without words, with simulated outcomes (one
run): {told}. At the sample's bound, 40,960 prompts, it grows no further with prompts.
"""
FIT = """
import sys
import numpy as np
from modelsat.routers.fusion import members
n, m = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
vectors = rng.normal(size=(n, 1, 384)).astype(np.float32)
kinds = rng.integers(0, 10, n)
vectors[:, :, :10] += 3 * np.eye(10, dtype=np.float32)[kinds][:, None]
vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
scores = (rng.random((n, m), dtype=np.float32) < rng.random((10, m), dtype=np.float32)[kinds]).astype(np.float32)
scores[rng.random((n, m), dtype=np.float32) < 0.02] = np.nan
said = members.cross_fitted(vectors, None, scores, kinds.astype(str), [str(i) for i in range(n)])
weights = members.weigh(said, scores)
members.mixed(said, weights)
members.fit(vectors, None, scores, kinds.astype(str), weights)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--sizes", nargs="+", default=["10240x1000", "20480x1000"], help="PROMPTSxCANDIDATES")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    kept = resumed(arguments.into, {"code": fingerprint(fusion.fit, cross_validation), "shares": list(SHARES)})
    for source in arguments.sets:
        name = Path(source).name
        if name in kept.setdefault("sets", {}):
            continue
        folds = cross_validation.build(collect([source]))
        vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors")
        with threadpool_limits(1):
            scores = {
                str(share): cross_validation.held_out_scores(folds, vectors, fitted_to(share)) for share in SHARES
            }
        correct = evaluation.evaluate(folds.arena, scores).correct
        size = len(folds.train(0)) + len(folds.validation(0))
        found = {share: mean_points(correct[share] - correct["1"]) for share in scores if share != "1"}
        kept["folds"] = folds.count
        kept["sets"][name] = {"prompts": size, "candidates": len(folds.arena.candidates), "gain": found}
        print(name, kept["sets"][name], flush=True)
        write_json(arguments.into, kept)
    for size in arguments.sizes:
        if size not in kept.setdefault("memory", {}):
            kept["memory"][size] = round(
                measured([sys.executable, "-W", "ignore", "-c", FIT, *size.split("x")])["gib"], 2
            )
            write_json(arguments.into, kept)
    print(section(kept))


def fitted_to(share: int) -> PromptFit:
    """Return fusion on one of so many prompts, drawn at random."""

    def few(prompts: Labelled) -> Labelled:
        drawn = np.random.default_rng(0).permutation(len(prompts.outcomes))
        return prompts.take(np.sort(drawn[: len(drawn) // share]))

    def fit(train: Labelled, validation: Labelled) -> Scorer:
        return fusion.fit(few(train), few(validation))

    return on_all_layers(fit)


def section(facts: dict) -> str:
    """Return the part of the results page."""
    heads = ["", *(f"1 of {share} prompts" for share in facts["shares"][1:])]
    rows = [
        [f"{name} ({one['prompts']:,} prompts, {one['candidates']} candidates)", *map(gain, one["gain"].values())]
        for name, one in facts["sets"].items()
    ]
    most = splits.MOST_FITTED
    text = TEXT.format(train=most[splits.TRAIN], validation=most[splits.VALIDATION], folds=facts["folds"])
    sizes = [[f"{int(n):,}" for n in size.split("x")] for size in facts["memory"]]
    told = zip(facts["memory"].values(), sizes, strict=True)
    memory = "; ".join(f"{gib:.2f} GiB for {n} prompts and {m} candidates" for gib, (n, m) in told)
    return f"{text}\n{table(heads, rows)}\n{MEMORY.format(told=memory)}"


if __name__ == "__main__":
    main()
