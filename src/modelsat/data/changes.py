"""What changed from one collection to the next: which candidates are new, gone, or have other scores than before."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelsat.data import collection_digest
from modelsat.data.collection import Collection
from modelsat.io import atomic

LAST = "last-collection.json"
"""Name of the file that keeps the digests of the last collection."""
_SHOWN = 5


def since(path: Path, collection: Collection) -> str:
    """Return in a sentence what changed since the last call with this file, and note the collection there.

    Args:
        path: File that keeps the digests of the last collection; absent before the first call.
        collection: Merged scores.
    """
    scores = by_candidate(collection)
    now = {"digest": collection.digest(), "candidates": scores}
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    atomic.write_json(path, now)
    if before is None:
        return f"the first collection here, {now['digest']}"
    if before["digest"] == now["digest"]:
        return f"the same as the last collection, {now['digest']}"
    return f"against the last collection, {before['digest']}: {_told(before['candidates'], scores)}"


def by_candidate(collection: Collection) -> dict[str, str]:
    """Return a digest of each candidate's scores, in the order of the collection."""
    found: dict[str, Any] = {}
    for block in collection.blocks("candidate", "prompt_id", "metric", "score"):
        codes = block["candidate"].combine_chunks()
        numbers = codes.indices.to_numpy(zero_copy_only=False)
        names = codes.dictionary.to_pylist()
        starts = np.flatnonzero(np.r_[len(numbers) > 0, numbers[1:] != numbers[:-1]])
        for start, end in zip(starts, np.r_[starts[1:], len(numbers)], strict=True):
            name = names[numbers[start]]
            digest = found.setdefault(name, hashlib.sha256())
            for piece in collection_digest.written(block.slice(start, end - start)):
                # Where blocks and pieces end must not count.
                digest.update(b", " + piece.removeprefix(b", "))
    return {name: digest.hexdigest()[:32] for name, digest in found.items()}


def _told(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    same = [name for name in now if before.get(name) == now[name]]
    parts = [
        ("new", [name for name in now if name not in before]),
        ("gone", [name for name in before if name not in now]),
        ("changed", [name for name in now if before.get(name, now[name]) != now[name]]),
    ]
    said = [f"{_named(names)} {'is' if len(names) == 1 else 'are'} {what}" for what, names in parts if names]
    said.append(f"the scores of {len(same)} {'candidate' if len(same) == 1 else 'candidates'} are as before")
    return ", ".join(said)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
