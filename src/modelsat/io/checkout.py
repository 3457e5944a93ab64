"""Which commit files are at, where they come from a Git checkout."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = 30


@dataclass(frozen=True)
class Commit:
    """A commit and whether the files differ from it.

    Attributes:
        revision: The full hash.
        changed: Whether something among the files is changed, staged or not in Git yet.
        changes: What that is, as `git status --porcelain` names it below the checkout's top.
    """

    revision: str
    changed: bool
    changes: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        """Return the hash, and that the files differ from it where they do."""
        return f"{self.revision} with changes" if self.changed else self.revision


def commit_of(path: Path | str) -> Commit | None:
    """Return the commit of a file or folder; None where Git does not track it or is not installed.

    A folder that a checkout ignores, such as `.run`, is none of its files.
    """
    path = Path(path).absolute()
    folder, name = (path, ".") if path.is_dir() else (path.parent, path.name)
    tracked = _git(folder, "ls-files", "--", name)
    revision = _git(folder, "rev-parse", "--verify", "HEAD")
    if not tracked or not revision:
        return None
    changes = _git(folder, "status", "--porcelain", "--", name)
    if changes is None:
        return Commit(revision.strip(), True)
    names = tuple(line[3:] for line in changes.splitlines())
    return Commit(revision.strip(), bool(names), names)


def _git(folder: Path, *command: str) -> str | None:
    """Return what Git prints, None where it fails."""
    # A hook of Git's sets these; they name the checkout that the hook runs in.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command],  # noqa: S607
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
