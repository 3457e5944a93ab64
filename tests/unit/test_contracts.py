"""Tables that do not fit their contract are refused where they enter, with table, column and remedy."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelsat.data import contracts
from modelsat.errors import InputError, ResourceError

SCHEMAS = [
    contracts.SCORES,
    contracts.PROMPTS,
    contracts.CANDIDATES,
    contracts.REJECTS,
    contracts.APTITUDE_TEST,
    contracts.CARDS,
    contracts.INSTRUCTIONS,
    contracts.PREDICTIONS,
]


@pytest.fixture
def card() -> pa.Table:
    return pa.table(
        {
            "shrunken_accuracy": [0.6],
            "candidate": ["model"],
            "test_version": ["apt-1"],
            "task": ["sums"],
            "accuracy": [0.5],
            "n": [20],
        }
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    rows: list[dict[str, object]] = [{"candidate": f"model-{i}", "price_in": i / 7} for i in range(1000)]
    contracts.write(contracts.from_rows(rows, contracts.CANDIDATES), tmp_path / "t.parquet", contracts.CANDIDATES)
    return tmp_path / "t.parquet"


def test_conforming_orders_and_casts_columns(card: pa.Table) -> None:
    table = contracts.conform(card, contracts.CARDS)

    assert table.schema.equals(contracts.CARDS, check_metadata=True)
    assert table.to_pylist() == [
        {
            "candidate": "model",
            "test_version": "apt-1",
            "task": "sums",
            "accuracy": 0.5,
            "n": 20,
            "shrunken_accuracy": 0.6,
        }
    ]


def test_absent_nullable_column_becomes_null(card: pa.Table) -> None:
    table = contracts.conform(card.drop_columns("accuracy"), contracts.CARDS)

    assert table["accuracy"].to_pylist() == [None]


def test_columns_beyond_the_contract_are_dropped(card: pa.Table) -> None:
    table = contracts.conform(card.append_column("vendor", pa.array(["x"])), contracts.CARDS)

    assert table.column_names == contracts.CARDS.names


def test_absent_required_column_is_named(card: pa.Table) -> None:
    with pytest.raises(InputError, match="table 'cards' has no column 'n'; add it"):
        contracts.conform(card.drop_columns("n"), contracts.CARDS)


def test_nulls_in_a_required_column_are_counted(card: pa.Table) -> None:
    with_null = card.set_column(0, "shrunken_accuracy", pa.array([None], pa.float64()))

    with pytest.raises(InputError, match="column 'shrunken_accuracy' of table 'cards' holds 1 nulls; fill them"):
        contracts.conform(with_null, contracts.CARDS)


@pytest.mark.parametrize("values", [["many"], [2.5], [2**40]], ids=["text", "fraction", "too large"])
def test_value_that_does_not_fit_its_type_is_refused(card: pa.Table, values: list[object]) -> None:
    broken = card.set_column(card.column_names.index("n"), "n", pa.array(values))

    with pytest.raises(InputError, match="column 'n' of table 'cards' does not fit int32"):
        contracts.conform(broken, contracts.CARDS)


def test_type_that_cannot_be_cast_at_all_is_refused() -> None:
    table = pa.table({"candidate": ["model"], "aliases": ["one string instead of a list"]})

    with pytest.raises(InputError, match="column 'aliases' of table 'candidates' does not fit"):
        contracts.conform(table, contracts.CANDIDATES)


def test_rows_may_leave_out_what_may_be_missing() -> None:
    table = contracts.from_rows([{"candidate": "a"}, {"candidate": "b", "price_in": 2.0}], contracts.CANDIDATES)

    assert table["candidate"].to_pylist() == ["a", "b"]
    assert table["price_in"].to_pylist() == [None, 2.0]


def test_missing_price_is_never_zero() -> None:
    table = contracts.from_rows([{"candidate": "a"}], contracts.CANDIDATES)

    assert table["price_in"].null_count == table["price_out"].null_count == 1


def test_rows_must_hold_what_is_required() -> None:
    with pytest.raises(InputError, match="column 'candidate' of table 'candidates' holds 1 nulls"):
        contracts.from_rows([{"family": "x"}], contracts.CANDIDATES)


def test_row_with_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(InputError, match="candidate"):
        contracts.from_rows([{"candidate": 7}], contracts.CANDIDATES)


@pytest.mark.parametrize("schema", SCHEMAS, ids=[schema.metadata[b"modelsat_table"].decode() for schema in SCHEMAS])
def test_empty_table_of_every_contract_comes_back(tmp_path: Path, schema: pa.Schema) -> None:
    contracts.write(schema.empty_table(), tmp_path / "table.parquet", schema)

    table = contracts.read(tmp_path / "table.parquet", schema)

    assert table.num_rows == 0
    assert table.schema.equals(schema, check_metadata=True)


def test_written_table_comes_back(written: Path) -> None:
    table = contracts.read(written, contracts.CANDIDATES)

    assert table["candidate"].to_pylist() == [f"model-{i}" for i in range(1000)]
    assert table["price_in"].to_pylist() == [i / 7 for i in range(1000)]


def test_table_that_breaks_its_contract_is_not_written(tmp_path: Path, card: pa.Table) -> None:
    with pytest.raises(InputError, match="no column 'candidate'"):
        contracts.write(card.drop_columns("candidate"), tmp_path / "cards.parquet", contracts.CARDS)

    assert list(tmp_path.iterdir()) == []


def test_absent_file_names_the_step_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cards\.parquet' does not exist; run the step that writes 'cards'"):
        contracts.read(tmp_path / "cards.parquet", contracts.CARDS)


def test_other_table_is_refused(written: Path) -> None:
    with pytest.raises(InputError, match="has modelsat_table 'candidates', expected 'cards'"):
        contracts.read(written, contracts.CARDS)


def test_other_version_is_refused(written: Path) -> None:
    table = pq.read_table(written)
    metadata = {"modelsat_table": "candidates", "modelsat_version": "99"}
    pq.write_table(table.replace_schema_metadata(metadata), written)

    with pytest.raises(InputError, match="has modelsat_version '99', expected '1'"):
        contracts.read(written, contracts.CANDIDATES)


def test_parquet_of_another_program_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"candidate": ["a"]}), tmp_path / "t.parquet")

    with pytest.raises(InputError, match="has modelsat_table 'none', expected 'candidates'"):
        contracts.read(tmp_path / "t.parquet", contracts.CANDIDATES)


@pytest.mark.parametrize("content", [b"", b"candidate\na\n"], ids=["empty", "csv"])
def test_file_that_is_not_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(content)

    with pytest.raises(InputError, match="is not a readable Parquet file"):
        contracts.read(tmp_path / "t.parquet", contracts.CANDIDATES)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_file_is_refused(written: Path, share: float) -> None:
    content = written.read_bytes()
    written.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(InputError, match="is not a readable Parquet file"):
        contracts.read(written, contracts.CANDIDATES)


def test_flipped_byte_in_the_data_is_refused(written: Path) -> None:
    content = bytearray(written.read_bytes())
    content[40] ^= 0xFF
    written.write_bytes(content)

    with pytest.raises(InputError, match="is not a readable Parquet file"):
        contracts.read(written, contracts.CANDIDATES)


def test_full_disk_is_named_although_arrow_hides_it(mount_disk: Callable[[str], Path]) -> None:
    disk = mount_disk("size=64k")
    rows: list[dict[str, object]] = [{"candidate": f"{i * 7919 % 99991:x}-{i**5:x}"} for i in range(20_000)]

    with pytest.raises(ResourceError, match="the disk is full"):
        contracts.write(contracts.from_rows(rows, contracts.CANDIDATES), disk / "t.parquet", contracts.CANDIDATES)

    assert list(disk.iterdir()) == []


def test_plain_table_is_written_without_a_contract(tmp_path: Path) -> None:
    contracts.write_plain(pa.table({"anything": [1]}), tmp_path / "t.parquet")

    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == [{"anything": 1}]


def test_later_columns_are_written_only_where_they_hold_something(tmp_path: Path) -> None:
    old, new = ({"candidate": "ada"}, {"candidate": "ada", "reasoning": True})

    for name, row in (("old", old), ("new", new)):
        contracts.write(contracts.from_rows([row], contracts.CANDIDATES), tmp_path / name, contracts.CANDIDATES)

    assert "reasoning" not in pq.read_schema(tmp_path / "old").names
    assert contracts.read(tmp_path / "old", contracts.CANDIDATES)["reasoning"].to_pylist() == [None]
    assert contracts.read(tmp_path / "new", contracts.CANDIDATES)["reasoning"].to_pylist() == [True]
