"""Runs a pipeline on one machine with `kfp.local`: the same graph and components as on a cluster."""

import contextlib
import copy
import os
import re
import shutil
import sys
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp import compiler, local

from modelsat import errors
from modelsat.errors import InputError, ModelsatError
from modelsat.io import processes
from modelsat.io.mlflow_left_runs import WORKER_VARIABLE
from pipelines.retrain import retrain
from pipelines.step_lines import StepLines
from pipelines.step_processes import none_outlives_us

_RAISED = re.compile(r"^modelsat\.errors\.(\w+): (.+)$")
_HALTED = re.compile(r"^halted with (\d+): (.+)$")
_EXCEPTION = re.compile(r"^[\w.]+(?:Error|Exception|Interrupt|Exit): ")
_OF_KFP = re.compile(r" - (?:INFO|ERROR) - ")
_RUNS_KEPT = 3
_PROCESSES = local.SubprocessRunner(use_venv=False)
_PAGES = {
    "collect-scores": "collected.html",
    "validate-scores": "validated.html",
    "finetune-router": "trained.html",
    "evaluate-router": "evaluated.html",
    "validate-answers": "answers.html",
    "admit-candidate": "card.html",
    "shadow-router": "shadow.html",
}


def run(
    folder: Path,
    arguments: Mapping[str, Any],
    pipeline: Any = retrain,
    runner: local.SubprocessRunner | local.DockerRunner = _PROCESSES,
) -> Path:
    """Run a pipeline and return the folder with the outputs of its tasks.

    Args:
        folder: Where runs, logs and pages are kept.
        arguments: Parameters of the pipeline.
        pipeline: Which one.
        runner: How steps run: as processes of this environment, or as containers of their images. KFP 2.17 takes a
            container that is gone when it asks for the exit code for a success: trust no verdict of a `DockerRunner`.

    Raises:
        ModelsatError: A step failed or halted, with that step's sentence and exit code.
    """
    _drop_old(folder / "pipeline")
    root = folder / "pipeline" / uuid.uuid4().hex[:12]
    root.mkdir(parents=True)
    (folder / "logs").mkdir(exist_ok=True)
    log = folder / "logs" / f"pipeline-{root.name}.log"
    lines = StepLines(_display_names(pipeline), sys.stdout, log)
    with warnings.catch_warnings():
        # Images, requests and secrets are for clusters; that this runner passes them over is no news.
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        # The processes of the steps end one after another; what goes on between them is this one.
        os.environ[WORKER_VARIABLE] = processes.worker()
        local.init(runner=runner, pipeline_root=str(root), raise_on_error=True)
        try:
            with none_outlives_us(), contextlib.redirect_stdout(lines):
                _for_one_machine(pipeline)(**arguments)
        except RuntimeError as error:
            raise _failure(lines.said, log) from error
        finally:
            lines.close()
            _keep_pages(root, folder / "pages")
    return _tasks(root)


def output(tasks: Path, task: str, name: str) -> Path:
    """Return the path of one task's output artifact."""
    return tasks / task / name


def _for_one_machine(pipeline: Any) -> Any:
    """Return the pipeline for one machine: one step after another.

    A second try would meet the same disk and the same files there, and the variables that a step is given name folders
    that only pods have: secrets are in the caller's environment.
    """
    single = copy.deepcopy(pipeline)
    for dag in (single.pipeline_spec.root, *single.pipeline_spec.components.values()):
        for task in dag.dag.tasks.values():
            task.ClearField("retry_policy")
            if task.WhichOneof("iterator"):
                task.iterator_policy.parallelism_limit = 1
    for executor in single.pipeline_spec.deployment_spec["executors"].values():
        if "env" in executor["container"]:
            del executor["container"]["env"]
    return single


def _drop_old(runs: Path) -> None:
    """Keep the outputs of the newest runs only: each holds copies of a bundle."""
    if runs.is_dir():
        for old in sorted(runs.iterdir(), key=lambda path: path.stat().st_mtime)[: -(_RUNS_KEPT - 1)]:
            shutil.rmtree(old, ignore_errors=True)


def _tasks(root: Path) -> Path:
    runs = [path for path in root.iterdir() if path.is_dir()]
    return runs[0] if runs else root


def _display_names(pipeline: Any) -> dict[str, str]:
    names = {}
    for dag in (pipeline.pipeline_spec.root, *pipeline.pipeline_spec.components.values()):
        for task in dag.dag.tasks.values():
            component = task.component_ref.name.removeprefix("comp-")
            if not component.startswith(("halt", "condition", "for-loop")):
                names[component] = task.task_info.name
    return names


def _failure(said: list[str], log: Path) -> ModelsatError:
    for line in reversed(said):
        raised, halted = _RAISED.match(line), _HALTED.match(line)
        if raised and isinstance(getattr(errors, raised[1], None), type):
            error: ModelsatError = getattr(errors, raised[1])(raised[2])
            return error
        if halted:
            return errors.of_exit_code(int(halted[1]))(halted[2])
    # The last exception says more than what KFP prints behind it: a verdict on the task, and dashes.
    lines = [line for line in reversed(said) if re.search(r"\w", line) and not _OF_KFP.search(line)]
    last = next((line for line in lines if _EXCEPTION.match(line)), lines[0] if lines else "it printed nothing")
    return ModelsatError(f"a step of the pipeline failed ({last}); {str(log)!r} holds its whole log")


def _keep_pages(root: Path, pages: Path) -> None:
    pages.mkdir(parents=True, exist_ok=True)
    for task, name in _PAGES.items():
        source = output(_tasks(root), task, "report")
        if source.is_file():
            shutil.copyfile(source, pages / name)


def compile_to(path: Path, pipeline: Any = retrain) -> None:
    """Write a pipeline as YAML that Kubeflow accepts.

    Raises:
        InputError: The file's name does not say that it is YAML.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{str(path)!r} is no name of a pipeline's file; let it end in .yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(pipeline, str(path))
