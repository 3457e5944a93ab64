"""How sources are named, which of them a file came from, and why one gave no score."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from modelsat.errors import InputError
from modelsat.io import storage


def named(uris: Sequence[str]) -> list[str]:
    """Return sources under the names that their files will begin with.

    Raises:
        InputError: There is none.
    """
    if not uris:
        raise InputError("no sources were given; name at least one folder or s3:// prefix with benchmark results")
    return [uri if storage.is_s3(uri) else str(Path(uri)) for uri in uris]


def place_of(uri: str, sources: Sequence[str]) -> int:
    """Return the place of the source that a file lies in, the innermost of several; 0 where it lies in none."""
    inside = [i for i, source in enumerate(sources) if uri == source or uri.startswith(source.rstrip("/") + "/")]
    return max(inside, key=lambda i: len(sources[i])) if inside else 0


def without_scores(
    sources: Sequence[str],
    files: Iterable[str],
    rejects: pa.Table,
    notes: Sequence[str],
    read: Iterable[str] = (),
) -> list[str]:
    """Return a sentence for each source that gave no score: what was found there instead.

    Args:
        sources: Folders or `s3://` prefixes.
        files: That gave a score which counts.
        read: That hold scores at all; those of `files`, and files whose scores are in others too.
        rejects: Table of the contract `REJECTS`.
        notes: Remarks on the files.
    """
    gave = {place_of(uri, sources) for uri in files}
    held = {place_of(uri, sources) for uri in read}
    sentences = []
    for i, source in enumerate(sources):
        if i in gave:
            continue
        lost = [row for row in rejects.to_pylist() if place_of(row["source_uri"], sources) == i]
        said = [note for note in notes if source in note]
        if lost:
            first, row = lost[0], lost[0]["source_row"]
            where = f"{first['source_uri']}{'' if row is None else f' row {row}'}: {first['reason']}"
            why = f"{len(lost):,} {'row or file is' if len(lost) == 1 else 'rows or files are'} rejected, first {where}"
        elif source in sources[:i]:
            why = "it is named twice, and read once"
        elif i in held:
            why = "all that it holds are in another source too, and counted there"
        elif said:
            why = said[0]
        else:
            why = "its files hold no rows with a score"
        sentences.append(f"{source!r} gave no scores: {why}")
    return sentences
