"""The digest of what was collected: the SHA-256 of its scores, prompts and candidates in their order, written as JSON.

It is independent of when results were collected, from which paths and in which order. The text is made block by block
and never stands as a whole.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_KEY = ("candidate", "prompt_id", "metric", "score")
_MONEY = ("cost_usd", "tokens_in", "tokens_out")

_PIECE = 2**16
"""Rows written at once."""

Blocks = Callable[..., Iterator[pa.Table]]


def of(blocks: Blocks, prompts: pa.Table, candidates: Sequence[str]) -> str:
    """Return the first 32 hexadecimal characters of the digest.

    Args:
        blocks: Returns the blocks of some columns of the scores.
        prompts: Of the contract `PROMPTS`.
        candidates: Names.
    """
    # Where nothing was paid, digests are those of versions that knew no money.
    paid = any(block["cost_usd"].null_count < block.num_rows for block in blocks("cost_usd"))
    columns = (*_KEY, *_MONEY) if paid else _KEY
    found = _of_rows(blocks(*columns)) or _of_rows([_sorted(blocks(*columns))], are_sorted=True)
    told = ["prompt_id", "stem_digest"]
    # So are those of prompts without pictures.
    told += ["image_text"] if prompts["image_text"].null_count < prompts.num_rows else []
    stems = zip(*(pc.fill_null(prompts[name], "").to_pylist() for name in told), strict=True)
    found.update(f"], {json.dumps(sorted(stems))}, {json.dumps(sorted(candidates))}]".encode())
    return str(found.hexdigest()[:32])


def _of_rows(blocks: Iterable[pa.Table], are_sorted: bool = False) -> Any:
    """Return the hash of the list of rows, None where they do not ascend: those of a merged collection do."""
    found = hashlib.sha256(b"[[")
    last: tuple[str, ...] = ()
    for block in blocks:
        if not block.num_rows:
            continue
        first, end = (tuple(block[name][i].as_py() for name in _KEY[:3]) for i in (0, block.num_rows - 1))
        if not are_sorted and (first <= last or not _ascends(block)):
            return None
        found.update(b", " if last else b"")
        for piece in written(block):
            found.update(piece)
        last = end
    return found


def _ascends(block: pa.Table) -> bool:
    """Say whether rows ascend by their first columns, no two of them being equal there."""
    codes = [_ranked(block[name].combine_chunks()) for name in _KEY[:3]]
    above = np.zeros(block.num_rows - 1, dtype=bool)
    for code in reversed(codes):
        step = np.diff(code)
        above = (step > 0) | ((step == 0) & above)
    return bool(above.all())


def _sorted(blocks: Iterable[pa.Table]) -> pa.Table:
    """Return all rows in ascending order, a missing number counting as -1."""
    table = pa.concat_tables(list(blocks)).unify_dictionaries().combine_chunks()
    keys = [_ranked(table[name].combine_chunks()) for name in _KEY[:3]]
    keys += [pc.fill_null(pc.cast(table[name], pa.float64()), -1.0).to_numpy() for name in table.column_names[3:]]
    return table.take(np.lexsort(keys[::-1]))


def _ranked(column: pa.DictionaryArray) -> np.ndarray:
    place = np.empty(len(column.dictionary), dtype=np.int64)
    place[pc.sort_indices(column.dictionary).to_numpy()] = np.arange(len(place))
    return place[column.indices.to_numpy(zero_copy_only=False)]


def written(block: pa.Table) -> Iterator[bytes]:
    """Return the rows as JSON lists with commas between them, in pieces."""
    for start in range(0, block.num_rows, _PIECE):
        parts = [_as_json(column.combine_chunks()) for column in block.slice(start, _PIECE).columns]
        rows = pc.binary_join_element_wise(*parts, ", ")
        whole = pa.ListArray.from_arrays([0, len(rows)], rows)
        yield (b", [" if start else b"[") + pc.binary_join(whole, "], [")[0].as_buffer().to_pybytes() + b"]"


def _as_json(column: pa.Array) -> pa.Array:
    if not pa.types.is_dictionary(column.type):
        # NaN equals NaN here, and so does a missing value.
        column = column.dictionary_encode(null_encoding="encode")
    codes = column.indices.to_numpy(zero_copy_only=False)
    used = np.unique(codes)
    texts = [json.dumps(value) for value in column.dictionary.take(pa.array(used)).to_pylist()]
    return pa.array(texts, pa.string()).take(pa.array(np.searchsorted(used, codes)))
