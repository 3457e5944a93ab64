"""Starts fine-tuning as separate processes under torchrun, and follows them.

The training code is started by its module name, so that this library never imports DeepSpeed.
"""

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modelsat.errors import ConflictError, InputError, ModelsatError, ResourceError
from modelsat.io import processes
from modelsat.io.atomic import DISK_FULL
from modelsat.io.recorded_failure import recorded_failure
from modelsat.io.storage import file_digest

_SAID_ON_FAILURE = 300
# More than the half minute that torchrun gives its ranks.
_SECONDS_TO_END = 40


def launch(
    instructions: Path,
    backbone: Path,
    work: Path,
    recipe: str,
    ranks: int,
    on_step: Callable[[Mapping[str, float]], None] = lambda _: None,
) -> dict[str, Any]:
    """Train, resume a training, or return at once if the training in `work` is complete.

    Args:
        instructions: Folder written by `modelsat.aptitude.instructions`.
        backbone: Folder with the language model.
        work: Folder of this training alone: states, checkpoints, result.
        recipe: Name or path of the recipe.
        ranks: Processes on this machine, at least 1; one per GPU where there are any.
        on_step: Called with every logged step.

    Returns:
        What training leaves in `trained.json`.

    Raises:
        ConflictError: Another process trains in `work`.
        ModelsatError: Training failed; errors of ours keep their class.
    """
    trained = finished(work)
    if trained is None:
        work.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
        command += ["-m", "training.finetune", "--instructions", str(instructions), "--backbone", str(backbone)]
        command += ["--work", str(work), "--recipe", recipe]
        with alone(work), processes.ended_in_order():
            _follow(command, work, on_step)
        trained = finished(work)
    if trained is None:
        raise ModelsatError(f"fine-tuning left no complete network in {str(work)!r}; run the same command again")
    return trained


def resolve(recipe: str) -> dict[str, Any]:
    """Return the settings of a recipe and the digest of the code that would train with them.

    Raises:
        InputError: There is no such recipe, or a value is out of bounds.
    """
    command = [sys.executable, "-m", "training.recipe", recipe]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise InputError((answer.stderr.strip() or f"recipe {recipe!r} is not usable").splitlines()[-1])
    resolved: dict[str, Any] = json.loads(answer.stdout)
    return resolved


def history(work: Path) -> list[dict[str, float]]:
    """Return the logged steps of a training in order; a step that was repeated after a kill counts once."""
    path = work / "history.jsonl"
    if not path.exists():
        return []
    rows: dict[float, dict[str, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            # The writer was killed while writing this line.
            continue
        rows[row["step"]] = row
    return [rows[step] for step in sorted(rows)]


def finished(work: Path) -> dict[str, Any] | None:
    """Return the content of `trained.json`; None if the training is incomplete or its files have changed."""
    try:
        trained: dict[str, Any] = json.loads((work / "trained.json").read_text(encoding="utf-8"))
        return trained if file_digest(work / "network.safetensors") == trained["network_digest"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def alone(work: Path) -> Iterator[None]:
    """Keep a second launch out of a folder; the lock goes with the process that holds it, however that ends."""
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(f"another process trains in {str(work)!r}; wait for it or stop it") from error
        (work / "failed.json").unlink(missing_ok=True)
        yield


def _follow(command: list[str], work: Path, on_step: Callable[[Mapping[str, float]], None]) -> None:
    environment = {
        # Tensors of varying shapes fragment the heap.
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
        "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20),
        "OMP_NUM_THREADS": str(os.cpu_count() or 1),
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }
    said: deque[str] = deque(maxlen=_SAID_ON_FAILURE)
    reported = len(history(work))
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        for line in process.stdout or ():
            said.append(line.rstrip())
            print(line, end="", flush=True)  # noqa: T201
            if " loss " in line:
                rows = history(work)
                for row in rows[reported:]:
                    on_step(row)
                reported = max(reported, len(rows))
        process.wait()
    finally:
        # No rank may outlive this step; torchrun starts each in a session of its own and ends it itself.
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if process.returncode:
        raise _failure(work, process.returncode, list(said))


def _failure(work: Path, code: int, said: list[str]) -> ModelsatError:
    recorded = recorded_failure(work)
    if recorded is not None:
        return recorded
    full = [line for line in said if line.startswith(DISK_FULL)]
    if full:
        return ResourceError(full[0])
    raised = [line for line in said if re.search(r"\w(Error|Exception|Interrupt)\b: ", line)]
    # When one rank is killed the others raise too; torchrun names the first cause last.
    killed = [f"a rank was ended by {name}" for line in said for name in re.findall(r"Signal \d+ \((SIG\w+)\)", line)]
    last = (killed or raised or [line for line in said if line.strip()] or ["nothing was printed"])[-1]
    return ModelsatError(
        f"fine-tuning ended with exit code {code} in {str(work)!r} ({last}); run the same command to go on from the "
        "last checkpoint"
    )
