"""Checkpoints that are complete or do not count.

DeepSpeed writes its `latest` file before all ranks have finished and loads what it finds, so resume trusts only a
checkpoint whose manifest we wrote last: the size and SHA-256 of each of its files.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelsat.io.atomic import naming_full_disk, write_json
from modelsat.io.storage import file_digest

KEPT = 2


def save(
    engine: Any, folder: Path, step: int, progress: dict[str, Any], rank: int, barrier: Callable[[], None]
) -> None:
    """Save the engine of every rank, then the manifest, then drop all but the newest complete checkpoints.

    Args:
        engine: DeepSpeed engine.
        folder: Of all checkpoints of this training.
        step: Steps done.
        progress: What else has to be known to go on; JSON.
        rank: Of this process.
        barrier: Waits for all ranks.
    """
    tag = f"step-{step:07d}"
    with naming_full_disk(folder):
        engine.save_checkpoint(str(folder), tag=tag, save_latest=False, exclude_frozen_parameters=True)
    barrier()
    if rank == 0:
        files = {
            path.relative_to(folder / tag).as_posix(): {"size": path.stat().st_size, "sha256": file_digest(path)}
            for path in sorted((folder / tag).rglob("*"))
            if path.is_file()
        }
        write_json(folder / f"{tag}.json", {"files": files, "progress": progress})
        for old in complete(folder)[:-KEPT]:
            (folder / f"{old}.json").unlink()
        known = {path.stem for path in folder.glob("step-*.json")}
        for path in folder.glob("step-*"):
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path)
    barrier()


def complete(folder: Path) -> list[str]:
    """Return the tags of checkpoints whose files all agree with their manifest, oldest first."""
    return [path.stem for path in sorted(folder.glob("step-*.json")) if _agrees(folder, path)]


def progress(folder: Path, tag: str) -> dict[str, Any]:
    """Return what was saved beside a complete checkpoint."""
    stored: dict[str, Any] = json.loads((folder / f"{tag}.json").read_text(encoding="utf-8"))["progress"]
    return stored


def load(engine: Any, folder: Path, tag: str) -> None:
    """Load a complete checkpoint of as many ranks as there are now; frozen weights are not in it."""
    engine.load_checkpoint(str(folder), tag=tag, load_module_strict=False)


def _agrees(folder: Path, manifest: Path) -> bool:
    try:
        files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        return all(
            (folder / manifest.stem / name).stat().st_size == facts["size"]
            and file_digest(folder / manifest.stem / name) == facts["sha256"]
            for name, facts in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
