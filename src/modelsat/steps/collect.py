"""The collect step: benchmark results in; collected tables and page out."""

from collections.abc import Sequence
from pathlib import Path

from modelsat.data import changes, collection
from modelsat.reports import collected


def run(sources: Sequence[str], scores: Path, page: Path, kept: str = "") -> tuple[str, dict[str, int]]:
    """Read all results, merge them, and keep what could not be read among the rejects.

    Args:
        sources: Folders or `s3://` prefixes with benchmark results.
        scores: Receives the tables.
        page: Receives what was collected, with the coverage map.
        kept: Folder that keeps what sources gave, so that unchanged ones are not read again; empty reads all.

    Returns:
        The collection in one sentence, with what changed since the last one where `kept` is told, and counts of scores,
        prompts, candidates and rejected rows.
    """
    found = collection.collect(sources, Path(kept) if kept else None)
    found.write(scores)
    collected.write(found, page)
    sentence = collected.sentence(found)
    if kept:
        sentence += f"; {changes.since(Path(kept) / changes.LAST, found)}"
    return sentence, found.counts()
