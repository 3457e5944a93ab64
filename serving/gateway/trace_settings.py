"""Whether requests are traced and what spans hold; to whom spans go stands in OpenTelemetry's own variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from modelsat.errors import InputError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"


@dataclass(frozen=True)
class TraceSettings:
    """That requests are traced.

    Attributes:
        keeps_text: Whether spans hold the text of prompts.
    """

    keeps_text: bool = False


def read(is_on: bool, keeps_text: bool, environment: Mapping[str, str] = os.environ) -> TraceSettings | None:
    """Return the settings of traces, None where none are asked for.

    Raises:
        InputError: No collector is named, or one of another protocol; or text is asked for without traces.
    """
    if not is_on:
        if keeps_text:
            raise InputError("text is kept in traces alone; ask for them with --traces")
        return None
    if not any(environment.get(name, "").strip() for name in ENDPOINTS):
        raise InputError(f"--traces knows no collector; set {ENDPOINTS[1]} to its address, such as http://mlflow:5000")
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _HTTP)
    if protocol != _HTTP:
        raise InputError(f"traces are sent over {_HTTP}, and {_PROTOCOLS[1]} says {protocol!r}; name such a collector")
    return TraceSettings(keeps_text)
