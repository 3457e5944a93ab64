"""MLflow: the runs of the pipeline, the registered router and its aliases.

Every side effect is keyed by the pipeline run's id: a second call finds the work of the first. MLflow's aliases only
mirror the champion record (`modelsat.bundle.champions`), since they have no compare-and-set.
"""

import contextlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from modelsat.errors import InputError, ServiceError
from modelsat.io import mlflow_left_runs
from modelsat.io.mlflow_left_runs import RUN_KEY

EPOCH = "modelsat.epoch"
CHAMPION, CHALLENGER = "champion", "challenger"
_VERSION = re.compile(r"\d+\.\d+[\w.]*")


def check(tracking_uri: str) -> str:
    """Check that the server responds, and return its version.

    Raises:
        ServiceError: It does not answer, refuses this host name, or is something else than MLflow.
    """
    if not tracking_uri.startswith(("http://", "https://")):
        return "local store"
    import requests

    try:
        answer = requests.get(f"{tracking_uri.rstrip('/')}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=10)
        version = requests.get(f"{tracking_uri.rstrip('/')}/version", timeout=10).text
    except requests.RequestException as error:
        raise ServiceError(
            f"MLflow at {tracking_uri} does not answer ({type(error).__name__}); "
            "start it or correct MLFLOW_TRACKING_URI"
        ) from error
    if answer.status_code in (401, 403):
        raise ServiceError(
            f"MLflow at {tracking_uri} refuses this client (HTTP {answer.status_code}); set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or add this host to the server's --allowed-hosts"
        )
    if answer.status_code >= 500:
        raise ServiceError(f"MLflow at {tracking_uri} is broken (HTTP {answer.status_code}); see its own log")
    if not _VERSION.fullmatch(version):
        raise ServiceError(f"what answers at {tracking_uri} is not MLflow; correct MLFLOW_TRACKING_URI")
    return version


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
        check(tracking_uri)
        mlflow = _mlflow()
        self.tracking_uri, self.key = tracking_uri, key
        self.client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        with _naming_faults(tracking_uri):
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
        mlflow = _mlflow()
        with _naming_faults(self.tracking_uri):
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

    def log_table(self, columns: Mapping[str, Sequence[Any]], name: str) -> None:
        """Log a table that MLflow's UI can filter, under a file name ending in .json; the same name replaces it."""
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        with _naming_faults(self.tracking_uri):
            # MLflow's own log_table appends, which a second try must not.
            self.client.log_dict(self.id, {"columns": list(columns), "data": rows}, name)
            self.client.set_tag(self.id, "mlflow.loggedArtifacts", json.dumps([{"path": name, "type": "table"}]))

    def finish(self, succeeded: bool = True) -> None:
        """Mark the run as finished or failed."""
        with _naming_faults(self.tracking_uri):
            self.client.set_terminated(self.id, "FINISHED" if succeeded else "FAILED")

    def register(self, bundle: Path, name: str, description: str, tags: Mapping[str, str]) -> str:
        """Log a bundle as a model and register it, once per run; it gets the alias `challenger`.

        Args:
            bundle: Folder of the bundle.
            name: Registered name.
            description: The verdict and the model card, Markdown.
            tags: Of the version.

        Returns:
            The version.
        """
        with _naming_faults(self.tracking_uri):
            version = self._registered(name)
            if version is None:
                self._drop_unregistered()
                version = self._log_model(bundle, name)
            self.client.update_model_version(name, version, description)
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

    def _log_model(self, bundle: Path, name: str) -> str:
        mlflow = _mlflow()
        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.set_registry_uri(self.tracking_uri)
        with mlflow.start_run(run_id=self.id), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            info = mlflow.pyfunc.log_model(
                name="router",
                python_model=str(resources.files("modelsat.bundle").joinpath("mlflow_model.py")),
                artifacts={"bundle": str(bundle)},
                signature=_signature(mlflow),
                pip_requirements=["modelsat[torch]"],
                registered_model_name=name,
            )
        return str(info.registered_model_version)


def mirrored_epoch(tracking_uri: str, name: str) -> int:
    """Return the epoch of the champion at which the alias `champion` points, 0 where there is none."""
    mlflow = _mlflow()
    with _naming_faults(tracking_uri):
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
    with _naming_faults(tracking_uri):
        client = _mlflow().MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        client.set_model_version_tag(name, version, EPOCH, str(epoch))
        client.set_registered_model_alias(name, CHAMPION, version)


def client(tracking_uri: str) -> Any:
    """Return an MLflow client of the server, which has given a sign of life."""
    check(tracking_uri)
    return _mlflow().MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def download_bundle(uri: str, into: Path) -> Path:
    """Copy the bundle of `models:/name@alias` or `models:/name/version` to this machine and return its folder.

    Raises:
        InputError: There is no such model, version or alias.
        ServiceError: MLflow does not answer.
    """
    tracking_uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not tracking_uri:
        raise InputError(f"{uri!r} needs a registry; set MLFLOW_TRACKING_URI")
    mlflow = _mlflow()
    with _naming_faults(tracking_uri):
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(into)))
    manifests = sorted(folder.rglob("bundle.json"))
    if not manifests:
        raise InputError(f"{uri!r} holds no router bundle; register one with the retrain pipeline")
    return manifests[0].parent


def _signature(mlflow: Any) -> Any:
    types = mlflow.types
    return mlflow.models.ModelSignature(
        inputs=types.Schema([types.ColSpec("string", "prompt")]),
        outputs=types.Schema([types.ColSpec("string", "model"), types.ColSpec("double", "success_probability")]),
        params=types.ParamSchema([types.ParamSpec("cost_weight", "double", 0.0)]),
    )


def _mlflow() -> Any:
    # The defaults hang for four minutes where the server is down.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.pyfunc
    return mlflow


def _now() -> int:
    import time

    return int(time.time() * 1000)


@contextlib.contextmanager
def _naming_faults(tracking_uri: str) -> Iterator[None]:
    mlflow = _mlflow()
    import requests

    try:
        yield
    except mlflow.exceptions.MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise InputError(f"MLflow at {tracking_uri} does not know what was asked for: {error.message}") from error
        raise ServiceError(
            f"MLflow at {tracking_uri} failed ({error.message.splitlines()[0][:200]}); check the server and run again"
        ) from error
    except requests.RequestException as error:
        raise ServiceError(
            f"MLflow at {tracking_uri} does not answer ({type(error).__name__}); start it and run again"
        ) from error
