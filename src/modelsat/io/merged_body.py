"""A candidate's own fields in a request: they go before the client's, since scores and prices are those of this body.

As in JSON Merge Patch (RFC 7396) objects are merged and null takes a field out; an object with a `type`, such as
Anthropic's `thinking`, takes the place of the client's whole, since its other fields belong to that type.
"""

from collections.abc import Mapping
from typing import Any


def merged(fields: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request with a candidate's own.

    Args:
        fields: Of the client.
        own: Of the candidate.
    """
    result = dict(fields)
    for name, value in own.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping) and "type" not in value:
            before = result.get(name)
            result[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[name] = value
    return result
