"""Two controls of the whole training: nothing is found where there is nothing, and what was planted is found.

    python benchmarks/two_controls.py [--category NAME]

Both start from the synthetic sample. Permuted: every score column is permuted independently, so no prompt tells
anything about any candidate; the gain's interval has to hold 0. Planted: a candidate that is right on every prompt of
one category and wrong elsewhere; it has to get that category's prompts.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from modelsat.aptitude import instructions
from modelsat.bundle import bundle
from modelsat.data import collection, sample
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import table as evaluation
from modelsat.steps import finetune


def trained(scores: Path, work: Path, recipe: str) -> tuple[arenas.Arena, np.ndarray]:
    """Train on a folder of scores; return the arena and the challenger's probabilities on it."""
    found = collection.collect([str(scores)])
    instructions.build(found).write(work / "instructions")
    settings = finetune.FinetuneSettings(recipe=recipe)
    folders = [work / name for name in ("router", "predictions.parquet", "page.html", "work")]
    finetune.run(work / "instructions", *folders, settings)
    arena = arenas.build(found)
    return arena, bundle.read(work / "router").success_probability(arena.texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="cpu")
    parser.add_argument("--category", default="calendar")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for control in ("permuted", "planted"):
            folder = Path(scratch) / control
            sample.write(folder / "scores")
            if control == "permuted":
                sample.permute_scores(folder / "scores", seed=1)
            else:
                sample.plant_specialist(folder / "scores", arguments.category, "planted-specialist")
            arena, probabilities = trained(folder / "scores", folder, arguments.recipe)
            table = evaluation.evaluate(arena, {evaluation.CHALLENGER: probabilities})
            gain = table.line(evaluation.CHALLENGER).gain
            print(f"\n{control}: gain {100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})")
            if control == "planted":
                rows = np.asarray([label.split("/")[-1] == arguments.category for label in arena.labels])
                planted = table.choices[evaluation.CHALLENGER] == arena.candidates.index("planted-specialist")
                print(f"{planted[rows].mean():.1%} of {rows.sum()} held-out {arguments.category} prompts go to it,")
                print(f"{planted[~rows].mean():.1%} of the other {(~rows).sum()}")
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
