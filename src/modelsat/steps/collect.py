"""The collect step: benchmark results in; collected tables and page out. Tasks of their own can read the results."""

from collections.abc import Sequence
from pathlib import Path

from modelsat.data import changes, collection, shards
from modelsat.data.sources import named
from modelsat.reports import collected


def shares(sources: Sequence[str], tasks: int) -> list[dict[str, list[str]]]:
    """Return what each of so many tasks at most has to read, as a pipeline takes it."""
    return [{"sources": group} for group in shards.groups(sources, tasks)]


def read(sources: Sequence[str], into: Path, kept: str = "") -> str:
    """Read some results, as far as that needs no others.

    Args:
        sources: Folders or `s3://` prefixes with benchmark results.
        into: Receives what they hold, for `run`.
        kept: As of `run`.

    Returns:
        How much there is, in one sentence.
    """
    rows = shards.read(sources, into, Path(kept) if kept else None)
    return f"{rows:,} scores in {len(sources)} {'source' if len(sources) == 1 else 'sources'}"


def run(
    sources: Sequence[str], scores: Path, page: Path, kept: str = "", parts: Sequence[Path] = ()
) -> tuple[str, dict[str, int]]:
    """Read all results, merge them, and keep what could not be read among the rejects.

    Args:
        sources: Folders or `s3://` prefixes with benchmark results.
        scores: Receives the tables.
        page: Receives what was collected, with the coverage map.
        kept: Folder that keeps what sources gave, so that unchanged ones are not read again; empty reads all.
        parts: What `read` left of all sources; without, they are read here.

    Returns:
        The collection in one sentence, with what changed since the last one where `kept` is told, and counts of scores,
        prompts, candidates and rejected rows.
    """
    if parts:
        found = collection.merge(shards.harvests(sources, parts), named(sources))
    else:
        found = collection.collect(sources, Path(kept) if kept else None)
    found.write(scores)
    changed = changes.since(Path(kept) / changes.LAST, found) if kept else ""
    collected.write(found, page, changed)
    return "; ".join(filter(None, [collected.sentence(found), changed])), found.counts()
