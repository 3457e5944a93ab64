"""Trains several times in one launch, since most of a launch is imports; no test, but what tests start.

    python -m torch.distributed.run --nproc_per_node 2 tests/training/several.py PLAN

The plan is a JSON list of trainings: instructions, backbone, work, recipe, and after which step to stop (0 for none).
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training import checkpoints, finetune, paper, recipe
from training.paper.recipe import PaperRecipe

_save = checkpoints.save


class Stop(Exception):
    """The step after which to stop is saved."""


def saving_until(last: int) -> Callable[..., None]:
    def save(engine: Any, folder: Path, step: int, *rest: Any) -> None:
        _save(engine, folder, step, *rest)
        if step == last:
            raise Stop

    return save


def main() -> None:
    for one in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        settings = recipe.load(one["recipe"])
        mode = paper.finetune if isinstance(settings, PaperRecipe) else finetune
        checkpoints.save = saving_until(one["stop"])
        try:
            mode.finetune(*(Path(one[name]) for name in ("instructions", "backbone", "work")), settings)
        except Stop:
            continue


if __name__ == "__main__":
    main()
