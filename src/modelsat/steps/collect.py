"""The collect step: benchmark results in; collected tables and page out."""

from collections.abc import Sequence
from pathlib import Path

from modelsat.data import collection
from modelsat.reports import collected


def run(sources: Sequence[str], scores: Path, page: Path) -> tuple[str, dict[str, int]]:
    """Read all results, merge them, and keep what could not be read among the rejects.

    Args:
        sources: Folders or `s3://` prefixes with benchmark results.
        scores: Receives the tables.
        page: Receives what was collected, with the coverage map.

    Returns:
        The collection in one sentence, and counts of scores, prompts, candidates and rejected rows.
    """
    found = collection.collect(sources)
    found.write(scores)
    collected.write(found, page)
    return collected.sentence(found), found.counts()
