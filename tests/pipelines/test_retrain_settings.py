"""The form that Kubeflow makes of the retrain pipeline and the settings class say the same."""

import inspect
import typing
from typing import Any

import docstring_parser
import pydantic
import pytest

from modelsat.settings import RetrainSettings
from pipelines.retrain import retrain

FIELDS = RetrainSettings.model_fields
KINDS = {
    list: "LIST",
    dict: "STRUCT",
    str: "STRING",
    int: "NUMBER_INTEGER",
    float: "NUMBER_DOUBLE",
    bool: "BOOLEAN",
}


def compiled() -> dict[str, Any]:
    """Return the parameters of the compiled pipeline by name."""
    return dict(retrain.pipeline_spec.root.input_definitions.parameters)


def default_of(parameter: Any) -> Any:
    """Return a default of the compiled pipeline as Python has it."""
    value = parameter.default_value
    kind = value.WhichOneof("kind")
    if kind in ("list_value", "struct_value"):
        from google.protobuf import json_format

        return json_format.MessageToDict(getattr(value, kind))
    return getattr(value, kind)


def test_parameters_are_the_settings_in_the_same_order() -> None:
    assert list(inspect.signature(retrain.pipeline_func).parameters) == list(FIELDS)
    assert sorted(compiled()) == sorted(FIELDS)


def test_docstring_describes_the_parameters_in_the_same_order() -> None:
    documented = docstring_parser.parse(inspect.getdoc(retrain.pipeline_func) or "").params

    assert [param.arg_name for param in documented] == list(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_parameter_has_the_default_of_its_setting(name: str) -> None:
    default = RetrainSettings().model_dump()[name]

    assert inspect.signature(retrain.pipeline_func).parameters[name].default == default
    assert default_of(compiled()[name]) == default


@pytest.mark.parametrize("name", FIELDS)
def test_parameter_has_the_sentence_of_its_setting(name: str) -> None:
    documented = {
        param.arg_name: " ".join((param.description or "").split())
        for param in docstring_parser.parse(inspect.getdoc(retrain.pipeline_func) or "").params
    }

    sentence = FIELDS[name].description
    assert sentence
    assert sentence.endswith(".")
    assert documented[name] == sentence
    assert " ".join(compiled()[name].description.split()) == sentence


@pytest.mark.parametrize("name", FIELDS)
def test_parameter_has_the_type_of_its_setting(name: str) -> None:
    annotation = FIELDS[name].annotation
    plain = typing.get_origin(annotation) or annotation
    kind = compiled()[name].DESCRIPTOR.fields_by_name["parameter_type"].enum_type

    assert kind.values_by_number[compiled()[name].parameter_type].name == KINDS[plain]


def test_names_begin_with_their_stage_in_the_order_of_the_pipeline() -> None:
    stages = [name.split("_")[0] for name in FIELDS]

    assert list(dict.fromkeys(stages)) == [
        *("collect", "validate", "instruct", "train", "gate", "register", "promote", "mlflow"),
    ]
    assert stages == sorted(stages, key=list(dict.fromkeys(stages)).index)
    assert len(FIELDS) <= 26


def test_every_parameter_may_be_left_out() -> None:
    assert all(parameter.is_optional for parameter in compiled().values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"validate_max_rejected_share": 1.5},
        {"validate_max_drift": -0.1},
        {"collect_shards": 0},
        {"instruct_tasks": 0},
        {"train_ranks": 0},
        {"gate_confidence": 0.5},
        {"gate_confidence": 1.0},
        {"gate_margin": 2},
        {"gate_saving": -1},
        {"gate_confidense": 0.95},
    ],
)
def test_setting_out_of_its_bounds_is_an_error(wrong: dict[str, float]) -> None:
    with pytest.raises(pydantic.ValidationError, match=next(iter(wrong))):
        RetrainSettings(**wrong)  # type: ignore[arg-type]
