"""Surface and members as tensors and numbers of a bundle, and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from modelsat.routers.fusion.members import Beside
from modelsat.routers.fusion.surface import Surface
from modelsat.text.words import Words

_NUMBERS = ("sharpness", "zoo")
_TENSORS = tuple(field.name for field in fields(Surface) if field.name not in _NUMBERS)
_SURFACE, _SPOKEN = "surface", "spoken"

Tensors = dict[str, np.ndarray]


def surface_as_tensors(one: Surface, name: str = _SURFACE) -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors of a surface, each as `name.field`, and its numbers."""
    tensors = {f"{name}.{field}": getattr(one, field) for field in _TENSORS}
    return tensors, {field: getattr(one, field) for field in _NUMBERS}


def surface(tensors: Mapping[str, np.ndarray], numbers: Mapping[str, Any], name: str = _SURFACE) -> Surface:
    """Rebuild a surface."""
    fitted: dict[str, Any] = {field: tensors[f"{name}.{field}"] for field in _TENSORS}
    return Surface(**fitted, **numbers)


def beside_as_tensors(one: Beside) -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors of what stands beside a surface, and its settings."""
    tensors: Tensors = {"beside.by_kind": one.by_kind}
    settings: dict[str, Any] = {"weights": one.weights.tolist()}
    if one.words is not None and one.spoken is not None:
        spoken, settings[_SPOKEN] = surface_as_tensors(one.spoken, _SPOKEN)
        tensors |= spoken | {"words.terms": one.words.terms, "words.directions": one.words.directions}
    return tensors, settings


def beside(tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Beside | None:
    """Rebuild what stands beside a surface; None in a bundle that has nothing there, as all older ones."""
    if "weights" not in settings:
        return None
    words = spoken = None
    if _SPOKEN in settings:
        words = Words(tensors["words.terms"], tensors["words.directions"])
        spoken = surface(tensors, settings[_SPOKEN], _SPOKEN)
    return Beside(tensors["beside.by_kind"], words, spoken, np.asarray(settings["weights"]))
