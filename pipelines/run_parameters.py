"""Parameters of a pipeline's run: which there are, and whether values can be theirs.

The bounds of `retrain`'s stand in `modelsat.settings`.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelsat.errors import InputError
from modelsat.io.near_names import near
from modelsat.io.printed_table import PrintedTable, shortened

_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "String": (str, "text"),
    "Integer": (int, "a whole number"),
    "Float": ((int, float), "a number"),
    "Boolean": (bool, "true or false"),
    "typing.List": (list, "a JSON list"),
    "typing.Dict": (dict, "a JSON object"),
}


def table(pipeline: Any) -> PrintedTable:
    """Return all parameters of a pipeline with their defaults and what they mean, as the form shows them."""
    rows = []
    for name, one in pipeline.component_spec.inputs.items():
        default = json.dumps(one.default) if one.optional else "required"
        rows.append((name, shortened(default, 32), " ".join(one.description.split())))
    return PrintedTable(("parameter", "default", "meaning"), rows, texts=3)


def read(pipeline: Any, chosen: Sequence[str]) -> dict[str, Any]:
    """Return values by name, as a person wrote them on a command line.

    Args:
        pipeline: Whose parameters they are.
        chosen: `name=value`, with the value in JSON; text needs no quotes, not even where it looks like a number.

    Raises:
        InputError: A value is missing, or there is no such parameter.
    """
    inputs = pipeline.component_spec.inputs
    values: dict[str, Any] = {}
    for item in chosen:
        name, equals, text = item.partition("=")
        if not equals:
            raise InputError(f"--set {item!r} has no value; write name=value")
        if name not in inputs:
            raise InputError(
                f"{pipeline.name} has no parameter {name!r}{near(name, inputs)}; "
                f"`modelsat submit --pipeline {pipeline.name} --parameters` lists them"
            )
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        values[name] = text if inputs[name].type == "String" and not isinstance(value, str) else value
    return values


def check(pipeline: Any, values: Mapping[str, Any]) -> None:
    """Refuse values with which a run of a pipeline would end at its first step.

    Args:
        pipeline: Whose parameters they are.
        values: By name; those left out have their defaults.

    Raises:
        InputError: A parameter without a default is missing, or a value is of another kind or negative; all faults are
            named at once.
    """
    faults = [*_faults(pipeline, values)]
    if faults:
        raise InputError("; and ".join(faults))


def _faults(pipeline: Any, values: Mapping[str, Any]) -> Iterator[str]:
    for name, one in pipeline.component_spec.inputs.items():
        meaning = " ".join(one.description.split())
        if name not in values:
            if not one.optional:
                yield f"{pipeline.name} needs {name}; write --set {name}=... ({meaning})"
            continue
        value = values[name]
        kind, words = _KINDS[one.type]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            yield f"{name} is {value!r} and has to be {words} ({meaning})"
        elif isinstance(value, int | float) and not (math.isfinite(value) and value >= 0):
            yield f"{name} is {value!r} and cannot be negative ({meaning})"
        elif not one.optional and not value:
            yield f"{name} is empty ({meaning})"
