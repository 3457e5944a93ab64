"""The tables that stages exchange, as Arrow schemas that are checked on reading and writing.

A table's schema carries its name and version, so that a reader of another version can report the mismatch.
Missing values are null, never 0: a candidate that was not run on a prompt has no row.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modelsat.errors import InputError
from modelsat.io.atomic import atomic_file

VERSION = 1


def _schema(name: str, *fields: pa.Field) -> pa.Schema:
    return pa.schema(fields, metadata={"modelsat_table": name, "modelsat_version": str(VERSION)})


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


SCORES = _schema(
    "scores",
    _required("candidate", pa.string()),
    _required("benchmark", pa.string()),
    _required("task", pa.string()),
    _required("prompt_id", pa.string()),
    pa.field("score", pa.float64()),
    _required("metric", pa.string()),
    pa.field("num_fewshot", pa.int32()),
    pa.field("tokens_in", pa.int32()),
    pa.field("tokens_out", pa.int32()),
    pa.field("cost_usd", pa.float64()),
    pa.field("latency_seconds", pa.float64()),
    _required("harness", pa.string()),
    pa.field("harness_version", pa.string()),
    _required("source_uri", pa.string()),
    _required("source_row", pa.int64()),
    _required("source_digest", pa.string()),
    _required("collected_at", pa.timestamp("us", tz="UTC")),
)
"""One row per (candidate, prompt, metric); `score` in [0, 1] once validated."""

PROMPTS = _schema(
    "prompts",
    _required("prompt_id", pa.string()),
    _required("stem_digest", pa.string()),
    _required("benchmark", pa.string()),
    _required("task", pa.string()),
    _required("prompt", pa.string()),
    pa.field("choices", pa.list_(pa.string())),
    pa.field("answer", pa.string()),
    pa.field("scorer", pa.string()),
    pa.field("image", pa.string()),
    pa.field("image_text", pa.string()),
)
"""One row per prompt; `answer` and `scorer` (letter, number, exact) where the source has them. `image` is the digest of
the pictures that come with it, null for a prompt without, `image_text` what was read in them."""

CANDIDATES = _schema(
    "candidates",
    _required("candidate", pa.string()),
    pa.field("family", pa.string()),
    pa.field("released_at", pa.date32()),
    pa.field("n_params", pa.int64()),
    pa.field("context_length", pa.int32()),
    pa.field("price_in", pa.float64()),
    pa.field("price_out", pa.float64()),
    pa.field("endpoint", pa.string()),
    pa.field("aliases", pa.list_(pa.string())),
    pa.field("modalities", pa.list_(pa.string())),
    pa.field("tools", pa.bool_()),
    pa.field("regions", pa.list_(pa.string())),
    pa.field("revision", pa.string()),
    pa.field("licence", pa.string()),
    pa.field("served_as", pa.string()),
    pa.field("api_key_env", pa.string()),
    pa.field("price_cached_in", pa.float64()),
    pa.field("reasoning", pa.bool_()),
    pa.field("retires_at", pa.date32()),
    pa.field("request_body", pa.string()),
    pa.field("max_tokens", pa.int32()),
    pa.field("timeout_seconds", pa.float64()),
    pa.field("published", pa.string()),
    pa.field("protocols", pa.string()),
    pa.field("request_headers", pa.string()),
)
"""One row per candidate; prices in USD per million tokens, missing is missing. `price_cached_in` is that of input which
the provider has in its cache. `modalities` are what it reads beside text, `tools` says whether it calls tools,
`reasoning` whether it can think before it answers, `retires_at` is the day from which it is not served any more,
`regions` are where it is served. `served_as` is its name at the endpoint, `api_key_env` the environment variable that
holds the key: the key itself stands nowhere. `request_body` (a JSON object), `max_tokens` and `timeout_seconds` say how
it has to be asked. `published` (a JSON object) are its published scores by benchmark, in [0, 1]. `protocols` (a JSON
object) names the protocols that its endpoint speaks, each with fields of every request in it; `request_headers` (a JSON
object) are headers of every request, none of them secret."""

_LATER = {"price_cached_in", "reasoning", "retires_at", "request_body", "max_tokens", "timeout_seconds"}
_LATER |= {"paid_usd", "expected_cost_usd", "published", "protocols", "request_headers", "image", "image_text"}
"""Columns that came with 0.2.0, written only where they hold something, so that other files stay as they were."""

REJECTS = _schema(
    "rejects",
    _required("source_uri", pa.string()),
    pa.field("source_row", pa.int64()),
    pa.field("field", pa.string()),
    pa.field("value", pa.string()),
    _required("reason", pa.string()),
)
"""One row per rejected input row, with the reason."""

APTITUDE_TEST = _schema(
    "aptitude_test",
    _required("version", pa.string()),
    _required("task", pa.string()),
    _required("category", pa.string()),
    _required("keywords", pa.list_(pa.string())),
    _required("position", pa.int32()),
    _required("prompt_id", pa.string()),
    _required("stem_digest", pa.string()),
    _required("text", pa.string()),
    pa.field("benchmark", pa.string()),
    pa.field("choices", pa.list_(pa.string())),
    pa.field("answer", pa.string()),
    pa.field("scorer", pa.string()),
)
"""One row per aptitude question, in the frozen order; `text` is what a router would see. `answer` and `scorer` (letter,
number, exact) if the source has them; only such a question can be sent to an endpoint."""

CARDS = _schema(
    "cards",
    _required("candidate", pa.string()),
    _required("test_version", pa.string()),
    _required("task", pa.string()),
    pa.field("accuracy", pa.float64()),
    _required("n", pa.int32()),
    _required("shrunken_accuracy", pa.float64()),
)
"""One row per (candidate, task); `accuracy` is null where `n` is 0."""

APTITUDE_ANSWERS = _schema(
    "aptitude_answers",
    _required("candidate", pa.string()),
    _required("position", pa.int32()),
    _required("score", pa.float32()),
)
"""One row per candidate and aptitude question that it was asked, by the question's place in the frozen order."""

SEEN_PROMPTS = _schema("seen_prompts", _required("stem", pa.string()))
"""One row per prompt that a router learned from: the beginning of its stem digest."""

INSTRUCTIONS = _schema(
    "instructions",
    _required("candidate", pa.string()),
    _required("prompt_id", pa.string()),
    _required("target", pa.float32()),
    _required("weight", pa.float32()),
    _required("split", pa.string()),
    pa.field("paid_usd", pa.float64()),
)
"""One row per capability instruction; `target` in [0, 1], `split` train, validation or test; `paid_usd` is what the
answer cost, where that is known."""

PREDICTIONS = _schema(
    "predictions",
    _required("router", pa.string()),
    _required("bundle_digest", pa.string()),
    _required("prompt_id", pa.string()),
    _required("success_probability", pa.list_(pa.float32())),
    pa.field("foreign", pa.float32()),
    pa.field("expected_cost_usd", pa.list_(pa.float64())),
)
"""One row per (router, prompt): probabilities in the bundle's candidate order, computed on the accelerator; `foreign`
says how far the prompt is from the training prompts, in [0, 1], where the router measures it; `expected_cost_usd` is
what its cost head predicts, where it has one."""


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Order, cast and complete the columns of `table` to `schema`; absent nullable columns become null.

    Raises:
        InputError: A required column is absent or holds nulls, or a value does not fit its type.
    """
    name = _name(schema)
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            if not field.nullable:
                raise InputError(f"table {name!r} has no column {field.name!r}; add it")
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table[field.name]
        if not field.nullable and column.null_count:
            raise InputError(f"column {field.name!r} of table {name!r} holds {column.null_count} nulls; fill them")
        try:
            columns.append(column.cast(field.type))
        except pa.ArrowException as error:
            raise InputError(f"column {field.name!r} of table {name!r} does not fit {field.type}: {error}") from error
    return pa.Table.from_arrays(columns, schema=schema)


def from_rows(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    """Return a table of `schema` from row dictionaries; absent keys become null."""
    try:
        table = pa.Table.from_pylist(rows, schema=_nullable(schema))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"a row of table {_name(schema)!r} ({', '.join(schema.names)}) has the wrong type: {error}"
        ) from error
    return conform(table, schema)


def write(table: pa.Table, path: Path | str, schema: pa.Schema) -> None:
    """Write `table` as Parquet after checking it against `schema`."""
    checked = conform(table, schema)
    with atomic_file(path) as beside:
        pq.write_table(checked.drop_columns(empty_later(checked)), beside, compression="zstd", write_page_checksum=True)


def empty_later(table: pa.Table) -> list[str]:
    """Return the columns that came with later versions and hold nothing, which no file needs."""
    return [name for name in table.column_names if name in _LATER and table[name].null_count == table.num_rows]


def write_plain(table: pa.Table, path: Path | str) -> None:
    """Write a table for human readers, without a contract."""
    with atomic_file(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def read(path: Path | str, schema: pa.Schema) -> pa.Table:
    """Read a Parquet table written by `write`.

    Raises:
        InputError: The file is absent, is not Parquet, or holds another table or version.
    """
    with naming_faults(path, schema):
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
    check_name(path, table.schema, schema)
    return conform(table, schema)


@contextlib.contextmanager
def naming_faults(path: Path | str, schema: pa.Schema) -> Iterator[None]:
    """Turn what Arrow raises on a table at `path` into sentences.

    Raises:
        InputError: The file is absent or is not Parquet.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{str(path)!r} does not exist; run the step that writes {_name(schema)!r}") from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{str(path)!r} is not a readable Parquet file ({error}); write it again") from error


def check_name(path: Path | str, found: pa.Schema, schema: pa.Schema) -> None:
    """Check that a file holds the table of a contract.

    Args:
        path: Of the file.
        found: Its schema.
        schema: Of the contract.

    Raises:
        InputError: It holds another table or version.
    """
    metadata = found.metadata or {}
    expected = schema.metadata
    for key in (b"modelsat_table", b"modelsat_version"):
        if metadata.get(key) != expected[key]:
            raise InputError(
                f"{str(path)!r} has {key.decode()} {(metadata.get(key) or b'none').decode()!r}, "
                f"expected {expected[key].decode()!r}; write it with this version of modelsat"
            )


def _name(schema: pa.Schema) -> str:
    return str(schema.metadata[b"modelsat_table"].decode())


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])
