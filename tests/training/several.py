"""Trains in ranks that are forked from one process, since most of a launch is imports; no test, but what tests start.

    python tests/training/several.py

Each line of the input is one launch, in JSON: how many `ranks`, the `log` of what they print, and the `plan`, a list of
trainings one after the other: instructions, backbone, work, recipe, and after which step to stop (0 for none). It is
answered by a line `ended N`, where N is 0 if every rank ended well.
"""

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
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


def train(plan: Sequence[Mapping[str, Any]]) -> None:
    for one in plan:
        settings = recipe.load(one["recipe"])
        mode = paper.finetune if isinstance(settings, PaperRecipe) else finetune
        checkpoints.save = saving_until(one["stop"])
        try:
            mode.finetune(*(Path(one[name]) for name in ("instructions", "backbone", "work")), settings)
        except Stop:
            continue


def launch(ranks: int, log: str, plan: Sequence[Mapping[str, Any]]) -> int:
    """Train in new processes; return 0 if all of them ended well. One that does not takes the others with it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    running = {_fork(place | _of_rank(rank, ranks), log, plan) for rank in range(ranks)}
    worst = 0
    while running:
        pid, status = os.wait()
        running.discard(pid)
        if status:
            worst = status
            for other in running:
                os.kill(other, signal.SIGKILL)
    return worst


def _of_rank(rank: int, ranks: int) -> dict[str, str]:
    """Return what torchrun tells a rank."""
    said = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
    return {name: str(value) for name, value in said.items()}


def _fork(environment: Mapping[str, str], log: str, plan: Sequence[Mapping[str, Any]]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.environ.update(environment)
        into = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(into, 1)
        os.dup2(into, 2)
        train(plan)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # What the parent registered for its own end is none of a rank's business.
        os._exit(status)


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(f"ended {launch(**json.loads(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
