"""How many fields a protocol buffer holds, counted on its bytes before it is parsed: an object is made of each field.

Source: the wire format of protocol buffers; only what a request of protocol v2 nests is looked into.
"""

from collections.abc import Mapping

from modelsat.errors import InputError
from serving.refusal import Refused

MOST_FIELDS = 8192
"""Of a request: 1,024 prompts, their shapes, parameters and outputs."""
_VARINT, _FIXED64, _LENGTH, _GROUP, _FIXED32 = 0, 1, 2, (3, 4), 5
_Nested = Mapping[int, "_Nested"]
_PACKED: _Nested = {-1: {}}
"""A list of numbers in one field, each of which takes a byte at least: the field counts as so many."""
_PARAMETERS: _Nested = {2: {}}
_CONTENTS: _Nested = dict.fromkeys((1, 2, 3, 4, 6, 7), _PACKED)
INFER_REQUEST: _Nested = {4: _PARAMETERS, 5: {3: _PACKED, 4: _PARAMETERS, 5: _CONTENTS}, 6: {2: _PARAMETERS}}
"""Numbers of the fields of `ModelInferRequest` that are messages or packed lists, and of those within them."""


def require_bounded(message: bytes, nested: _Nested = INFER_REQUEST, most: int = MOST_FIELDS) -> None:
    """Count the fields of a message and of the messages within it.

    Args:
        message: As it came over the wire.
        nested: Which fields are messages.
        most: How many fields there may be in all.

    Raises:
        Refused: There are more (413).
        InputError: It is no protocol buffer.
    """
    pending = [(0, len(message), nested)]
    fields = 0
    while pending:
        at, end, inner = pending.pop()
        while at < end:
            fields += 1
            if fields > most:
                raise _too_many(most)
            tag, at = _varint(message, at, end)
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                _, at = _varint(message, at, end)
            elif kind == _LENGTH:
                size, at = _varint(message, at, end)
                if inner.get(number) is _PACKED:
                    fields += size
                elif number in inner:
                    pending.append((at, min(at + size, end), inner[number]))
                at += size
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            elif kind not in _GROUP:
                raise unreadable()
        if at > end:
            raise unreadable()
        if fields > most:
            raise _too_many(most)


def _too_many(most: int) -> Refused:
    return Refused(413, f"the request holds more than {most:,} fields; send fewer prompts at once")


def _varint(message: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number of at most ten bytes, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise unreadable()


def unreadable() -> InputError:
    """Return the sentence for bytes that are no protocol buffer."""
    return InputError("the request is no protocol buffer of protocol v2; generate the client from its definition")
