"""Scores in columns: what is kept in short comes back whole, block by block, and from a file that anybody can read."""

import gc
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelsat.data import collection, contracts, short_scores, suspects, table_blocks, validation
from modelsat.data.collection import Collection, StoredCollection
from modelsat.data.readers.cells import CellsBuilder, of_arrow
from modelsat.data.short_scores import ScoreBooks

NAN = float("nan")


def a_row(**fields: Any) -> dict[str, Any]:
    """Return a row of the contract `SCORES`."""
    common = {"candidate": "a", "benchmark": "b", "task": "t", "prompt_id": "p", "score": 1.0, "metric": "score"}
    common |= {"harness": "h", "source_uri": "s/x.csv", "source_row": 1, "source_digest": "d"}
    return common | {"collected_at": pa.scalar(0, pa.timestamp("us", tz="UTC")).as_py()} | fields


def table(*rows: dict[str, Any]) -> pa.Table:
    return contracts.from_rows(list(rows), contracts.SCORES)


MIXED = table(
    a_row(candidate="b", score=None, num_fewshot=5, cost_usd=0.25),
    a_row(score=NAN, harness_version="0.4.1", tokens_out=7, source_row=2),
    a_row(prompt_id="q", task="u", metric="f1", source_uri="s/y.csv", source_row=9, latency_seconds=1.5),
)


def as_rows(found: pa.Table) -> str:
    """Return rows as text, in which NaN equals NaN."""
    return repr(table_blocks.decoded(found).to_pylist())


def scored(scores: pa.Table) -> Collection:
    empty = contracts.PROMPTS.empty_table(), contracts.CANDIDATES.empty_table(), contracts.REJECTS.empty_table()
    return Collection(scores, *empty, (), ())


def test_scores_in_short_come_back_as_they_were() -> None:
    books = ScoreBooks()
    short = short_scores.joined([short_scores.shorten(MIXED.slice(i, 1), books) for i in range(3)])

    (block,) = short_scores.blocks([(short, short.row.argsort())], books)

    assert as_rows(block) == as_rows(MIXED)


def test_file_of_scores_holds_plain_texts_that_any_reader_finds(tmp_path: Path) -> None:
    table_blocks.write_table(MIXED, tmp_path / "scores.parquet", contracts.SCORES)

    assert contracts.read(tmp_path / "scores.parquet", contracts.SCORES).schema.equals(contracts.SCORES)
    assert pq.read_table(tmp_path / "scores.parquet").schema.types == contracts.SCORES.types
    assert as_rows(pq.read_table(tmp_path / "scores.parquet")) == as_rows(MIXED)


def test_blocks_hold_the_columns_that_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_blocks, "BLOCK", 2)
    table_blocks.write_table(MIXED, tmp_path / "scores.parquet", contracts.SCORES)

    blocks = list(table_blocks.read(tmp_path / "scores.parquet", contracts.SCORES, ["prompt_id", "source_row"]))

    assert [block.to_pydict() for block in blocks] == [
        {"prompt_id": ["p", "p"], "source_row": [1, 2]},
        {"prompt_id": ["q"], "source_row": [9]},
    ]


def test_columns_of_later_versions_are_null_in_earlier_files(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"candidate": "a", "prompt_id": "p", "target": 1.0, "weight": 1.0, "split": "train"}
    ]
    contracts.write(contracts.from_rows(rows, contracts.INSTRUCTIONS), tmp_path / "i.parquet", contracts.INSTRUCTIONS)

    found = table_blocks.read_table(tmp_path / "i.parquet", contracts.INSTRUCTIONS)

    assert found.to_pylist() == [rows[0] | {"paid_usd": None}]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_digest_is_that_of_sorted_json_in_any_order(order: list[int]) -> None:
    rows = [a_row(candidate="é", score=0.1), a_row(prompt_id="q", score=None), a_row(candidate="b", score=1.0)]
    lists = [["a", "q", "score", None], ["b", "p", "score", 1.0], ["é", "p", "score", 0.1]]
    wanted = hashlib.sha256(json.dumps([lists, [], []]).encode()).hexdigest()[:32]

    assert scored(table(*[rows[i] for i in order])).digest() == wanted


def test_digest_counts_what_was_paid_where_anything_was() -> None:
    rows = [a_row(score=0.5, cost_usd=0.25, tokens_in=3), a_row(candidate="b", score=1.0)]
    lists = [["a", "p", "score", 0.5, 0.25, 3, None], ["b", "p", "score", 1.0, None, None, None]]

    assert scored(table(*rows)).digest() == hashlib.sha256(json.dumps([lists, [], []]).encode()).hexdigest()[:32]


@pytest.fixture
def stored(golden: Collection, tmp_path: Path) -> Collection:
    golden.write(tmp_path / "collected")
    return Collection.read(tmp_path / "collected")


def test_scores_of_a_stored_collection_are_read_when_they_are_asked_for(stored: Collection, golden: Collection) -> None:
    assert stored.counts() == golden.counts()
    assert stored.digest() == golden.digest()
    assert "scores" not in vars(stored)
    assert stored.scores.equals(golden.scores)


def test_stored_collection_with_another_note_has_its_scores(stored: Collection, golden: Collection) -> None:
    noted = replace(stored, notes=("a note",))

    assert (noted.rows, noted.digest()) == (golden.rows, golden.digest())
    assert [block.num_rows for block in noted.blocks("score")] == [golden.rows]


def test_merged_scores_are_in_a_file_that_goes_with_them(golden: Collection) -> None:
    rows = contracts.from_rows([{"candidate": "a"}], contracts.CANDIDATES)
    harvest = collection.Harvest(table(a_row()), golden.prompts.slice(0, 0), rows, golden.rejects)
    merged = collection.merge([harvest])
    assert isinstance(merged, StoredCollection)
    folder = merged.__dict__["_path"].parent
    assert folder.is_dir()

    del merged
    gc.collect()

    assert not folder.exists()


def test_all_suspects_are_counted_and_the_first_thousand_shown_to_the_judge(golden: Collection) -> None:
    rows = [a_row(prompt_id=f"p{i}", score=2.0, source_row=i) for i in range(1500)]
    found = suspects.of_scores(replace(golden, scores=table(*rows)))

    assert found.counts[suspects.OUT_OF_RANGE] == 1500
    assert found.frame()["source_row"].tolist() == list(range(1000))


def test_check_tells_how_many_rows_break_it_beyond_those_that_were_judged(make_collection: Callable[..., Any]) -> None:
    texts = [f"Question {i}" for i in range(1100)]
    percentages = make_collection([[50.0, 0.5 + i % 2 / 2] for i in range(1100)], texts, ("a", "b"), prices=(1.0, 1.0))

    check = next(one for one in validation.check(percentages).checks if one.title == "Every score lies in [0, 1]")

    assert (check.passed, check.unexpected, len(check.rows)) == (False, 1100, 20)


def test_cells_that_are_equal_in_python_but_of_another_type_are_kept_apart() -> None:
    builder = CellsBuilder()
    for cell in (1, True, 1.0, "1", [1], [1], 1):
        builder.add(cell)
    builder.fill(8)

    assert list(map(repr, builder.cells())) == ["1", "True", "1.0", "'1'", "[1]", "[1]", "1", "None"]
    assert len(builder.cells().distinct) == 7


@pytest.mark.parametrize(
    "column",
    [
        pa.chunked_array([["a", None], ["a", "b"]]),
        pa.chunked_array([pa.array(["a", None]).dictionary_encode(), pa.array(["b"]).dictionary_encode()]),
        pa.chunked_array([[1, None], [2]]),
        pa.chunked_array([[True, None, False]]),
        pa.chunked_array([[[1], None]]),
        pa.chunked_array([], pa.string()),
    ],
    ids=["texts", "dictionaries", "numbers", "truths", "lists", "nothing"],
)
def test_columns_of_parquet_read_like_lists(column: pa.ChunkedArray) -> None:
    cells = of_arrow(column)

    assert list(cells) == column.to_pylist()
    assert [cells[i] for i in range(len(cells))] == column.to_pylist()
