"""What installs an image's packages, as a module."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def resolver() -> ModuleType:
    """The program that writes what an image installs."""
    path = Path(__file__).parents[2] / "infra" / "images" / "requirements.py"
    spec = importlib.util.spec_from_file_location("requirements_of_images", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module
