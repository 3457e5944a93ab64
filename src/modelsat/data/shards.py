"""Sources that are read apart from each other, by tasks of their own, and merged by one that reads what these left.

What a task leaves is a folder with an entry per source, as a `SourceStore` keeps them.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelsat.data import source_store, sources
from modelsat.data.readers.harvest import Harvest
from modelsat.data.source_store import SourceStore
from modelsat.errors import InputError, ModelsatError
from modelsat.io import atomic
from modelsat.io.scratch import ScratchFolder


def groups(uris: Sequence[str], shards: int) -> list[list[str]]:
    """Share sources out, each once, as evenly as their number allows.

    Args:
        uris: Folders or `s3://` prefixes.
        shards: So many groups at most, at least 1.

    Returns:
        Groups of at least one source each; one empty group where there is no source.
    """
    distinct = list(dict.fromkeys(sources.named(uris)))
    size = max(1, min(shards, len(distinct)))
    return [distinct[first::size] for first in range(size)]


def read(uris: Sequence[str], into: Path, kept: Path | None = None) -> int:
    """Read sources for `harvests`.

    Args:
        uris: Folders or `s3://` prefixes, each in a layout that a reader knows.
        into: Receives an entry per source, complete or not at all.
        kept: Folder that keeps what each source gave, so that unchanged ones are not read again; None reads all.

    Returns:
        How many scores they hold, repeated ones included.

    Raises:
        InputError: There is no source, one is empty, or no reader recognises it.
        ServiceError: S3 refused.
        ResourceError: The disk is full.
    """
    rows = 0
    with atomic.atomic_folder(into) as beside:
        store = SourceStore(beside if kept is None else kept)
        for uri in sources.named(uris):
            with ScratchFolder() as scratch, _naming(uri):
                entry = store.keep(uri, scratch)
                if kept is not None:
                    shutil.copytree(entry, beside / entry.name, copy_function=_linked)
                rows += source_store.rows(entry)
    return rows


def harvests(uris: Sequence[str], folders: Sequence[Path]) -> Iterator[Harvest]:
    """Return what sources gave, in their order, from what tasks left.

    Args:
        uris: All sources.
        folders: As `read` wrote them.

    Raises:
        InputError: There is no source, or none of the tasks read one of them.
    """
    stores = [SourceStore(folder) for folder in folders]
    for uri in sources.named(uris):
        entry = next((found for store in stores if (found := store.held(uri)) is not None), None)
        if entry is None:
            raise InputError(f"no task has read {uri!r}; run the steps that read the sources again")
        yield from source_store.harvests(entry)


@contextlib.contextmanager
def _naming(uri: str) -> Iterator[None]:
    """Let errors name the source: of a task among many a user sees the error alone."""
    try:
        yield
    except ModelsatError as error:
        if uri in str(error):
            raise
        raise type(error)(f"the source {uri!r} could not be read: {error}") from error


def _linked(source: str, target: str) -> None:
    """Give a file that never changes a second name, or a copy where that lies on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
