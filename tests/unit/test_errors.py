"""Every kind of error has one exit code, and a process passes it on."""

import json
from pathlib import Path

import pytest

from modelsat import errors
from modelsat.cluster import launch_torchrun
from modelsat.errors import ModelsatError

CLASSES = [cls for cls in (ModelsatError, *ModelsatError.__subclasses__()) if cls.__module__ == errors.__name__]


@pytest.mark.parametrize("cls", CLASSES)
def test_exit_code_names_its_class(cls: type[ModelsatError]) -> None:
    assert errors.of_exit_code(cls.exit_code) is cls


def test_kind_of_bad_input_has_the_exit_code_of_bad_input() -> None:
    assert errors.UnsetVariable.exit_code == errors.InputError.exit_code
    assert errors.of_exit_code(2) is errors.InputError


def test_unknown_exit_code_is_an_error_all_the_same() -> None:
    assert errors.of_exit_code(137) is ModelsatError


def test_failure_of_a_training_keeps_its_sentence_and_class(tmp_path: Path) -> None:
    assert launch_torchrun.recorded_failure(tmp_path) is None
    (tmp_path / "failed.json").write_text(json.dumps({"sentence": "no such layer", "exit_code": 2}), encoding="utf-8")

    failure = launch_torchrun.recorded_failure(tmp_path)

    assert type(failure) is errors.InputError
    assert str(failure) == "no such layer"
