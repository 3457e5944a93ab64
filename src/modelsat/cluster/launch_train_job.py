"""Fine-tunes in a TrainJob instead of this pod, over a volume that both mount, and follows it.

Training, checkpoints and resume are those of `modelsat.cluster.launch_torchrun`: only the way in which ranks are
started differs.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat.cluster import launch_torchrun
from modelsat.cluster.api import Cluster, Objects
from modelsat.cluster.train_job import GROUP, PLURAL, VERSION, Placement, TrainJobState, job, name_of, state
from modelsat.errors import ConflictError, ModelsatError
from modelsat.io import processes
from modelsat.io.atomic import atomic_folder
from modelsat.io.recorded_failure import recorded_failure


@dataclass(frozen=True)
class TrainJobs:
    """Launches trainings as TrainJobs.

    Attributes:
        jobs: The TrainJobs of the namespace.
        placement: On which nodes.
        poll_seconds: Time from one look at a job to the next.
        sleep: Waits for so many seconds.
    """

    jobs: Objects
    placement: Placement
    poll_seconds: float = 5.0
    sleep: Callable[[float], None] = time.sleep

    def launch(
        self,
        instructions: Path,
        backbone: Path,
        work: Path,
        recipe: str,
        ranks: int,  # noqa: ARG002 - the placement says how many; this is `training_launch.launch` for other nodes
        on_step: Callable[[Mapping[str, float]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Train, or go on training, or return at once where the training in `work` is complete.

        Args:
            instructions: Folder written by `modelsat.aptitude.instructions`; copied onto the volume of `work`.
            backbone: Folder with the language model, the same in the training image or on the volume.
            work: Folder of this training alone, on a volume that the job's pods mount at the same place.
            recipe: Name or path of the recipe.
            ranks: Not used; the placement says it.
            on_step: Called with every logged step.

        Raises:
            ModelsatError: Training failed; errors of ours keep their class.
        """
        facts = launch_torchrun.finished(work)
        if facts is not None:
            return facts
        work.mkdir(parents=True, exist_ok=True)
        with launch_torchrun.alone(work):
            copied = work / "instructions"
            if not copied.exists():
                with atomic_folder(copied) as beside:
                    shutil.copytree(instructions, beside, dirs_exist_ok=True)
            arguments = ["--instructions", str(copied), "--backbone", str(backbone)]
            name = name_of(work.name)
            body = job(name, [*arguments, "--work", str(work), "--recipe", recipe], self.placement, _owner())
            with _deleted_when_we_end(self.jobs, name):
                self._submit(body)
                self._follow(name, work, on_step)
        facts = launch_torchrun.finished(work)
        if facts is None:
            raise ModelsatError(
                f"TrainJob {name!r} completed and left no network in {str(work)!r}; mount one volume, "
                "ReadWriteMany, in this step and in the TrainingRuntime"
            )
        return facts

    def _submit(self, body: dict[str, Any]) -> None:
        """Create the job; an ended job of an earlier try is replaced, a running one is kept."""
        name = body["metadata"]["name"]
        for _ in range(60):
            existing = self.jobs.read(name)
            if existing is not None and state(existing)[0] is TrainJobState.RUNNING:
                return
            if existing is not None:
                self.jobs.delete(name)
            try:
                self.jobs.create(body)
            except ConflictError:
                # An object that is being deleted still occupies its name.
                self.sleep(self.poll_seconds)
                continue
            print(f"TrainJob {name} on {self.placement.nodes} nodes", flush=True)  # noqa: T201
            return
        raise ModelsatError(f"TrainJob {name!r} of an earlier try is not gone; delete it and run the step again")

    def _follow(self, name: str, work: Path, on_step: Callable[[Mapping[str, float]], None]) -> None:
        reported = len(launch_torchrun.history(work))
        while True:
            current = self.jobs.read(name)
            rows = launch_torchrun.history(work)
            for row in rows[reported:]:
                print("  ".join(f"{key} {value:.6g}" for key, value in row.items()), flush=True)  # noqa: T201
                on_step(row)
            reported = max(reported, len(rows))
            if current is None:
                raise ModelsatError(f"TrainJob {name!r} was deleted while it ran; run the step again to go on")
            ended, message = state(current)
            if ended is TrainJobState.COMPLETE:
                return
            if ended is TrainJobState.FAILED:
                raise recorded_failure(work) or ModelsatError(
                    f"TrainJob {name!r} failed ({message}); its pods' logs say why, run the step again to go on from "
                    "the last checkpoint"
                )
            self.sleep(self.poll_seconds)


def launcher(placement: Placement) -> Callable[..., dict[str, Any]]:
    """Return what starts the training: the ranks of this pod where the placement has 0 nodes, a TrainJob elsewhere."""
    if not placement.nodes:
        return launch_torchrun.launch
    return TrainJobs(Cluster(GROUP, VERSION, PLURAL), placement).launch


def _owner() -> dict[str, str] | None:
    """Return the pod of this step, as Kubeflow Pipelines names it to the step."""
    name, uid = os.environ.get("KFP_POD_NAME", ""), os.environ.get("KFP_POD_UID", "")
    return {"name": name, "uid": uid} if name and uid else None


@contextmanager
def _deleted_when_we_end(jobs: Objects, name: str) -> Iterator[None]:
    """Delete the job when this step ends or is cancelled; checkpoints stay, and the next try resumes from them."""
    with processes.ended_in_order():
        try:
            yield
        finally:
            jobs.delete(name)
