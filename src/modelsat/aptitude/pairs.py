"""Pairs of candidates and training prompts with their targets, in a file that is read block by block."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts, score_matrix, splits, table_blocks
from modelsat.data.collection import Collection
from modelsat.io.atomic import atomic_file
from modelsat.io.scratch import ScratchFolder

_KINDS = [splits.TRAIN, splits.VALIDATION, splits.TEST]


class Pairs:
    """A table of the contract `INSTRUCTIONS` in a file.

    Attributes:
        by_split: How many pairs each split has.
        positive: How many have a target above 0.5.
    """

    def __init__(self, path: Path, scratch: ScratchFolder | None = None) -> None:
        """Open a table.

        Args:
            path: Of the file, which has to stay as long as this is in use.
            scratch: The folder that it lies in, where that is to go with this.

        Raises:
            InputError: The file is absent or holds another table.
        """
        self._path = path
        self._scratch = scratch
        self.by_split: Counter[str] = Counter()
        self.positive = 0
        for block in self.blocks("split", "target"):
            self.by_split.update(counted(block["split"]))
            self.positive += int((block["target"].to_numpy() > 0.5).sum())

    def __len__(self) -> int:
        return self.by_split.total()

    def blocks(self, *columns: str) -> Iterator[pa.Table]:
        """Return some columns of the pairs, block by block; texts are dictionary columns."""
        return table_blocks.read(self._path, contracts.INSTRUCTIONS, columns)

    def table(self) -> pa.Table:
        """Return all pairs; texts are dictionary columns."""
        return table_blocks.read_table(self._path, contracts.INSTRUCTIONS)

    def rows(self, places: Sequence[int]) -> list[Mapping[str, Any]]:
        """Return the pairs at some places, in the order of `places`."""
        found: dict[int, Mapping[str, Any]] = {}
        start = 0
        for block in self.blocks(*contracts.INSTRUCTIONS.names):
            for place in places:
                if start <= place < start + block.num_rows:
                    found[place] = block.slice(place - start, 1).to_pylist()[0]
            start += block.num_rows
        return [found[place] for place in places]

    def write(self, path: Path) -> None:
        """Copy the file to `path`."""
        with atomic_file(path) as beside:
            shutil.copyfile(self._path, beside)


def build(collection: Collection, paid: np.ndarray | None) -> Pairs:
    """Pair every candidate with every prompt that it answered, held-out prompts aside.

    Args:
        collection: The results.
        paid: What answers cost in USD, (prompts, candidates), NaN where it is not known; None where nothing is.
    """
    scratch = ScratchFolder()
    path = scratch.path / "instructions.parquet"
    table_blocks.write(_blocks(collection, paid), path, contracts.INSTRUCTIONS)
    return Pairs(path, scratch)


def _blocks(collection: Collection, paid: np.ndarray | None) -> Iterator[pa.Table]:
    ids = collection.prompts["prompt_id"].to_pylist()
    names = collection.candidates["candidate"].to_pylist()
    split_of = np.asarray([_KINDS.index(one) for one in splits.assign(collection.prompts["stem_digest"].to_pylist())])
    held_out = split_of == _KINDS.index(splits.TEST)
    told = paid is not None and not bool(np.isnan(paid[~held_out]).all())
    schema = table_blocks.with_dictionaries(contracts.INSTRUCTIONS)
    if not told:
        # A file needs no column that holds nothing.
        schema = schema.remove(schema.get_field_index("paid_usd"))
    for block in collection.blocks("candidate", "prompt_id", "score"):
        prompt = score_matrix.positions(block["prompt_id"], ids)
        stranger = np.flatnonzero(prompt < 0)
        if len(stranger):
            raise KeyError(block["prompt_id"][int(stranger[0])].as_py())
        table = {
            "candidate": block["candidate"],
            "prompt_id": block["prompt_id"],
            "target": pc.cast(block["score"], pa.float32()),
            "weight": pa.array(np.ones(block.num_rows, dtype=np.float32)),
            "split": pa.DictionaryArray.from_arrays(pa.array(split_of[prompt], pa.int32()), pa.array(_KINDS)),
        }
        if told and paid is not None:
            cost = paid[prompt, score_matrix.positions(block["candidate"], names)]
            table["paid_usd"] = pa.array(cost, pa.float64(), from_pandas=True)
        yield table_blocks.narrowed(pa.table(table, schema=schema).filter(pa.array(~held_out[prompt])))


def counted(column: pa.ChunkedArray) -> Counter[str]:
    """Return how often each text stands in a column."""
    found: Counter[str] = Counter()
    for chunk in column.chunks:
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        times = np.bincount(coded.indices.to_numpy(zero_copy_only=False), minlength=len(coded.dictionary))
        found.update({name: int(n) for name, n in zip(coded.dictionary.to_pylist(), times, strict=True) if n})
    return found
