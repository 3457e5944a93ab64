"""Temporary folders that go with the process that made them; what a killed one left behind goes with the next.

A folder is locked while its process lives. The lock is the kernel's, so it ends with the process, however that ends.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path

PREFIX = "modelsat-scratch-"
_ATTEMPTS = 3


class ScratchFolder:
    """An empty folder, removed on exit, or when nothing holds this object.

    Attributes:
        path: Of the folder.
    """

    def __init__(self, parent: Path | None = None, prefix: str = PREFIX) -> None:
        """Make a folder, and remove those of the same prefix whose processes were killed.

        Args:
            parent: Existing folder to make it in; None takes the system's folder for temporary files.
            prefix: Of its name.
        """
        parent = parent or Path(tempfile.gettempdir())
        clear_abandoned(parent, prefix)
        self.path, self._handle = _locked(parent, prefix)
        self._remove = weakref.finalize(self, _remove, self.path, self._handle, os.getpid())

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self._remove()

    def keep(self) -> None:
        """Let the folder stay, wherever it was moved to."""
        if self._remove.detach() is not None and self._handle is not None:
            os.close(self._handle)


def clear_abandoned(parent: Path, prefix: str = PREFIX) -> None:
    """Remove the folders whose processes were killed.

    Args:
        parent: Folder that they lie in.
        prefix: Of their names.
    """
    for path in parent.iterdir():
        if path.name.startswith(prefix):
            with contextlib.suppress(BlockingIOError):
                handle = _lock(path)
                if handle is not None:
                    _remove(path, handle, os.getpid())


def _locked(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """Make a folder and return a handle that locks it, None where the file system knows no locks."""
    path = parent
    for _ in range(_ATTEMPTS):
        path = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        # Another process can take it for abandoned before it is locked.
        with contextlib.suppress(BlockingIOError):
            handle = _lock(path)
            if path.exists():
                return path, handle
            if handle is not None:
                os.close(handle)
    raise FileNotFoundError(f"{str(path)!r} was removed by another process as soon as it was made")


def _lock(path: Path) -> int | None:
    """Return a handle that locks a folder, None where it is gone or its file system knows no locks.

    Raises:
        BlockingIOError: Another process has locked it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return handle


def _remove(path: Path, handle: int | None, process: int) -> None:
    # A forked child shares the folder and must not take it away.
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)
        if handle is not None:
            os.close(handle)
