"""The rivals' own packages beside ours, on the same prompts and vectors.

    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.13.0
    ENVIRONMENT/bin/pip install -r benchmarks/packages-requirements.txt
    python benchmarks/packages.py --python ENVIRONMENT/bin/python [--sets FOLDER ...]

The packages are no dependency of ours: `package_routers` is run by that environment, and arrays go there and back in a
scratch folder. Fold 0 of the cross-validation of `quality.py` is held out. The packages train on the same rows as our
rivals; only ours choose settings on validation prompts. Results go to `benchmarks/results/packages.json`.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from counterparts import SINGLE, needed, routed, sent_to_strong, strong_and_weak, two_of
from markdown import mean_points
from packages_page import section
from quality import DATA, KEPT, RESULTS, SETS
from threadpoolctl import threadpool_limits

from modelsat.data.collection import collect
from modelsat.errors import ServiceError
from modelsat.io.atomic import write_json
from modelsat.rivals.rival import Labelled
from modelsat.studies import cross_validation
from modelsat.text import embeddings

ROUTERS = Path(__file__).resolve().parent / "package_routers"
# None of them may look for a network: prices are bundled, and clients are made at import though never used.
OFFLINE = {"HF_HUB_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENAI_API_KEY": "none"}

# Theirs, ours, and whether they are of one kind: only then are they expected to agree.
ALL = (
    ("llmrouter kNN", "knn, their settings", True),
    ("llmrouter kNN", "knn", True),
    ("llmrouter kNN, rows by name", "knn, their settings, rows by name", True),
    ("llmrouter kNN, rows by name", "knn", True),
    ("llmrouter MLP", "mlp, their settings", True),
    ("llmrouter MLP", "mlp", True),
    ("llmrouter SVM", "ridge", False),
    ("llmrouter SVM", SINGLE, False),
    ("llmrouter MF", "embedllm", False),
    ("llmrouter MF", SINGLE, False),
    ("llmrouter GraphRouter", "embedllm", False),
    ("llmrouter GraphRouter", SINGLE, False),
    ("llmrouter Elo", SINGLE, False),
    ("litellm semantic", "knn", False),
    ("litellm semantic", SINGLE, False),
)
PAIR = (
    ("routellm mf", "embedllm, their settings", True),
    ("routellm mf", "embedllm", True),
    ("routellm sw_ranking", "knn", False),
    ("llmrouter Hybrid LLM", "mlp", False),
    ("litellm complexity", "knn", False),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="interpreter of the environment with the packages")
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--into", type=Path, default=RESULTS.with_name("packages.json"))
    arguments = parser.parse_args()
    facts = {"versions": {}, "sets": {}}
    for source in arguments.sets:
        began = time.monotonic()
        facts["sets"][Path(source).name], facts["versions"] = measured(source, arguments.python)
        write_json(arguments.into, facts)
        print(f"{Path(source).name}: {time.monotonic() - began:.0f} s", flush=True)
    print(section(facts))


def measured(source: str, python: Path) -> tuple[dict, dict]:
    """Return what was found on one set, and the versions of the packages."""
    folds = cross_validation.build(collect([source]))
    arena = folds.arena
    vectors = embeddings.vectors(arena.texts, KEPT / "vectors")[:, -1]
    everything = Labelled(vectors, arena.truth, arena.labels, arena.cost)
    held_out = np.flatnonzero(folds.fold == 0)
    parts = [everything.take(rows) for rows in (folds.train(0), folds.validation(0), held_out)]
    train, _, test = parts
    means = train.outcomes.mean(axis=0)
    pair = strong_and_weak(means, train.cost.mean(axis=0))
    arrays = {
        "train": train.vectors,
        "outcomes": train.outcomes,
        "test": test.vectors,
        "names": np.asarray(arena.candidates),
        "order": np.argsort(-means, kind="stable"),
        "pair": np.asarray(pair),
    }
    with tempfile.TemporaryDirectory() as scratch:
        choices, need, versions = ask(python, Path(scratch), arrays, [arena.texts[i] for i in held_out])
    with threadpool_limits(1):
        choices |= routed(*parts)
        need |= needed(*(two_of(part, pair) for part in parts))
    two = {name: sent_to_strong(values) for name, values in need.items()}
    two |= {"strong alone": np.zeros(len(held_out), dtype=int), "weak alone": np.ones(len(held_out), dtype=int)}
    found = {
        "prompts": len(held_out),
        "candidates": len(means),
        "pair": [arena.candidates[column] for column in pair],
        "all": table(ALL, choices, test.outcomes),
        "two": table(PAIR, two, test.outcomes[:, pair]),
    }
    return found, versions


def ask(python: Path, folder: Path, arrays: dict, texts: list[str]) -> tuple[dict, dict, dict]:
    """Let the packages route.

    Args:
        python: Interpreter of their environment.
        folder: Empty; all that passes between the two environments lies here.
        arrays: What `package_routers` reads as its task.
        texts: Of the test prompts.

    Returns:
        Chosen columns by router, win rates of the strong candidate by router of the pair, versions by package.

    Raises:
        ServiceError: It failed; the message ends with the end of its log.
    """
    np.savez(folder / "task.npz", **arrays)
    (folder / "prompts.json").write_text(json.dumps(texts), encoding="utf-8")
    environment = {**os.environ, **OFFLINE, "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w+", encoding="utf-8") as log:
        command = [str(python), str(ROUTERS), str(folder)]
        done = subprocess.run(command, env=environment, stderr=log, check=False)
        log.seek(0)
        if done.returncode:
            end = "".join(log.readlines()[-20:])
            raise ServiceError(
                f"{str(python)!r} ended with {done.returncode} while it ran the packages; install "
                f"benchmarks/packages-requirements.txt there, or see the end of its log:\n{end}"
            )
    found = []
    for name in ("choices.npz", "win_rates.npz"):
        with np.load(folder / name, allow_pickle=False) as kept:
            found.append(dict(kept))
    return found[0], found[1], json.loads((folder / "versions.json").read_text(encoding="utf-8"))


def table(beside: tuple, choices: dict[str, np.ndarray], truth: np.ndarray) -> dict:
    """Return the accuracy of every router in percent, and theirs beside ours."""
    rows = np.arange(len(truth))
    return {
        "accuracy": {name: round(100 * float(truth[rows, choice].mean()), 2) for name, choice in choices.items()},
        "beside": [
            {"theirs": theirs, "ours": ours, "same kind": same, **compared(choices[theirs], choices[ours], truth)}
            for theirs, ours, same in beside
        ],
    }


def compared(theirs: np.ndarray, ours: np.ndarray, truth: np.ndarray) -> dict:
    """Return theirs minus ours in points, the share of equal choices, and whether the interval holds 0.

    Args:
        theirs: Chosen columns (prompts,).
        ours: The same of our rival.
        truth: Scores (prompts, candidates).
    """
    rows = np.arange(len(truth))
    gain = mean_points(truth[rows, theirs] - truth[rows, ours])
    return {"gain": gain, "equal": round(float((theirs == ours).mean()), 4), "agrees": gain[1] <= 0 <= gain[2]}


if __name__ == "__main__":
    main()
