"""What KFP hands to a component, and a small collection behind it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelsat.data import collection, sample


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
