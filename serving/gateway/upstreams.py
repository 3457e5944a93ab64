"""The upstreams: under which address and name each candidate is called, and which variable holds the key for it.

    upstreams:
      - candidate: qwen-72b
        base_url: https://llm.example.com/v1
        model: Qwen/Qwen2.5-72B-Instruct
        key_variable: QWEN_API_KEY
        stream_usage: true
        protocols: [chat, messages]
        request_body: {reasoning_effort: low}
        request_headers: {anthropic-beta: effort-2025-11-24}

`model` is the candidate's name and there is no key where nothing else is said. A key never stands in the file.

A catalogue of candidates says the same in other words, so it can be given in place of such a file: its rows with an
`endpoint` are the upstreams.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from modelsat.data import catalogue
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.errors import InputError
from modelsat.io import chat_address, request_headers, spoken_protocols
from modelsat.io.chat_address import ChatAddress
from modelsat.io.key_variables import fault_in_key_variable

_FIELDS = ("candidate", "base_url", "model", "key_variable", "timeout_seconds", "stream_usage", "protocols",
           "request_body", "request_headers")  # fmt: skip
_CHAT_ALONE: Mapping[str, Mapping[str, Any]] = {spoken_protocols.CHAT: {}}
TIMEOUT_SECONDS = 120.0
"""How long an upstream may be silent, before the first byte and between two."""


@dataclass(frozen=True)
class Upstream:
    """Where one candidate is called.

    Attributes:
        base_url: As `modelsat.io.chat_address` reads it: `https://host/v1`.
        model: What the upstream calls the candidate.
        key: Sent as bearer token; empty for none.
        timeout_seconds: How long it may be silent.
        stream_usage: Whether streams are asked for their usage where the client does not ask itself.
        protocols: That it speaks, by name, each with fields that go before the client's.
        headers: Of its own, that go before the client's.
    """

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    stream_usage: bool = False
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _CHAT_ALONE)
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def address(self) -> ChatAddress:
        """Return what `base_url` means."""
        return chat_address.read(self.base_url)


def read(path: Path, environment: Mapping[str, str] = os.environ) -> dict[str, Upstream]:
    """Read the file of upstreams, and their keys from the environment.

    Args:
        path: A YAML file as above, or a catalogue: CSV, Parquet, or a YAML list of candidates.
        environment: Holds the keys.

    Returns:
        Upstream by candidate, in the order of the file.

    Raises:
        InputError: The file is unusable, or a variable that it names is not set.
    """
    rows = _rows(path)
    found: dict[str, Upstream] = {}
    for number, row in enumerate(rows, start=1):
        where = f"entry {number} of upstreams {str(path)!r}"
        fault = _fault(row, environment)
        if fault is None and row["candidate"] in found:
            fault = f"candidate {row['candidate']!r} stands there twice; keep one entry"
        if fault is not None:
            raise InputError(f"{where}: {fault}")
        found[row["candidate"]] = Upstream(
            base_url=_written(chat_address.read(row["base_url"])),
            model=row.get("model", row["candidate"]),
            key=_key(row.get("key_variable"), where, environment),
            timeout_seconds=float(row.get("timeout_seconds", TIMEOUT_SECONDS)),
            stream_usage=row.get("stream_usage", False),
            protocols=_protocols(row),
            headers={name.lower(): value for name, value in _object(row.get("request_headers", {})).items()},
        )
    return found


def _rows(path: Path) -> list[Any]:
    if path.suffix in (".csv", ".parquet"):
        return _of_catalogue(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        # A parser quotes the line at fault, and somebody may have written a key into it.
        raise InputError(f"upstreams {str(path)!r} are not readable ({type(error).__name__}); correct them") from None
    if (isinstance(content, list) and content) or (isinstance(content, dict) and content.get("candidates")):
        return _of_catalogue(path)
    rows = content.get("upstreams") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise InputError(f"upstreams {str(path)!r} hold no list 'upstreams'; write an entry per candidate")
    return rows


def _of_catalogue(path: Path) -> list[Any]:
    fields = {
        "candidate": "candidate",
        "base_url": "endpoint",
        "model": "served_as",
        "key_variable": "api_key_env",
        "timeout_seconds": "timeout_seconds",
        "protocols": "protocols",
        "request_body": "request_body",
        "request_headers": "request_headers",
    }
    rows = [row for row in catalogue.read(str(path)).to_pylist() if row.get("endpoint")]
    if not rows:
        raise InputError(f"no candidate of the catalogue {str(path)!r} has an endpoint; add one to its row")
    return [{ours: row[its] for ours, its in fields.items() if row.get(its) is not None} for row in rows]


def _fault(row: Any, environment: Mapping[str, str]) -> str | None:
    """Say what is wrong with an entry, without repeating a value that may be a key."""
    if not isinstance(row, dict):
        return "it is no mapping; write candidate, base_url, model and key_variable"
    unknown = sorted(str(name) for name in set(row) - set(_FIELDS))
    if unknown:
        return f"unknown field {unknown[0][:40]!r}; known are {', '.join(_FIELDS)}, and keys come from the environment"
    url, seconds = row.get("base_url"), row.get("timeout_seconds", TIMEOUT_SECONDS)
    try:
        chat_address.read(url)
    except InputError as error:
        return f"base_url {error}"
    if not isinstance(row.get("model", ""), str):
        return "model must be a string; put quotes around it"
    fault = fault_in_key_variable(row["key_variable"], environment) if "key_variable" in row else None
    if fault is not None:
        return f"key_variable: {fault}"
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 86_400:
        return "timeout_seconds is no number of seconds above 0 and below 86,400; correct it"
    if not isinstance(row.get("stream_usage", False), bool):
        return "stream_usage is neither true nor false; correct it"
    try:
        spoken_protocols.read(row.get("protocols", _CHAT_ALONE))
    except ValueError as error:
        return f"protocols: {error}"
    fault = spoken_protocols.fault_in_fields(_object(row.get("request_body", {})))
    if fault is not None:
        return f"the fields of request_body {fault}"
    fault = request_headers.fault_in_headers(_object(row.get("request_headers", {})), environment)
    if fault is not None:
        return f"request_headers {fault}"
    return fault_in_candidate(row.get("candidate"))


def _protocols(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is spoken; `request_body` are fields of chat completions, as `modelsat ask` sends them."""
    spoken = spoken_protocols.read(row.get("protocols", _CHAT_ALONE))
    if spoken_protocols.CHAT in spoken:
        own = _object(row.get("request_body", {}))
        spoken[spoken_protocols.CHAT] = own | spoken[spoken_protocols.CHAT]
    return spoken


def _object(told: Any) -> Any:
    """Return an object, which a catalogue holds as JSON."""
    try:
        return json.loads(told) if isinstance(told, str) else told
    except ValueError:
        return None


def _written(address: ChatAddress) -> str:
    return address.base + (f"?{address.query}" if address.query else "")


def _key(variable: str | None, where: str, environment: Mapping[str, str]) -> str:
    key = "" if variable is None else environment.get(variable, "").strip()
    if variable is not None and not key:
        raise InputError(f"{where}: variable {variable} is not set; export the key under this name")
    if not key.isascii() or not key.isprintable():
        raise InputError(f"{where}: variable {variable} holds characters that no header can carry; export it again")
    return key
