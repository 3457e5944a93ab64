"""What changed from one collection to the next: candidates, tasks and prompts that are new, gone or not as before.

A candidate has changed where it has other scores, a prompt where its question is another, a task where its prompts are.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import collection_digest, contracts
from modelsat.data.collection import Collection
from modelsat.io import atomic

LAST = "last-collection.json"
"""Name of the file that keeps the digests of the last collection; its prompts lie beside it."""
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
    prompts = collection.prompts
    earlier = _prompts(path, before["digest"]) if before and before["digest"] != now["digest"] else None
    _keep(path, now, prompts)
    if before is None:
        return f"the first collection here, {now['digest']}"
    if before["digest"] == now["digest"]:
        return f"the same as the last collection, {now['digest']}"
    said = [f"against the last collection, {before['digest']}: {_told(before['candidates'], scores)}"]
    if earlier is not None:
        said += _told_of_prompts(earlier, prompts)
    return "; ".join(said)


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


def _path(path: Path, digest: str) -> Path:
    return path.with_name(f"{path.stem}-{digest}.parquet")


def _prompts(path: Path, digest: str) -> pa.Table | None:
    """Return the prompts of an earlier collection, None where they were not kept."""
    kept = _path(path, digest)
    return contracts.read(kept, contracts.PROMPTS) if kept.is_file() else None


def _keep(path: Path, now: Mapping[str, Any], prompts: pa.Table) -> None:
    """Keep a collection's digests, and of its prompts what tells whether they are the same."""
    mine = _path(path, now["digest"])
    if not mine.is_file():
        told = ["prompt_id", "stem_digest", "benchmark", "task"]
        contracts.write(
            prompts.select(told).append_column("prompt", pa.repeat("", prompts.num_rows)), mine, contracts.PROMPTS
        )
    atomic.write_json(path, now)
    for other in path.parent.glob(f"{path.stem}-*.parquet"):
        if other != mine:
            other.unlink()


def _told(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    same = [name for name in now if before.get(name) == now[name]]
    said = _lists(
        [name for name in now if name not in before],
        [name for name in before if name not in now],
        [name for name in now if before.get(name, now[name]) != now[name]],
    )
    said.append(f"the scores of {len(same)} {'candidate' if len(same) == 1 else 'candidates'} are as before")
    return ", ".join(said)


def _told_of_prompts(before: pa.Table, now: pa.Table) -> list[str]:
    """Return sentences on prompts, and on tasks that are new, gone or have other prompts."""
    new, gone = ~_among(now, before, "prompt_id"), ~_among(before, now, "prompt_id")
    other = ~_among(now, before, "prompt_id", "stem_digest") & ~new
    if not (new.any() or gone.any() or other.any()):
        return ["the prompts are as before"]
    counts = [(int(which.sum()), what) for which, what in ((new, "new"), (gone, "gone"), (other, "changed"))]
    prompts = ", ".join(f"{n:,} {'prompt is' if n == 1 else 'prompts are'} {what}" for n, what in counts if n)
    here, there = set(_tasks(now)), set(_tasks(before))
    touched = set(_tasks(now.filter(pa.array(new | other)))) | set(_tasks(before.filter(pa.array(gone))))
    tasks = _lists(sorted(here - there), sorted(there - here), sorted(touched & here & there))
    return [prompts, *([f"of the tasks {', '.join(tasks)}"] if tasks else [])]


def _among(table: pa.Table, others: pa.Table, *columns: str) -> np.ndarray:
    """Return which rows have the same values in some columns as a row of another table."""
    mine, theirs = (pc.binary_join_element_wise(*(one[name] for name in columns), "\0") for one in (table, others))
    return np.asarray(pc.is_in(mine, value_set=theirs.combine_chunks()).to_numpy())


def _tasks(prompts: pa.Table) -> list[str]:
    """Return the distinct tasks, each under the name of its benchmark where that is another."""
    pairs = prompts.select(["benchmark", "task"]).group_by(["benchmark", "task"]).aggregate([]).to_pylist()
    names = [(one["benchmark"], one["task"]) for one in pairs]
    return [task if task == benchmark else f"{benchmark}/{task}" for benchmark, task in names]


def _lists(new: Sequence[str], gone: Sequence[str], changed: Sequence[str]) -> list[str]:
    parts = (("new", new), ("gone", gone), ("changed", changed))
    return [f"{_named(names)} {'is' if len(names) == 1 else 'are'} {what}" for what, names in parts if names]


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
