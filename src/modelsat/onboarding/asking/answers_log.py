"""The answers of a run that is not finished: a line per answer, on disk before the next question is asked.

After a kill at any moment the same command goes on from here: what was answered is never asked and paid for again, and
a last line that was torn is as if it had never been written.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modelsat.errors import ConflictError, InputError
from modelsat.io.atomic import naming_full_disk

Record = dict[str, Any]


def read(path: Path, heading: Mapping[str, Any]) -> dict[str, Record]:
    """Return the records of a log by prompt id, in the order in which they came; none where there is no log.

    Args:
        path: Of the log.
        heading: Whose answers to what are expected.

    Raises:
        InputError: The file holds answers of something else, or is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    records = [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]
    if not records:
        return {}
    found, *answers = records
    differing = sorted(name for name in heading.keys() | found.keys() if heading.get(name) != found.get(name))
    if differing:
        told = ", ".join(f"{name} {found.get(name)!r} there, {heading.get(name)!r} here" for name in differing)
        raise InputError(f"{str(path)!r} holds answers of another run ({told}); remove it or name another folder")
    return {str(record["prompt_id"]): record for record in answers}


class AnswersLog:
    """An append-only file that one process at a time holds; a context.

    Args:
        path: Of the file; created where absent.
        heading: Whose answers to what: an existing log must have the same.

    Attributes:
        answers: The records by prompt id, in the order in which they came.

    Raises:
        InputError: As of `read`.
        ConflictError: Another process is asking.
    """

    def __init__(self, path: Path, heading: Mapping[str, Any]) -> None:
        self.path = path
        with naming_full_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._lock()
            self.answers = read(path, heading)
            whole = path.read_bytes().rfind(b"\n") + 1
            os.ftruncate(self._file, whole)
            if not whole:
                self._write(heading)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add the record of one answer, which has a `prompt_id`, and see it on disk."""
        self._write(record)
        self.answers[str(record["prompt_id"])] = dict(record)

    def remove(self) -> None:
        """Delete the file; its content is kept elsewhere by now."""
        self.path.unlink()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(f"another process writes {str(self.path)!r}; wait until it has ended") from error

    def _write(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        with naming_full_disk(self.path):
            # A full disk may take a part of a line: the rest has to follow or fail.
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)


def _parsed(path: Path, number: int, line: bytes) -> Record:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or (number > 1 and "prompt_id" not in record):
        raise InputError(f"line {number} of {str(path)!r} is damaged; remove that line and run again")
    return record
