"""What a candidate may be called: one identifier that survives headers, URLs, metric names and file names."""

import re

_PART = r"[A-Za-z0-9][A-Za-z0-9._:@+-]*"
_CANDIDATE = re.compile(rf"{_PART}(?:/{_PART}){{0,3}}")
_LONGEST = 200
RESERVED = "auto"
"""The model that clients of the gateway ask for when the router is to choose."""


def fault_in_candidate(name: object) -> str | None:
    """Say what is wrong with a candidate's name, or return None where nothing is.

    `org/model` is allowed, as hubs and providers name models so; spaces, empty or dotted path segments
    and characters outside ASCII are not, since headers and metric names cannot carry them.
    """
    if not isinstance(name, str) or not name:
        return "a candidate needs a name"
    if len(name) > _LONGEST:
        return f"candidate name {name[:40]!r}... has {len(name)} characters; shorten it to {_LONGEST}"
    if name.lower() == RESERVED:
        return (
            f"candidate name {name!r} is what clients of the gateway write to have a model chosen; "
            f"rename it, such as {suggest_candidate(name)!r}"
        )
    if not _CANDIDATE.fullmatch(name):
        return (
            f"candidate name {name!r} is not usable; rename it with ASCII letters, digits and . _ : @ + - "
            f"in at most four parts joined by single slashes, such as {suggest_candidate(name)!r}"
        )
    return None


def suggest_candidate(name: str) -> str:
    """Return the nearest usable name."""
    parts = [re.sub(r"[^A-Za-z0-9._:@+-]+", "-", part).strip("-._:@+") for part in name.split("/")]
    parts = [part for part in parts if part]
    # The last part tells models apart, so parts beyond the fourth stay in it.
    joined = "/".join([*parts[:3], *(["-".join(parts[3:])] if parts[3:] else [])])
    usable = joined[:_LONGEST].rstrip("/") or "candidate"
    return f"{usable}-model" if usable.lower() == RESERVED else usable
