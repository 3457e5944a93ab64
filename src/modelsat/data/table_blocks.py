"""Tables of the contract in blocks of a million rows, in which each text stands once.

In memory a text is a number in a dictionary column, in a file it is plain text, which every reader of Parquet finds
there. A file is read as far as columns and rows are needed.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelsat.data import contracts
from modelsat.io.atomic import atomic_file

BLOCK = 2**20
"""Rows that are written and read at once."""
_DICTIONARY = 2**25
"""Bytes of a dictionary in a file; beyond, each text is written out."""


def with_dictionaries(schema: pa.Schema) -> pa.Schema:
    """Return the schema with dictionary columns for texts, which hold each text once."""
    texts = pa.dictionary(pa.int32(), pa.string())
    fields = [field.with_type(texts) if field.type == pa.string() else field for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def write(blocks: Iterable[pa.Table], path: Path | str, schema: pa.Schema) -> None:
    """Write a table that comes in blocks.

    Args:
        blocks: Of the schema with dictionaries, or of some of its columns.
        path: Of the Parquet file.
        schema: Of the contract.
    """
    left = iter(blocks)
    kinds = with_dictionaries(schema)
    first = next(left, kinds.empty_table())
    facts = {name.decode(): value.decode() for name, value in schema.metadata.items()}
    # The dictionaries are ours: a stored Arrow schema would hand them to every reader.
    options = {"compression": "zstd", "write_page_checksum": True, "store_schema": False}
    with (
        atomic_file(path) as beside,
        pq.ParquetWriter(beside, first.schema, **options, dictionary_pagesize_limit=_DICTIONARY) as writer,
    ):
        writer.add_key_value_metadata(facts)
        for block in itertools.chain([first], left):
            writer.write_table(block, row_group_size=max(block.num_rows, 1))


def write_table(table: pa.Table, path: Path | str, schema: pa.Schema) -> None:
    """Write a table of the schema, with plain texts or with dictionary columns, block by block."""
    coded = any(pa.types.is_dictionary(kind) for kind in table.schema.types)
    checked = contracts.conform(table, with_dictionaries(schema) if coded else schema)
    checked = checked.drop_columns(contracts.empty_later(checked))
    kinds = pa.schema([with_dictionaries(schema).field(name) for name in checked.column_names])
    slices = (checked.slice(start, BLOCK) for start in range(0, max(checked.num_rows, 1), BLOCK))
    write((narrowed(encoded(one, kinds)) for one in slices), path, schema)


def read(path: Path | str, schema: pa.Schema, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read some columns of a table block by block, texts as dictionary columns.

    Raises:
        InputError: The file is absent, is not Parquet, or holds another table or version.
    """
    wanted = pa.schema([with_dictionaries(schema).field(name) for name in columns])
    texts = [field.name for field in wanted if pa.types.is_dictionary(field.type)]
    with (
        contracts.naming_faults(path, schema),
        pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file,
    ):
        contracts.check_name(path, file.schema_arrow, schema)
        there = [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            yield encoded(file.read_row_group(group, columns=there), wanted)


def read_table(path: Path | str, schema: pa.Schema) -> pa.Table:
    """Read a whole table, texts as dictionary columns.

    Raises:
        InputError: As of `read`.
    """
    kinds = with_dictionaries(schema)
    return pa.concat_tables([kinds.empty_table(), *read(path, schema, schema.names)]).unify_dictionaries()


def count(path: Path | str, schema: pa.Schema) -> int:
    """Return how many rows a table has that `write` or `write_blocks` wrote, without reading them.

    Raises:
        InputError: As of `read`.
    """
    with contracts.naming_faults(path, schema), pq.ParquetFile(path) as file:
        contracts.check_name(path, file.schema_arrow, schema)
        return int(file.metadata.num_rows)


def decoded(table: pa.Table) -> pa.Table:
    """Return the table with plain texts instead of dictionary columns."""
    texts = [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in table.schema]
    return table.cast(pa.schema(texts, metadata=table.schema.metadata))


def narrowed(table: pa.Table) -> pa.Table:
    """Return the table with dictionaries of those texts alone that occur in it."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field, _narrowed(table[field.name].combine_chunks()))
    return table


def _narrowed(column: pa.DictionaryArray) -> pa.DictionaryArray:
    missing = column.indices.is_null().to_numpy(zero_copy_only=False)
    codes = column.indices.fill_null(0).to_numpy(zero_copy_only=False)
    used = np.zeros(len(column.dictionary), dtype=bool)
    used[codes[~missing]] = True
    numbers = np.append((np.cumsum(used) - 1).astype(np.int32), np.int32(0))
    return pa.DictionaryArray.from_arrays(
        pa.array(numbers[codes], mask=missing if missing.any() else None), column.dictionary.filter(pa.array(used))
    )


def encoded(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table in the columns of a schema of `with_dictionaries`."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table[field.name]
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(column.type):
            column = column.combine_chunks().dictionary_encode()
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema).unify_dictionaries().combine_chunks()
