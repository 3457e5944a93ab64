"""A foreign source: rivals fitted on one set and asked about another, over the candidates that both have.

    python benchmarks/transfer.py [--sets FOLDER ...] [--rivals NAME ...]

All ordered pairs of the sets, once over the candidates that were run on 95 % of both, once over those run on 30 %,
which are more on fewer prompts. The tables go to `benchmarks/results/transfer.json`; what is there already, with the
same code, is not measured again.
"""

import argparse
import time
from itertools import permutations
from pathlib import Path

import markdown
import numpy as np
from markdown import mean_points
from quality import DATA, KEPT, RESULTS, SETS, line
from records import fingerprint, resumed
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.evaluation.arena import texts_of
from modelsat.io.atomic import write_json
from modelsat.policy import choice
from modelsat.rivals.rival import Labelled
from modelsat.studies import transfer
from modelsat.text import embeddings

INTO = RESULTS.with_name("transfer.json")
SHARES = (transfer.CORE_SHARE, 0.3)
RIVALS = (
    rivals.OURS,
    "knn",
    "ridge",
    "task-classifier",
    "stack",
    "embedllm",
    "saverouter",
    "uniroute",
    "inference-dynamics",
)
OWN, RANDOM, ORACLE = "best single of the target", "random", "oracle"

TEXT = """
## Another source of prompts

Routers are fitted on the results of one set and tested on the prompts of another, over the candidates that both have.
Questions that both sets have are removed from training. A gain is over the single candidate that is best on the
source's training prompts, because no label of the target is known. "best single of the target" is chosen on other
folds of the target itself and is an upper reference. There are two pools: the candidates run on {core} % of both
sets, and those run on {wide} %, which are more candidates on fewer prompts.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    kept = resumed(arguments.into, {"shares": list(SHARES)})
    collections = {Path(source).name: collect([source]) for source in arguments.sets}
    vectors = {}
    for name, one in collections.items():
        texts = texts_of(one, np.arange(one.prompts.num_rows))
        vectors[name] = embeddings.vectors(texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
    for share in SHARES:
        for names in permutations(collections, 2):
            source, target = (collections[name] for name in names)
            cut = transfer.cross(source, target, share)
            known, asked = (transfer.labelled(collections[name], cut.candidates, vectors[name]) for name in names)
            train, validation, test = known.take(cut.train), known.take(cut.validation), asked.take(cut.test)
            pairs = kept.setdefault("pairs", {}).setdefault(f"{100 * share:.0f} %", {})
            table = pairs.setdefault(" to ".join(names), {"rivals": {}})
            table.update(described(cut, train, test))
            for rival in arguments.rivals:
                fit, began = rivals.named(rival), time.monotonic()
                code = fingerprint(fit, transfer)
                if table["rivals"].get(rival, {}).get("code") == code:
                    continue
                with threadpool_limits(1):
                    scores = fit(train, validation)(test.vectors, test.texts)
                chosen = choice.choose(scores, mean_score=train.outcomes.mean(axis=0))
                table["rivals"][rival] = {"gain": gain(test, chosen, single(train)), "code": code}
                write_json(arguments.into, kept)
                shown = markdown.gain(table["rivals"][rival]["gain"])
                print(f"{' to '.join(names)} {share} {rival}: {shown} ({time.monotonic() - began:.0f} s)", flush=True)
    write_json(arguments.into, kept)
    print(section(kept))


def single(train: Labelled) -> int:
    """Return the candidate that is best on the source's training prompts."""
    return int(train.outcomes.mean(axis=0).argmax())


def gain(test: Labelled, chosen: np.ndarray, best: int) -> list[float]:
    """Return how much better than the source's best single the chosen columns (prompts,) are, in points."""
    truth = test.outcomes.astype(np.float64)
    return mean_points(truth[np.arange(len(truth)), chosen] - truth[:, best])


def described(cut: transfer.Crossing, train: Labelled, test: Labelled) -> dict:
    """Return sizes and reference lines of a pair."""
    best, truth = single(train), test.outcomes.astype(np.float64)
    return {
        "candidates": list(cut.candidates),
        "train": len(cut.train),
        "removed": cut.removed,
        "prompts": len(cut.test),
        "single": cut.candidates[best],
        "accuracy": round(100 * float(truth[:, best].mean()), 2),
        "references": {
            OWN: gain(test, transfer.own_best(test.outcomes, cut.fold), best),
            ORACLE: mean_points(truth.max(axis=1) - truth[:, best]),
            RANDOM: mean_points(truth.mean(axis=1) - truth[:, best]),
        },
    }


def section(facts: dict) -> str:
    """Return the part of the results page: a table per pool, a column per pair."""
    core, wide = (f"{100 * share:.0f}" for share in facts["shares"])
    parts = [TEXT.format(core=core, wide=wide)]
    for share, pairs in facts["pairs"].items():
        rows = [
            ["candidates", *(str(len(table["candidates"])) for table in pairs.values())],
            ["training prompts (removed)", *(f"{table['train']:,} ({table['removed']:,})" for table in pairs.values())],
            ["prompts", *(f"{table['prompts']:,}" for table in pairs.values())],
            ["best single of the source, accuracy in %", *(f"{table['accuracy']:.1f}" for table in pairs.values())],
        ]
        for rival in dict.fromkeys(name for table in pairs.values() for name in table["rivals"]):
            found = [table["rivals"].get(rival) for table in pairs.values()]
            rows.append([rival, *(markdown.gain(one["gain"]) if one else "" for one in found)])
        for name in (OWN, ORACLE, RANDOM):
            rows.append([name, *(markdown.gain(table["references"][name]) for table in pairs.values())])
        parts += [markdown.table([f"run on {share} of both, gain in points", *pairs], rows), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    main()
