"""The gateway's log of answers and outcomes: rows as lines of JSON, in segments that are complete or absent.

    feedback-20261124T201500-3f9a01bc-000001.jsonl   written by gateways; rows of answers and of outcomes
    outcomes*.csv, outcomes*.parquet                 the operator's own outcomes: `id` or `request_id`, and `score`
    review.json                                      a reviewer's decisions: trusted clients, accepted candidates

A row of usage says what an answer used, once it was complete. An answer carries the router's expectation and the
probability with which its candidate was chosen. The prompt's text is stored only if the gateway is configured to keep
it; clients and prompts are digests under a key that is not in the log.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

ANSWER, OUTCOME, USAGE = "answer", "outcome", "usage"
SEGMENT = re.compile(r"feedback-\d{8}T\d{6}-[0-9a-f]{8}-\d{6}\.jsonl")
OWN_OUTCOMES = re.compile(r"outcomes[\w.-]*\.(csv|parquet)")
REVIEW = "review.json"

_TEXT, _SHARE, _AMOUNT = "text", "number in [0, 1]", "number of at least 0"
FIELDS = {
    ANSWER: {
        "id": _TEXT,
        "request_id": _TEXT,
        "at": _TEXT,
        "router_version": _TEXT,
        "candidate": _TEXT,
        "outcome": _TEXT,
        "success_probability": _SHARE,
        "propensity": _SHARE,
        "client": _TEXT,
        "user": _TEXT,
        "prompt_digest": _TEXT,
    },
    OUTCOME: {"id": _TEXT, "at": _TEXT, "client": _TEXT, "score": _SHARE},
    USAGE: {"id": _TEXT, "tokens_in": _AMOUNT, "tokens_out": _AMOUNT, "latency_seconds": _AMOUNT},
}
_OPTIONAL = {"prompt": _TEXT, "cost_usd": _AMOUNT}


def segment(at: datetime, process: str, number: int) -> str:
    """Return the name of a segment: when and by which process (8 hexadecimal digits) it was written, and its number."""
    return f"feedback-{at:%Y%m%dT%H%M%S}-{process}-{number:06d}.jsonl"


def encode(row: Mapping[str, Any]) -> bytes:
    """Return a row as a line."""
    return json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def parse(line: bytes) -> dict[str, Any]:
    """Return the row of a line.

    Raises:
        ValueError: The line is not a row; the message says why.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    fields = FIELDS.get(row.get("event", "")) if isinstance(row, dict) and isinstance(row.get("event"), str) else None
    if fields is None:
        raise ValueError("the line is no row of the gateway's log; copy the file again")
    for name, kind in {**fields, **{name: kind for name, kind in _OPTIONAL.items() if name in row}}.items():
        if not _fits(row.get(name), name, kind):
            raise ValueError(f"{name!r} is no {kind}; copy the file again")
    return dict(row)


def _fits(value: object, name: str, kind: str) -> bool:
    if kind == _TEXT:
        return _is_text(value, name)
    return is_share(value) if kind == _SHARE else _is_amount(value)


def _is_amount(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value < 2**31
    )


def _is_text(value: object, name: str) -> bool:
    """Say whether a value is text that every step can carry: no half surrogate pair, and no NUL but in a prompt."""
    if not isinstance(value, str) or (name != "prompt" and "\0" in value):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_share(value: object) -> bool:
    """Say whether a value is a number in [0, 1]."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1
