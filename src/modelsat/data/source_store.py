"""What each source gave when it was read, kept, so that a source is read again only when it has changed.

An entry has the name of the source, of what it holds, and of how it is read: by which code, and whether text in
pictures can be read here. In S3 the objects' names and ETags tell what a source holds, so one that is unchanged is not
even fetched; elsewhere its files' digests do.
"""

import functools
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from modelsat.data import contracts, readers, table_blocks
from modelsat.data.readers.harvest import EmptyAnswers, Harvest
from modelsat.io import atomic, storage
from modelsat.io.code_digest import code_digest
from modelsat.text import picture_text

_SCORES = "scores.parquet"
_TABLES = {"prompts": contracts.PROMPTS, "candidates": contracts.CANDIDATES, "rejects": contracts.REJECTS}


class SourceStore:
    """A folder with an entry per source."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, uri: str, scratch: Path) -> Iterator[Harvest]:
        """Return what a source gives, as `readers.read` does, from its entry where it is unchanged.

        Args:
            uri: As of `keep`, like the next.
            scratch: Likewise.

        Raises:
            InputError: As of `keep`, like the next two.
            ServiceError: Likewise.
            ResourceError: Likewise.
        """
        return harvests(self.keep(uri, scratch))

    def keep(self, uri: str, scratch: Path) -> Path:
        """Return the entry of a source, which is read where it has changed or has none.

        Args:
            uri: Of the source.
            scratch: An empty folder for copies of S3 objects.

        Raises:
            InputError: No reader claims the source.
            ServiceError: S3 refused.
            ResourceError: The disk is full.
        """
        files = None if storage.is_s3(uri) else storage.snapshot(uri, scratch)
        held = storage.fingerprint(uri) if files is None else repr([(file.name, file.digest) for file in files])
        name, reading = _short(uri), f"{_code()} {picture_text.is_installed()} "
        entry = self._folder / f"{name}-{_short(reading + held)}"
        if not entry.is_dir():
            with atomic.atomic_folder(entry) as beside:
                files = storage.snapshot(uri, scratch) if files is None else files
                for number, harvest in enumerate(readers.read(uri, files)):
                    _write(harvest, beside / f"{number:05d}")
            # What the source held before is of no use any more.
            for other in self._folder.glob(f"{name}-*"):
                if other != entry:
                    shutil.rmtree(other)
        return entry

    def held(self, uri: str) -> Path | None:
        """Return the entry that a source has, whatever the source holds by now; None where it has none."""
        return next(iter(self._folder.glob(f"{_short(uri)}-*")), None)


@functools.cache
def _code() -> str:
    """Return the digest of the code that reads sources; to follow its imports takes a second."""
    return code_digest(["modelsat.data.readers"])


def harvests(entry: Path) -> Iterator[Harvest]:
    """Return what an entry holds, as `readers.read` gave it, in smaller pieces."""
    for part in sorted(entry.iterdir()):
        yield from _read(part)


def rows(entry: Path) -> int:
    """Return how many scores an entry holds."""
    return sum(table_blocks.count(part / _SCORES, contracts.SCORES) for part in entry.iterdir())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(harvest: Harvest, folder: Path) -> None:
    folder.mkdir()
    table_blocks.write_table(harvest.scores, folder / _SCORES, contracts.SCORES)
    for name, schema in _TABLES.items():
        contracts.write(getattr(harvest, name), folder / f"{name}.parquet", schema)
    facts = {"notes": harvest.notes, "licences": harvest.licences, "empty": list(map(asdict, harvest.empty_answers))}
    atomic.write_json(folder / "harvest.json", facts)


def _read(folder: Path) -> Iterator[Harvest]:
    """Return a harvest in pieces: its scores block by block, and then all else."""
    nothing = {name: schema.empty_table() for name, schema in _TABLES.items()}
    for block in table_blocks.read(folder / _SCORES, contracts.SCORES, contracts.SCORES.names):
        yield Harvest(block, **nothing)
    tables = {name: contracts.read(folder / f"{name}.parquet", schema) for name, schema in _TABLES.items()}
    facts = json.loads((folder / "harvest.json").read_text(encoding="utf-8"))
    empty = tuple(EmptyAnswers(**one) for one in facts["empty"])
    notes, licences = tuple(facts["notes"]), tuple(facts["licences"])
    yield Harvest(contracts.SCORES.empty_table(), **tables, notes=notes, licences=licences, empty_answers=empty)
