"""The MLflow server: whether it answers, the client library with short time-outs, and its faults as sentences."""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

from modelsat.errors import InputError, ServiceError

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
            "start it or correct its address (MLFLOW_TRACKING_URI)"
        ) from error
    if answer.status_code in (401, 403):
        raise ServiceError(
            f"MLflow at {tracking_uri} refuses this client (HTTP {answer.status_code}); set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or add this host to the server's --allowed-hosts"
        )
    if answer.status_code >= 500:
        raise ServiceError(f"MLflow at {tracking_uri} is broken (HTTP {answer.status_code}); see its own log")
    if not _VERSION.fullmatch(version):
        raise ServiceError(f"what answers at {tracking_uri} is not MLflow; correct its address (MLFLOW_TRACKING_URI)")
    return version


def library() -> Any:
    """Return the module `mlflow`, set up not to hang."""
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


@contextlib.contextmanager
def naming_faults(tracking_uri: str) -> Iterator[None]:
    """Turn what MLflow raises into an error of ours: unknown names are input, all else is the service."""
    mlflow = library()
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


@contextlib.contextmanager
def pointed_at(tracking_uri: str) -> Iterator[None]:
    """Point what MLflow offers only for the process's one server at this one, and afterwards back at the caller's.

    A notebook or a test that asked another server, or none, goes on with what it had.
    """
    mlflow = library()
    variables = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    tracking = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    registry = mlflow.get_registry_uri() if mlflow.get_registry_uri() != mlflow.get_tracking_uri() else None
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    try:
        yield
    finally:
        # A server that the environment alone names stays named by it alone.
        mlflow.set_tracking_uri(None if tracking == variables["MLFLOW_TRACKING_URI"] else tracking)
        mlflow.set_registry_uri(registry)
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
