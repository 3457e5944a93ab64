"""What KFP hands to a component, a small collection behind it, and a real MLflow server."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelsat.data import collection, sample
from pipelines import services


@pytest.fixture
def artifact(tmp_path: Path) -> Callable[..., Any]:
    """Return a function that makes an artifact of a kind, with a place of its own or at a path that exists."""

    def make(kind: type, name: str, path: Path | None = None) -> Any:
        return kind(name=name, uri=str(path or tmp_path / "outputs" / name))

    (tmp_path / "outputs").mkdir()
    return make


@pytest.fixture(scope="session")
def small_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the synthetic sample, 320 prompts."""
    folder = tmp_path_factory.mktemp("sample") / "scores"
    sample.write(folder, prompts=320)
    return folder


@pytest.fixture(scope="session")
def collected(small_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the collected tables of the small sample."""
    folder = tmp_path_factory.mktemp("collected") / "tables"
    collection.collect([str(small_sample)]).write(folder)
    return folder


@pytest.fixture(scope="session")
def mlflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the MLflow server of these tests keeps its database and artifacts."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="session")
def mlflow_server(mlflow_folder: Path) -> Iterator[str]:
    """Address of a real MLflow server."""
    try:
        with warnings.catch_warnings():
            # The server is meant to outlive the object that started it.
            warnings.simplefilter("ignore", ResourceWarning)
            server = services.mlflow(mlflow_folder)
        yield server.url
    finally:
        services.stop(mlflow_folder)
