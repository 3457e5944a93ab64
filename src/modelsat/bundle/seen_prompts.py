"""Which prompts a bundle learned from, kept as digests of their stems: no text, and enough to know a prompt again."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts

_CHARACTERS = 16
"""Of a digest: 64 bits, by which a million prompts have no two alike."""


def table(stem_digests: Iterable[str]) -> pa.Table:
    """Return the record of the contract `SEEN_PROMPTS` on prompts with these stem digests."""
    stems = sorted({digest[:_CHARACTERS] for digest in stem_digests})
    return contracts.conform(pa.table({"stem": pa.array(stems, pa.string())}), contracts.SEEN_PROMPTS)


def with_more(record: pa.Table, stem_digests: Iterable[str]) -> pa.Table:
    """Return a record with further prompts; an empty one, of a bundle that keeps none, stays empty."""
    return table([*record["stem"].to_pylist(), *stem_digests]) if record.num_rows else record


def seen(bundle: Bundle, stem_digests: Iterable[str]) -> np.ndarray:
    """Return which prompts a bundle learned from, boolean, one for each stem digest.

    Of a bundle without a record only the questions of its aptitude test are known.
    """
    known = {digest[:_CHARACTERS] for digest in bundle.aptitude_test["stem_digest"].to_pylist()}
    known |= set(bundle.seen_prompts["stem"].to_pylist())
    return np.asarray([digest[:_CHARACTERS] in known for digest in stem_digests], dtype=bool)
