"""Stored results of a benchmark are gone on from where nothing has changed, and never mixed."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from modelsat import rivals
from modelsat.data import splits
from modelsat.io.atomic import write_json
from modelsat.studies import zoos

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def records() -> Iterator[ModuleType]:
    """Import the module as a script does, and forget it after."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("records")
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_results_of_the_same_settings_are_gone_on_from(records: ModuleType, tmp_path: Path) -> None:
    write_json(tmp_path / "stored.json", {"draws": 2, "counts": [0, 20], "sets": {"one": 1}})

    assert records.resumed(tmp_path / "stored.json", {"draws": 2, "counts": (0, 20)})["sets"] == {"one": 1}


def test_results_of_other_settings_are_left_behind(records: ModuleType, tmp_path: Path) -> None:
    write_json(tmp_path / "stored.json", {"draws": 2, "sets": {"one": 1}})

    assert records.resumed(tmp_path / "stored.json", {"draws": 3}) == {"draws": 3}
    assert records.resumed(tmp_path / "absent.json", {"draws": 3}) == {"draws": 3}


def test_fingerprint_is_of_the_rival_and_of_what_measures_it(records: ModuleType) -> None:
    knn, ridge = rivals.named("knn"), rivals.named("ridge")

    assert records.fingerprint(knn, zoos) == records.fingerprint(knn, zoos)
    assert len({records.fingerprint(fit, module) for fit in (knn, ridge) for module in (zoos, splits)}) == 4
