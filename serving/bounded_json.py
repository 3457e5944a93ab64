"""JSON whose values are counted before they are parsed: parsers and models of requests spend time on each of them.

Counting uses operations on whole byte strings only, so that 4 MiB take milliseconds whatever they hold.
"""

import json
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from serving.refusal import Refused

_BRACKETS = b"[]{}"
_OTHERS = bytes(set(range(256)) - set(_BRACKETS))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


@dataclass(frozen=True)
class JsonLimits:
    """Bounds of one JSON text.

    Attributes:
        most_values: Values of all lists and objects together.
        deepest: Lists and objects within each other.
    """

    most_values: int
    deepest: int = 64


def loads(body: bytes, limits: JsonLimits, **options: Any) -> Any:
    """Parse JSON as `json.loads` does, of which the options are, if it is within its limits.

    Raises:
        Refused: It nests too deeply (400), or holds too many values (413).
        ValueError: It is not JSON.
    """
    require_bounded(body, limits)
    return json.loads(body, **options)


def require_bounded(body: bytes, limits: JsonLimits) -> None:
    """Count the values of a JSON text and how deep they are nested.

    Args:
        body: In any encoding that `json.loads` reads; what is not JSON is left for it to refuse.
        limits: Of the text.

    Raises:
        Refused: It nests too deeply (400), or holds too many values (413).
    """
    text = _as_utf8(body)
    if _values(text) <= limits.most_values and _count(text, b"[{") <= limits.deepest:
        return
    # Without escapes every quotation mark begins or ends a string, of which a value has at most two: name and content.
    text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if _count(text, b'"') > 4 * (limits.most_values + 1):
        raise _too_many(limits)
    outside = b"".join(text.split(b'"')[::2])
    brackets = outside.translate(None, _OTHERS)[: limits.most_values + 1]
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > limits.deepest:
        raise Refused(400, f"the body nests deeper than {limits.deepest} lists and objects; send a flatter one")
    if _values(outside) > limits.most_values:
        raise _too_many(limits)


def _as_utf8(body: bytes) -> bytes:
    encoding = json.detect_encoding(body)
    return body if encoding.startswith("utf-8") else body.decode(encoding, "replace").encode("utf-8", "replace")


def _values(text: bytes) -> int:
    """Return how many values follow a comma or begin a list or an object."""
    return _count(text, b",[{")


def _count(text: bytes, characters: bytes) -> int:
    # Takes as long for many hits as for few, which `bytes.count` does not.
    return len(text) - len(text.translate(None, characters))


def _too_many(limits: JsonLimits) -> Refused:
    return Refused(413, f"the body holds more than {limits.most_values:,} values; send fewer at once")
