"""Files and folders that are complete or absent: written beside, then renamed."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelsat.errors import InputError, ResourceError
from modelsat.io.scratch import ScratchFolder

DISK_FULL = "the disk is full"
"""How the sentence of a full disk or quota begins, also in a process that has nowhere left to write it to."""
_NO_SPACE_BYTES = 2**16


@contextlib.contextmanager
def atomic_file(path: Path | str, staging: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends well.

    Args:
        path: Of the file.
        staging: Folder of the temporary path, on the same disk: a killed writer leaves that behind. None takes the
            folder of `path`.

    Raises:
        ResourceError: The disk or the quota is full; `path` is as it was.
    """
    path = Path(path)
    with naming_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=staging or path.parent, prefix=f".{path.name}.")
    os.close(handle)
    beside = Path(name)
    try:
        with naming_full_disk(path):
            yield beside
            _sync(beside)
            beside.chmod(0o644)
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield an empty folder that becomes `path`, replacing what stood there, when the block ends well.

    What killed processes had begun to write for `path` is removed.

    Raises:
        ResourceError: The disk or the quota is full; `path` is as it was.
    """
    path = Path(path)
    with naming_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = ScratchFolder(path.parent, f".{path.name}.new.")
    with scratch as beside, naming_full_disk(path):
        yield beside
        beside.chmod(0o755)
        if path.exists():
            retired = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
            path.replace(retired / path.name)
            beside.replace(path)
            shutil.rmtree(retired, ignore_errors=True)
        else:
            beside.replace(path)
        scratch.keep()


def require_writable(path: Path) -> None:
    """Create the folder of a file that long work will write, and check that it is writable.

    Raises:
        InputError: The file cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fault = "it is a folder" if path.is_dir() else None if os.access(path.parent, os.W_OK) else "no permission"
    except OSError as error:
        fault = error.strerror or str(error)
    if fault is not None:
        raise InputError(f"{str(path)!r} cannot be written ({fault}); name another place")


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, completely or not at all."""
    with atomic_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, completely or not at all; NaN and infinity are refused."""
    write_text(path, as_json(value))


def as_json(value: Any) -> str:
    """Return `value` as `write_json` writes it."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@contextlib.contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Turn the different errors that libraries raise on a full disk at `path` into one error.

    Raises:
        ResourceError: The disk or the quota is full.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        code = error.errno if isinstance(error, OSError) else None
        free = shutil.disk_usage(path.parent).free if path.parent.exists() else 0
        # Torch and Arrow drop the error number; then the free space decides.
        full = code in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        if not full and (code is not None or free > _NO_SPACE_BYTES):
            raise
        raise ResourceError(
            f"{DISK_FULL}: {str(path)!r} could not be written ({free // 2**20} MiB are free); "
            "free some space and run the same command again"
        ) from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
