"""Reader of OpenTelemetry traces: lines of OTLP JSON, as a collector's file exporter and SDK exporters write them.

A span of a model's call has the attributes of the GenAI semantic conventions; those of OpenLLMetry and OpenInference
are understood too. What came of it is an event `gen_ai.evaluation.result` of the span, or a log record that names it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelsat.errors import InputError
from modelsat.io.storage import SourceFile
from modelsat.offpolicy.readers.gathered import Gathered
from modelsat.offpolicy.readers.spoken import text_of_input

EVALUATION = "gen_ai.evaluation.result"
RATING, PROPENSITY = "modelsat.rating", "modelsat.propensity"
"""Our own attributes of a span, for what the conventions have no name for."""
_CALLS = ("chat", "text_completion", "generate_content", "completion")
_CANDIDATE, _CHOSEN = "modelsat.candidate", "modelsat.model"
_MODEL = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name")
_TOKENS_IN = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
_TOKENS_OUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion")
_COST = ("modelsat.cost_usd", "gen_ai.usage.cost", "llm.cost.total")
_PROMPT = ("gen_ai.input.messages", "gen_ai.prompt", "input.value")
_SPOKEN = ("gen_ai.user.message", "gen_ai.content.prompt", "gen_ai.client.inference.operation.details")


@dataclass
class _Traces:
    """Calls of models by span, evaluations by the span or trace that they name, and the gateway's choice by trace."""

    calls: dict[str, tuple[str, int, str, dict[str, Any]]] = field(default_factory=dict)
    evaluated: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    of_trace: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    chosen: dict[str, tuple[str, Any]] = field(default_factory=dict)


def claims(head: bytes) -> bool:
    """Say whether a file that begins so is OTLP JSON."""
    return b'"resourceSpans"' in head or b'"resourceLogs"' in head


def read(files: list[SourceFile], assessment: str = "") -> Gathered:
    """Read files together, since a span and its evaluation may stand in different ones.

    Args:
        files: Of lines of OTLP JSON.
        assessment: Which evaluation is the outcome, by its name; empty where there is one.
    """
    found, traces = Gathered(), _Traces()
    for file in files:
        for number, line in enumerate(file.path.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            try:
                _take(json.loads(line), file.uri, number, traces)
            except (ValueError, TypeError, AttributeError, RecursionError):
                found.reject(file.uri, number, "the line is not OTLP JSON; write one export request per line")
    calls_of: dict[str, int] = {}
    for _, _, trace, _ in traces.calls.values():
        calls_of[trace] = calls_of.get(trace, 0) + 1
    names = {str(one.get("gen_ai.evaluation.name")) for rows in traces.evaluated.values() for one in rows}
    names |= {str(one.get("gen_ai.evaluation.name")) for rows in traces.of_trace.values() for one in rows}
    _require_one(names, assessment)
    for span, (address, number, trace, told) in traces.calls.items():
        given = list(traces.evaluated.get(span, ()))
        # An evaluation of the whole trace is one of its call where it made one call.
        given += traces.of_trace.get(trace, ()) if calls_of[trace] == 1 else ()
        outcome = told.pop(RATING, None)
        model, propensity = traces.chosen.get(trace, ("", None))
        if model == told["model"] and calls_of[trace] == 1:
            told["propensity"] = propensity
        for one in given:
            if not assessment or one.get("gen_ai.evaluation.name") == assessment:
                outcome = one.get("gen_ai.evaluation.score.value", one.get("gen_ai.evaluation.score.label"))
        found.add(address, number, told | {"outcome": outcome})
    return found


def _require_one(names: set[str], assessment: str) -> None:
    if assessment and names and assessment not in names:
        raise InputError(f"there is no evaluation {assessment!r}; the traces have {', '.join(sorted(names))}")
    if not assessment and len(names) > 1:
        raise InputError(
            f"the traces have several evaluations ({', '.join(sorted(names))}); name one with --assessment"
        )


def _take(line: Any, address: str, number: int, traces: _Traces) -> None:
    for span in _inner(line, "resourceSpans", "scopeSpans", "spans"):
        attributes = _attributes(span)
        events = [(str(event.get("name")), _attributes(event)) for event in span.get("events") or ()]
        key, trace = str(span.get("spanId")), str(span.get("traceId"))
        results = [told for name, told in events if name == EVALUATION]
        if _is_call(attributes):
            traces.calls[key] = address, number, trace, _told(span, attributes, events)
            traces.evaluated.setdefault(key, []).extend(results)
        else:
            traces.of_trace.setdefault(trace, []).extend(results)
            if PROPENSITY in attributes:
                traces.chosen[trace] = str(attributes.get(_CHOSEN)), attributes[PROPENSITY]
    for record in _inner(line, "resourceLogs", "scopeLogs", "logRecords"):
        attributes = _attributes(record)
        if EVALUATION in (record.get("eventName"), attributes.get("event.name")):
            traces.evaluated.setdefault(str(record.get("spanId")), []).append(attributes)


def _inner(line: Mapping[str, Any], *path: str) -> Iterator[Mapping[str, Any]]:
    for resource in line.get(path[0]) or ():
        for scope in resource.get(path[1]) or ():
            yield from scope.get(path[2]) or ()


def _is_call(attributes: Mapping[str, Any]) -> bool:
    operation = attributes.get("gen_ai.operation.name")
    return any(name in attributes for name in _MODEL) and (operation is None or operation in _CALLS)


def _told(
    span: Mapping[str, Any], attributes: Mapping[str, Any], events: list[tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    start, end = int(span.get("startTimeUnixNano") or 0), int(span.get("endTimeUnixNano") or 0)
    return {
        "at": start / 1e9 if start else None,
        "prompt": _prompt(attributes, events),
        "model": _first(attributes, (_CANDIDATE, *_MODEL)),
        "cost_usd": _first(attributes, _COST),
        "latency_seconds": (end - start) / 1e9 if start and end > start else None,
        "propensity": attributes.get(PROPENSITY),
        "tokens_in": _first(attributes, _TOKENS_IN),
        "tokens_out": _first(attributes, _TOKENS_OUT),
        RATING: attributes.get(RATING),
    }


def _prompt(attributes: Mapping[str, Any], events: list[tuple[str, dict[str, Any]]]) -> str:
    given = _first(attributes, _PROMPT)
    if given is None:
        numbered = [
            {"role": attributes.get(f"{family}.{i}.{role}"), "content": attributes[f"{family}.{i}.{content}"]}
            for family, role, content in (
                ("gen_ai.prompt", "role", "content"),
                ("llm.input_messages", "message.role", "message.content"),
            )
            for i in range(1000)
            if f"{family}.{i}.{content}" in attributes
        ]
        given = numbered or None
    if given is None:
        told = [one for name, one in events if name in _SPOKEN]
        inner = [_first(one, ("gen_ai.input.messages", "gen_ai.prompt")) for one in told]
        given = next((one for one in inner if one is not None), None)
        given = given or [{"role": "user", "content": one["content"]} for one in told if "content" in one] or None
    return text_of_input(given)


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if attributes.get(name) is not None), None)


def _attributes(owner: Mapping[str, Any]) -> dict[str, Any]:
    return {str(one["key"]): _value(one.get("value")) for one in owner.get("attributes") or ()}


def _value(value: Any) -> Any:
    """Return an OTLP AnyValue as what it stands for; 64-bit integers are written as text."""
    if not isinstance(value, Mapping) or not value:
        return None
    ((kind, content),) = list(value.items())[:1]
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [_value(one) for one in content.get("values") or ()]
    if kind == "kvlistValue":
        return {str(one["key"]): _value(one.get("value")) for one in content.get("values") or ()}
    return content
