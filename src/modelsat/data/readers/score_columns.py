"""Scores of one tidy file as a table of the contract, in which each text stands once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from modelsat.data import contracts, score_matrix, table_blocks
from modelsat.data.readers.cells import Cells
from modelsat.data.readers.table_files import TableSheet
from modelsat.policy.costs import CHARACTERS_PER_TOKEN

HARNESS = "tidy-table"
METRIC = "score"


@dataclass(frozen=True)
class AnswerLengths:
    """Lengths of answers in characters: of single answers by (prompt, candidate), means by (benchmark, candidate)."""

    own: dict[tuple[str, str], float] = field(default_factory=dict)
    means: dict[tuple[str, str], float] = field(default_factory=dict)

    def tokens(self, prompt_id: str, benchmark: str, candidate: str) -> int | None:
        """Return the length of an answer in tokens, None where it is not known."""
        length = self.own.get((prompt_id, candidate), self.means.get((benchmark, candidate)))
        return None if length is None else round(length / CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class ScoreColumns:
    """Scores of one file, column by column, all of the same length.

    Attributes:
        candidates: Names, or a dictionary column of them.
        prompt_ids: Ids of prompts, or a dictionary column of them.
        scores: Numbers.
        rows: Where each stands in its file.
        others: Further columns of the contract `SCORES`.
    """

    candidates: Sequence[str] | pa.Array
    prompt_ids: Sequence[str] | pa.Array
    scores: np.ndarray
    rows: np.ndarray
    others: dict[str, Any] = field(default_factory=dict)


def score_table(
    sheet: TableSheet,
    prompts: pa.Table,
    found: ScoreColumns,
    lengths: AnswerLengths = AnswerLengths(),
    harness: str = HARNESS,
) -> pa.Table:
    """Make a table of the contract `SCORES`; a score whose prompt is unknown stays, for the validator to name."""
    taken, names = _text_column(found.prompt_ids), _text_column(found.candidates)
    place = score_matrix.positions(pa.chunked_array([taken]), prompts["prompt_id"].to_pylist())
    size = len(taken)
    table = {
        "candidate": names,
        "benchmark": _of_prompts(prompts["benchmark"], place),
        "task": _of_prompts(prompts["task"], place),
        "prompt_id": taken,
        "score": found.scores,
        "metric": _repeat(METRIC, size),
        "harness": _repeat(harness, size),
        "source_uri": _repeat(sheet.file.uri, size),
        "source_row": found.rows,
        "source_digest": _repeat(sheet.file.digest, size),
        "collected_at": pa.repeat(pa.scalar(datetime.now(UTC), pa.timestamp("us", tz="UTC")), size),
    }
    if lengths.own or lengths.means:
        keys = zip(taken.to_pylist(), table["benchmark"].to_pylist(), names.to_pylist(), strict=True)
        table["tokens_out"] = pa.array([lengths.tokens(*key) for key in keys], pa.int32())
    for name, column in found.others.items():
        known = pa.types.is_dictionary(column.type) if isinstance(column, pa.Array) else False
        table[name] = column if known else pa.array(column, contracts.SCORES.field(name).type)
    return contracts.conform(pa.table(table), table_blocks.with_dictionaries(contracts.SCORES))


def texts(column: Cells, rows: np.ndarray | None = None) -> pa.DictionaryArray:
    """Return texts as a dictionary column that has each once.

    Args:
        column: Texts; those of the rows are all there.
        rows: Which to take; None takes all.
    """
    codes = column.codes if rows is None else column.codes[rows]
    once = pa.array(column.distinct, pa.string()).dictionary_encode()
    numbers = once.indices.fill_null(0).to_numpy(zero_copy_only=False)
    return pa.DictionaryArray.from_arrays(pa.array(numbers[codes], pa.int32()), once.dictionary)


def _text_column(names: Sequence[str] | pa.Array) -> pa.DictionaryArray:
    return names if isinstance(names, pa.Array) else pa.array(names, pa.string()).dictionary_encode()


def _of_prompts(column: pa.ChunkedArray, place: np.ndarray) -> pa.DictionaryArray:
    """Return what the prompts at these places have in a column, `unknown` where there is none."""
    once = pa.concat_arrays([column.combine_chunks(), pa.array(["unknown"])]).dictionary_encode()
    return pa.DictionaryArray.from_arrays(once.indices.take(pa.array(place % len(once))), once.dictionary)


def _repeat(value: str, size: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, dtype=np.int32)), pa.array([value], pa.string()))
