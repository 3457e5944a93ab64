"""MLflow: the runs of the pipeline, the registered router and its aliases.

Every side effect is keyed by the pipeline run's id: a second call finds the work of the first. MLflow's aliases only
mirror the champion record (`modelsat.bundle.champions`), since they have no compare-and-set.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from modelsat.errors import InputError, ServiceError
from modelsat.io import mlflow_left_runs, mlflow_server, stored_model
from modelsat.io.mlflow_left_runs import RUN_KEY
from modelsat.io.mlflow_server import naming_faults

EPOCH = "modelsat.epoch"
CHAMPION, CHALLENGER = "champion", "challenger"
FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"


class MlflowRun:
    """One MLflow run per pipeline run, found or created by its key; runs that a killed pipeline left open are ended.

    Args:
        tracking_uri: Of the server.
        experiment: Name of the experiment; created where absent.
        key: Id of the pipeline run.

    Raises:
        ServiceError: MLflow does not answer or refuses.
    """

    def __init__(self, tracking_uri: str, experiment: str, key: str) -> None:
        mlflow_server.check(tracking_uri)
        mlflow = mlflow_server.library()
        self.tracking_uri, self.key = tracking_uri, key
        self.client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        with naming_faults(tracking_uri):
            existing = self.client.get_experiment_by_name(experiment)
            experiment_id = existing.experiment_id if existing else self.client.create_experiment(experiment)
            runs = self.client.search_runs([experiment_id], f"tags.`{RUN_KEY}` = '{key}'", max_results=1)
            if runs:
                self.id = runs[0].info.run_id
                self._show_life()
            else:
                name = key if key.startswith("onboard-") else f"retrain-{key[-8:]}"
                tags = {RUN_KEY: key, **mlflow_left_runs.signs_of_life()}
                run = self.client.create_run(experiment_id, tags=tags, run_name=name)
                self.id = run.info.run_id
            mlflow_left_runs.end(self.client, experiment_id, but=self.id)

    def _show_life(self, synchronous: bool = True) -> None:
        for name, value in mlflow_left_runs.signs_of_life().items():
            self.client.set_tag(self.id, name, value, synchronous=synchronous)

    def live(self) -> Callable[[Mapping[str, float]], None]:
        """Return a function that logs the scalars of a training step while training runs; it never stops training."""

        def log(row: Mapping[str, float]) -> None:
            with contextlib.suppress(Exception):
                self._show_life(synchronous=False)
                for name, value in row.items():
                    if name != "step":
                        self.client.log_metric(
                            self.id, f"train_{name}", value, step=int(row["step"]), synchronous=False
                        )

        return log

    def log(
        self,
        parameters: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        files: Sequence[tuple[Path, str]] = (),
        dataset: tuple[str, str] | None = None,
    ) -> None:
        """Log facts of a step; logging the same facts again is harmless.

        Args:
            parameters: Names and values.
            metrics: Names and scalars.
            tags: Names and texts.
            files: Files with the artifact folder they go to, "" for the top.
            dataset: Source URI and digest of the data behind the run.
        """
        mlflow = mlflow_server.library()
        with naming_faults(self.tracking_uri):
            entities = mlflow.entities
            self.client.log_batch(
                self.id,
                metrics=[entities.Metric(k, float(v), _now(), 0) for k, v in (metrics or {}).items()],
                params=[entities.Param(k, str(v)[:500]) for k, v in (parameters or {}).items()],
                tags=[
                    entities.RunTag(k, str(v)) for k, v in (mlflow_left_runs.signs_of_life() | dict(tags or {})).items()
                ],
            )
            for path, folder in files:
                self.client.log_artifact(self.id, str(path), folder or None)
            if dataset is not None:
                source, data_digest = dataset
                kind = "s3" if source.startswith("s3://") else "local"
                described = entities.Dataset("scores", data_digest[:36], kind, json.dumps({"uri": source}))
                self.client.log_inputs(self.id, [entities.DatasetInput(described, [])])

    def log_as(self, path: Path, name: str) -> None:
        """Log a file under a name with folder and suffix, by which MLflow shows it; KFP's artifacts have no suffix."""
        with tempfile.TemporaryDirectory(prefix="modelsat-artifact-") as scratch, naming_faults(self.tracking_uri):
            named = Path(scratch) / Path(name).name
            shutil.copyfile(path, named)
            self.client.log_artifact(self.id, str(named), str(Path(name).parent))

    def log_table(self, columns: Mapping[str, Sequence[Any]], name: str) -> None:
        """Log a table that MLflow's UI can filter, under a file name ending in .json; the same name replaces it."""
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        with naming_faults(self.tracking_uri):
            # MLflow's own log_table appends, which a second try must not.
            self.client.log_dict(self.id, {"columns": list(columns), "data": rows}, name)
            self.client.set_tag(self.id, "mlflow.loggedArtifacts", json.dumps([{"path": name, "type": "table"}]))

    def finish(self, status: str = FINISHED) -> None:
        """End the run with a status of MLflow: `FINISHED`, `FAILED` or `KILLED`."""
        with naming_faults(self.tracking_uri):
            self.client.set_terminated(self.id, status)

    @contextlib.contextmanager
    def ends_on_failure(self) -> Iterator[None]:
        """End the run as failed, or killed if it is interrupted, where the body raises; the error stays the same."""
        try:
            yield
        except BaseException as error:
            # The step's own error is the one to report, even where MLflow is down as well.
            with contextlib.suppress(ServiceError, InputError):
                self.finish(FAILED if isinstance(error, Exception) else KILLED)
            raise

    def register(self, bundle: Path, name: str, description: str, tags: Mapping[str, str], extra: str = "torch") -> str:
        """Log a bundle as a model and register it, once per run; it gets the alias `challenger`.

        Args:
            bundle: Folder of the bundle.
            name: Registered name.
            description: The verdict and the model card, Markdown.
            tags: Of the version.
            extra: The optional dependencies that serving its router needs; "" for none.

        Returns:
            The version.
        """
        with naming_faults(self.tracking_uri):
            version = self._registered(name)
            if version is None:
                self._drop_unregistered()
                version = self._log_model(bundle, name, extra)
            self.client.update_model_version(name, version, description)
            self.client.update_registered_model(name, description)
            for tag, value in {**tags, RUN_KEY: self.key}.items():
                self.client.set_model_version_tag(name, version, tag, value)
            self.client.set_registered_model_alias(name, CHALLENGER, version)
        return version

    def _registered(self, name: str) -> str | None:
        versions = self.client.search_model_versions(f"name = '{name}' and run_id = '{self.id}'")
        return str(versions[0].version) if versions else None

    def _drop_unregistered(self) -> None:
        """Delete leftovers of a killed registration: a model without a version, possibly incomplete."""
        experiment_id = self.client.get_run(self.id).info.experiment_id
        for left in self.client.search_logged_models([experiment_id], f"source_run_id = '{self.id}'"):
            self.client.delete_logged_model(left.model_id)

    def _log_model(self, bundle: Path, name: str, extra: str) -> str:
        mlflow = mlflow_server.library()
        with (
            mlflow_server.pointed_at(self.tracking_uri),
            mlflow.start_run(run_id=self.id),
            warnings.catch_warnings(),
            tempfile.TemporaryDirectory() as scratch,
        ):
            warnings.simplefilter("ignore")
            info = mlflow.pyfunc.log_model(
                name="router",
                python_model=str(resources.files("modelsat.bundle").joinpath("mlflow_model.py")),
                artifacts={"bundle": str(bundle)},
                signature=stored_model.signature(mlflow),
                code_paths=[str(stored_model.code(Path(scratch)))],
                pip_requirements=stored_model.requirements(extra),
                registered_model_name=name,
            )
        return str(info.registered_model_version)


def mirrored_epoch(tracking_uri: str, name: str) -> int:
    """Return the epoch of the champion at which the alias `champion` points, 0 where there is none."""
    mlflow = mlflow_server.library()
    with naming_faults(tracking_uri):
        client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        try:
            tag = client.get_model_version_by_alias(name, CHAMPION).tags.get(EPOCH, "0")
        except mlflow.exceptions.MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return 0
            raise
    return int(tag) if tag.isdecimal() else 0


def mirror_champion(tracking_uri: str, name: str, version: str, epoch: int) -> None:
    """Point the alias `champion` at the version that the champion record names."""
    with naming_faults(tracking_uri):
        client = mlflow_server.library().MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        client.set_model_version_tag(name, version, EPOCH, str(epoch))
        client.set_registered_model_alias(name, CHAMPION, version)


def client(tracking_uri: str) -> Any:
    """Return an MLflow client of the server, which has given a sign of life."""
    mlflow_server.check(tracking_uri)
    return mlflow_server.library().MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def download_bundle(uri: str, into: Path) -> Path:
    """Copy the bundle of `models:/name@alias` or `models:/name/version` to this machine and return its folder.

    Raises:
        InputError: There is no such model, version or alias.
        ServiceError: MLflow does not answer.
    """
    tracking_uri = os.environ.get("MLFLOW_TRACKING_URI", "") or _set_in_python()
    if not tracking_uri:
        raise InputError(f"{uri!r} needs a registry; set MLFLOW_TRACKING_URI or call mlflow.set_tracking_uri")
    mlflow = mlflow_server.library()
    with naming_faults(tracking_uri), mlflow_server.pointed_at(tracking_uri):
        folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(into)))
    manifests = sorted(folder.rglob("bundle.json"))
    if not manifests:
        raise InputError(f"{uri!r} holds no router bundle; register one with the retrain pipeline")
    return manifests[0].parent


def _set_in_python() -> str:
    """Return the server that a notebook named with `mlflow.set_tracking_uri`; only then is mlflow imported already."""
    mlflow = sys.modules.get("mlflow")
    return str(mlflow.get_tracking_uri()) if mlflow is not None and mlflow.is_tracking_uri_set() else ""


def _now() -> int:
    import time

    return int(time.time() * 1000)
