"""Requests of protocols v1 and v2, over REST and gRPC, in the library's words: every fault is one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from kserve import InferInput, InferRequest

from modelsat.errors import InputError
from modelsat.policy import preferences
from modelsat.policy.preferences import Preferences
from modelsat.text.prompts import rendered, require_characters

MAX_PROMPTS = 1024
MAX_EXPLAINED = 16
# Of protocol v2 and its extensions: how outputs travel, and what Triton's clients send to its scheduler. The endpoint
# answers each request on its own and within its deadline, so the latter change nothing.
_OF_PROTOCOL = (
    "binary_data_output", "timeout", "priority", "sequence_id", "sequence_start", "sequence_end",
)  # fmt: skip
_OF_OUTPUTS = ("binary_data", "binary_data_size")
OUTPUTS = {
    "model": ("BYTES", 1),
    "candidates": ("BYTES", 2),
    "success_probability": ("FP32", 2),
    "expected_cost_usd": ("FP32", 2),
    "seen_in_training": ("BOOL", 2),
    "truncated": ("BOOL", 1),
    "foreign": ("FP32", 1),
    "explanation": ("BYTES", 1),
}
"""Datatype and rank of every v2 output; `explanation` only comes where it is asked for."""


@dataclass(frozen=True)
class RoutingRequest:
    """One request.

    Attributes:
        texts: Rendered prompts.
        preferences: Who may be chosen, and how.
        explain: Whether to say why.
        v2: Whether the protocol is v2.
        id: Of a v2 request; empty for none.
        outputs: Which v2 outputs are wanted; empty for all.
        binary: Which of them travel in binary form; True for all of a request that names none.
    """

    texts: list[str]
    preferences: Preferences
    explain: bool = False
    v2: bool = False
    id: str = ""
    outputs: tuple[str, ...] = ()
    binary: bool | frozenset[str] = False


def from_v2(request: InferRequest) -> RoutingRequest:
    """Read a v2 request.

    Raises:
        InputError: It is malformed.
    """
    prompts = [tensor for tensor in request.inputs or [] if tensor.name == "prompt"]
    if len(prompts) != 1:
        raise InputError("the request needs exactly one input named 'prompt' of datatype BYTES and shape [n]")
    given = request.parameters or {}
    read = _typed if request.from_grpc else lambda _, value: value
    wanted, explain = _parameters({name: read(name, given[name]) for name in given if name not in _OF_PROTOCOL})
    require_characters(request.id or "", "the request")
    outputs = tuple(str(output.name) for output in request.request_outputs or ())
    unknown = [name for name in outputs if name not in OUTPUTS]
    if unknown:
        raise InputError(f"output {unknown[0][:80]!r} is unknown; this router has {', '.join(OUTPUTS)}")
    explain = explain or "explanation" in outputs
    texts = _texts(prompts[0], explain)
    return RoutingRequest(texts, wanted, explain, True, request.id or "", outputs, _binary(request))


def from_v1(body: Any) -> RoutingRequest:
    """Read a v1 body.

    Raises:
        InputError: It is malformed.
    """
    if not isinstance(body, Mapping) or not isinstance(body.get("instances"), list):
        raise InputError('the body needs "instances": a list of prompts or of {"prompt": ..., "choices": [...]}')
    wanted, explain = _parameters(_object(body.get("parameters")))
    instances = bounded(body["instances"], explain)
    texts = [rendered(instance, f"instance {i}") for i, instance in enumerate(instances)]
    require_characters("".join(texts), "the request")
    return RoutingRequest(texts, wanted, explain)


def _object(given: Any) -> Mapping[str, Any]:
    if given and not isinstance(given, Mapping):
        raise InputError('"parameters" is not an object; send {"cost_weight": 0.2}, for example')
    return given or {}


def _parameters(given: Mapping[str, Any]) -> tuple[Preferences, bool]:
    explain = _truth("explain", given.get("explain", False))
    return preferences.read({name: value for name, value in given.items() if name != "explain"}), explain


def _texts(tensor: InferInput, explain: bool) -> list[str]:
    if tensor.datatype != "BYTES":
        raise InputError(f"input 'prompt' has datatype {str(tensor.datatype)[:40]!r}; send BYTES")
    values = np.asarray(tensor.data, dtype=object).ravel().tolist()
    if list(tensor.shape) not in ([len(values)], [len(values), 1], [1, len(values)]):
        raise InputError(
            f"input 'prompt' says shape {str(list(tensor.shape))[:80]} and holds {len(values)} values; make them agree"
        )
    bounded(values, explain)
    try:
        texts = [value.decode("utf-8") if isinstance(value, bytes) else value for value in values]
    except UnicodeDecodeError as error:
        raise InputError("input 'prompt' holds bytes that are not UTF-8") from error
    if not all(isinstance(text, str) for text in texts):
        raise InputError("input 'prompt' holds values that are not strings")
    require_characters("".join(texts), "the request")
    return texts


def _typed(name: str, value: Any) -> Any:
    """Return a parameter of gRPC as its field's kind: clients without a kind for fractions or truths send text."""
    if not isinstance(value, str):
        return value
    try:
        if name in preferences.NUMBERS:
            return float(value)
        if name in preferences.WHOLE:
            return int(value)
    except ValueError:
        return value
    return {"true": True, "false": False}.get(value.lower(), value) if name in ("tools", "explain") else value


def _binary(request: InferRequest) -> bool | frozenset[str]:
    """Return which outputs travel in binary form: over gRPC all or none, over REST as the request and each one says."""
    chosen = {}
    given = request.parameters or {}
    for_all = bool(request.use_binary_outputs)
    if not request.from_grpc:
        for_all = _truth("binary_data_output", given.get("binary_data_output", False))
    for output in request.request_outputs or ():
        asked = output.parameters or {}
        unknown = sorted(set(asked) - set(_OF_OUTPUTS))
        if unknown:
            raise InputError(f"parameter {unknown[0][:80]!r} of output {output.name!r} is unknown; send binary_data")
        chosen[output.name] = _truth("binary_data", asked.get("binary_data", for_all))
    if request.from_grpc or not chosen:
        return for_all
    return frozenset(name for name, is_binary in chosen.items() if is_binary)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} {str(value)[:40]!r} is neither true nor false")
    return value


def bounded(prompts: list[Any], explain: bool) -> list[Any]:
    """Return the prompts of a request.

    Raises:
        InputError: They are more than one request may hold, or than are explained at once.
    """
    most = MAX_EXPLAINED if explain else MAX_PROMPTS
    if len(prompts) > most:
        how = "with an explanation" if explain else "at once"
        raise InputError(f"the request holds {len(prompts)} prompts; send at most {most} {how}")
    return prompts
