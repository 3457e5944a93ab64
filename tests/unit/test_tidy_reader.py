"""The reader of tidy tables keeps what it can read and names the file, the row and the reason of the rest."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data import contracts, readers, table_blocks
from modelsat.data.readers import Harvest, tidy
from modelsat.errors import InputError
from modelsat.io import storage
from modelsat.text.blank import is_blank

PROMPTS = "prompt_id,benchmark,category,prompt,choices\np1,sums,easy,What is 1 + 1?,\np2,words,,Spell cat,\n"
SCORES = "prompt_id,ada,bob\np1,1,0\np2,0.5,1\n"

Read = Callable[..., Harvest]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes files (text, bytes or tables; two underscores are a dot) and reads the folder."""

    def read_files(**files: str | bytes | pa.Table) -> Harvest:
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            if isinstance(content, pa.Table):
                pq.write_table(content, path)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tidy.read(storage.snapshot(str(tmp_path), tmp_path))

    return read_files


def cells(harvest: Harvest) -> dict[tuple[str, str], float]:
    return {(row["candidate"], row["prompt_id"]): row["score"] for row in harvest.scores.to_pylist()}


def rejected(harvest: Harvest) -> list[tuple[str, int | None]]:
    return [(Path(row["source_uri"]).name, row["source_row"]) for row in harvest.rejects.to_pylist()]


def the_reason(harvest: Harvest) -> str:
    (reason,) = harvest.rejects["reason"].to_pylist()
    return str(reason)


@pytest.mark.parametrize(
    ("names", "is_claimed"),
    [
        (["scores.csv", "prompts.csv"], True),
        (["scores.csv.gz"], True),
        (["scores.parquet"], True),
        (["scores_2024-05.csv"], True),
        (["prompts.csv", "models.csv"], False),
        (["results_2024.json", "samples_x.jsonl"], False),
        (["scores.xlsx"], False),
        ([], False),
    ],
)
def test_folder_is_claimed_where_it_holds_scores(names: list[str], is_claimed: bool) -> None:
    assert tidy.claims(names) is is_claimed


def test_every_cell_is_one_score(read: Read, tmp_path: Path) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES)

    assert cells(harvest) == {("ada", "p1"): 1.0, ("bob", "p1"): 0.0, ("ada", "p2"): 0.5, ("bob", "p2"): 1.0}
    row = harvest.scores.to_pylist()[0]
    assert (row["benchmark"], row["task"], row["metric"], row["harness"]) == ("sums", "easy", "score", "tidy-table")
    assert row["source_uri"] == str(tmp_path / "scores.csv")
    assert row["source_digest"] == storage.file_digest(tmp_path / "scores.csv")
    assert harvest.rejects.num_rows == 0


def test_category_is_the_benchmark_where_there_is_none(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES)

    assert harvest.prompts["task"].to_pylist() == ["easy", "words"]


def test_rows_are_counted_as_a_person_counts_lines(read: Read) -> None:
    prompts = 'prompt_id,benchmark,prompt\np1,b,"two\nlines"\np2,b,one line\np3,,no benchmark\n'

    harvest = read(prompts__csv=prompts, scores__csv="prompt_id,ada\np1,1\np2,0\n")

    assert rejected(harvest) == [("prompts.csv", 5)]
    assert harvest.scores["source_row"].to_pylist() == [2, 3]


def test_csv_gzip_and_parquet_read_alike(read: Read, tmp_path: Path) -> None:
    plain = read(prompts__csv=PROMPTS, scores__csv=SCORES)
    for path in tmp_path.iterdir():
        path.unlink()
    zipped = read(prompts__csv__gz=gzip.compress(PROMPTS.encode()), scores__csv__gz=gzip.compress(SCORES.encode()))
    for path in tmp_path.iterdir():
        path.unlink()
    parquet = read(
        prompts__parquet=pa.table(
            {
                "prompt_id": ["p1", "p2"],
                "benchmark": ["sums", "words"],
                "category": ["easy", None],
                "prompt": ["What is 1 + 1?", "Spell cat"],
                "choices": pa.array([None, None], pa.string()),
            }
        ),
        scores__parquet=pa.table({"prompt_id": ["p1", "p2"], "ada": [1.0, 0.5], "bob": [0.0, 1.0]}),
    )

    assert cells(plain) == cells(zipped) == cells(parquet)
    assert plain.prompts.equals(zipped.prompts)
    assert plain.prompts.equals(parquet.prompts)


def test_bom_and_windows_lines_are_read(read: Read) -> None:
    harvest = read(
        prompts__csv=b"\xef\xbb\xbf" + PROMPTS.replace("\n", "\r\n").encode(), scores__csv=SCORES.replace("\n", "\r\n")
    )

    assert len(cells(harvest)) == 4
    assert harvest.rejects.num_rows == 0


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN", "NA", "null", "None"])
def test_cell_of_a_candidate_that_was_not_run_is_absent(read: Read, cell: str) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=f"prompt_id,ada,bob\np1,{cell},0\np2,1,1\n")

    assert ("ada", "p1") not in cells(harvest)
    assert harvest.rejects.num_rows == 0


def test_nan_and_null_of_parquet_are_not_run(read: Read) -> None:
    harvest = read(
        prompts__csv=PROMPTS,
        scores__parquet=pa.table({"prompt_id": ["p1", "p2"], "ada": [float("nan"), 1.0], "bob": [None, 0.0]}),
    )

    assert cells(harvest) == {("ada", "p2"): 1.0, ("bob", "p2"): 0.0}


@pytest.mark.parametrize("cell", ["yes", "1,0", "0x1", "-", "1 2", "0_1", "1_0.5", "१", "\uff11", "c"])
def test_score_that_is_no_number_is_rejected_with_its_line(read: Read, cell: str) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=f'prompt_id,ada,bob\np1,1,0\np2,"{cell}",1\n')

    assert ("ada", "p2") not in cells(harvest)
    assert harvest.rejects.to_pylist()[0] | {"source_uri": ""} == {
        "source_uri": "",
        "source_row": 3,
        "field": "ada",
        "value": repr(cell),
        "reason": "the score of 'ada' is not a number; write a number in [0, 1] or leave the cell empty",
    }


def test_score_outside_the_range_is_left_to_the_validator(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv="prompt_id,ada\np1,99.5\np2,inf\n")

    assert list(cells(harvest).values()) == [99.5, float("inf")]


def test_score_of_an_unknown_prompt_is_left_to_the_validator(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv="prompt_id,ada\nelsewhere,1\n")

    (row,) = harvest.scores.to_pylist()
    assert (row["prompt_id"], row["benchmark"], row["task"]) == ("elsewhere", "unknown", "unknown")


def test_truncated_last_line_is_rejected(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv="prompt_id,ada,bob\np1,1,0\np2,1")

    assert rejected(harvest) == [("scores.csv", 3)]
    assert the_reason(harvest) == "the row has 2 of 3 fields; the file may be cut off, copy it again"
    assert set(cells(harvest)) == {("ada", "p1"), ("bob", "p1")}


@pytest.mark.parametrize(
    ("scores", "named"),
    [
        ("prompt_id,ada,bob\np1,1,0\np2,1,0.8", True),
        ("prompt_id,ada,bob\np1,1,0\np2,1,0.8\n", False),
        ("prompt_id,ada,bob\r\np1,1,0\r\np2,1,0.8\r\n", False),
        ('prompt_id,ada,bob\np1,1,0\np2,1,"0.8"', False),
        # A row that is plainly cut is rejected, and needs no remark.
        ("prompt_id,ada,bob\np1,1,0\np2,1", False),
        (gzip.compress(b"prompt_id,ada,bob\np1,1,0\np2,1,0.8", mtime=0), False),
    ],
)
def test_file_that_ends_within_a_line_is_read_and_its_last_row_named(
    read: Read, scores: str | bytes, named: bool
) -> None:
    """0.8 may be what is left of 0.85; a table need not end with a line break, so only a person can tell."""
    part = {"scores__csv": scores} if isinstance(scores, str) else {"scores__csv__gz": scores}
    harvest = read(prompts__csv=PROMPTS, **part)

    remarks = [note for note in harvest.notes if note.endswith("[last-line-open]")]
    assert ["does not end with a line break" in note and "(line 3)" in note for note in remarks] == [True] * named


def test_file_cut_off_within_quotes_is_rejected(read: Read) -> None:
    harvest = read(prompts__csv='prompt_id,benchmark,prompt\np1,b,whole\np2,b,"cut o', scores__csv=SCORES)

    assert len(rejected(harvest)) == 1


def test_blank_lines_are_no_rows(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS + "\n", scores__csv=SCORES + "\n")

    assert harvest.rejects.num_rows == 0


def test_line_that_is_not_utf8_is_rejected_alone(read: Read) -> None:
    prompts = b"prompt_id,benchmark,prompt\np1,b,caf\xe9\np2,b,caf\xc3\xa9\n"

    harvest = read(prompts__csv=prompts, scores__csv=SCORES)

    assert rejected(harvest) == [("prompts.csv", 2)]
    assert the_reason(harvest) == "the row is not UTF-8; save the file as UTF-8"
    assert harvest.prompts["prompt"].to_pylist() == ["café"]


@pytest.mark.parametrize("name", ["two words", "../up", "naïve", "a//b"])
def test_unusable_candidate_name_is_rejected_and_the_others_stay(read: Read, name: str) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES.replace("ada", name))

    assert set(cells(harvest)) == {("bob", "p1"), ("bob", "p2")}
    assert "is not usable; rename it" in the_reason(harvest)


def test_index_that_pandas_writes_along_is_no_candidate(read: Read) -> None:
    scores = pa.table({"prompt_id": ["p1", "p2"], "ada": [1.0, 0.5], "__index_level_0__": [7, 3]})

    harvest = read(prompts__csv=PROMPTS, scores__parquet=scores)

    assert cells(harvest) == {("ada", "p1"): 1.0, ("ada", "p2"): 0.5}
    assert rejected(harvest) == []


def test_scores_without_prompt_ids_are_rejected_as_a_file(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv="id,ada\np1,1\n")

    assert rejected(harvest) == [("scores.csv", None)]
    assert the_reason(harvest) == "the scores have no column prompt_id; add it"
    assert harvest.scores.num_rows == 0


@pytest.mark.parametrize(
    ("header", "missing"),
    [("prompt_id,prompt", "benchmark"), ("prompt_id,benchmark", "prompt"), ("prompt_id", "benchmark, prompt")],
)
def test_prompts_without_a_required_column_are_rejected_as_a_file(read: Read, header: str, missing: str) -> None:
    harvest = read(prompts__csv=f"{header}\n{','.join('x' * len(header.split(',')))}\n", scores__csv=SCORES)

    assert rejected(harvest) == [("prompts.csv", None)]
    assert the_reason(harvest) == f"the prompts have no column {missing}; add it"


@pytest.mark.parametrize("name", ["scores__csv", "scores__csv__gz", "scores__parquet"])
def test_empty_file_is_rejected_as_a_file(read: Read, name: str) -> None:
    harvest = read(prompts__csv=PROMPTS, **{name: b""})

    assert rejected(harvest) == [(name.replace("__", "."), None)]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_gzip_is_rejected_as_a_file(read: Read, share: float) -> None:
    content = gzip.compress(("prompt_id,ada\n" + "".join(f"p{i},{i % 2}\n" for i in range(999))).encode())

    harvest = read(prompts__csv=PROMPTS, scores__csv__gz=content[: int(len(content) * share)])

    assert rejected(harvest) == [("scores.csv.gz", None)]
    assert "the file is damaged or not what its name says" in the_reason(harvest)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_parquet_is_rejected_as_a_file(read: Read, tmp_path: Path, share: float) -> None:
    pq.write_table(pa.table({"prompt_id": ["p1"], "ada": [1.0]}), tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()

    harvest = read(prompts__csv=PROMPTS, scores__parquet=content[: int(len(content) * share)])

    assert rejected(harvest) == [("scores.parquet", None)]
    assert "copy it again from its source" in the_reason(harvest)


def test_text_that_calls_itself_gzip_is_rejected_as_a_file(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv__gz=SCORES)

    assert rejected(harvest) == [("scores.csv.gz", None)]


def test_damaged_file_does_not_take_the_others_along(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, scores_2__parquet=b"PAR1")

    assert len(cells(harvest)) == 4
    assert rejected(harvest) == [("scores_2.parquet", None)]


def test_scores_may_lie_in_several_files(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores_a__csv="prompt_id,ada\np1,1\n", scores_b__csv="prompt_id,bob\np2,0\n")

    assert cells(harvest) == {("ada", "p1"): 1.0, ("bob", "p2"): 0.0}


@pytest.mark.parametrize("cell", ['["a", "b"', "a|b", '"a"', "{}", "1", "nan"])
def test_prompt_with_malformed_choices_is_rejected(read: Read, cell: str) -> None:
    quoted = cell.replace('"', '""')

    harvest = read(prompts__csv=f'prompt_id,benchmark,prompt,choices\np1,b,Which?,"{quoted}"\n', scores__csv=SCORES)

    assert rejected(harvest) == [("prompts.csv", 2)]
    assert "choices as a JSON list of strings or none" in the_reason(harvest)


@pytest.mark.parametrize("cell", ["", "null"])
def test_open_prompt_has_no_choices(read: Read, cell: str) -> None:
    harvest = read(prompts__csv=f"prompt_id,benchmark,prompt,choices\np1,b,Which?,{cell}\n", scores__csv=SCORES)

    assert harvest.prompts["choices"].to_pylist() == [None]


def test_choices_of_json_and_of_parquet_lists_read_alike(read: Read, tmp_path: Path) -> None:
    from_csv = read(
        prompts__csv='prompt_id,benchmark,prompt,choices\np1,b,Which?,"[""a"", ""b""]"\n', scores__csv=SCORES
    )
    (tmp_path / "prompts.csv").unlink()
    from_parquet = read(
        prompts__parquet=pa.table(
            {"prompt_id": ["p1"], "benchmark": ["b"], "prompt": ["Which?"], "choices": [["a", "b"]]}
        ),
        scores__csv=SCORES,
    )

    assert from_csv.prompts["choices"].to_pylist() == [["a", "b"]]
    assert from_csv.prompts.equals(from_parquet.prompts)


@pytest.mark.parametrize("line", ["p1,,Why?", "p1,b,"])
def test_prompt_without_benchmark_or_text_is_rejected(read: Read, line: str) -> None:
    harvest = read(prompts__csv=f"prompt_id,benchmark,prompt\n{line}\n", scores__csv=SCORES)

    assert rejected(harvest) == [("prompts.csv", 2)]


def test_prompt_without_an_id_gets_one_from_its_content(read: Read) -> None:
    prompts = "benchmark,prompt\nb,Why?\nb,How?\n"

    harvest = read(prompts__csv=prompts, scores__csv=SCORES)

    ids = harvest.prompts["prompt_id"].to_pylist()
    assert len(set(ids)) == 2
    assert all(len(prompt_id) == 32 for prompt_id in ids)


def test_answer_and_scorer_are_kept_where_they_are_known(read: Read) -> None:
    prompts = "prompt_id,benchmark,prompt,answer,scorer\np1,b,Why?,42,number\np2,b,How?,,\n"

    harvest = read(prompts__csv=prompts, scores__csv=SCORES)

    assert harvest.prompts["answer"].to_pylist() == ["42", None]
    assert harvest.prompts["scorer"].to_pylist() == ["number", None]


@pytest.mark.parametrize("column", ["prompt_id", "answer"])
def test_numbers_of_parquet_prompts_are_read_as_text(read: Read, column: str) -> None:
    prompts = {"prompt_id": ["0", "1"], "benchmark": ["b", "b"], "prompt": ["Why?", "How?"], column: [0, 1]}

    harvest = read(
        prompts__parquet=pa.table(prompts), scores__parquet=pa.table({"prompt_id": [0, 1], "ada": [1.0, 0.0]})
    )

    assert harvest.prompts[column].to_pylist() == ["0", "1"]
    assert harvest.scores["benchmark"].to_pylist() == ["b", "b"]


def test_answer_lengths_become_tokens_of_four_characters(read: Read) -> None:
    lengths = pa.table({"prompt_id": ["p1", "p2"], "ada": [400.0, float("nan")], "bob": [10.0, 7.0]})

    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, out_chars__parquet=lengths)

    tokens = {(row["candidate"], row["prompt_id"]): row["tokens_out"] for row in harvest.scores.to_pylist()}
    assert tokens == {("ada", "p1"): 100, ("ada", "p2"): None, ("bob", "p1"): 2, ("bob", "p2"): 2}


def test_answer_lengths_are_missing_where_nobody_logged_them(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES)

    assert harvest.scores["tokens_out"].null_count == 4


@pytest.mark.parametrize(
    "lengths",
    [
        {"out_chars__csv": "prompt_id,ada\np1,400\n"},
        {"out_chars__parquet": pa.table({"prompt_id": ["p1"], "ada": [400]})},
    ],
    ids=["csv", "integers"],
)
def test_answer_lengths_are_read_from_every_kind_of_file(read: Read, lengths: dict[str, str | pa.Table]) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv="prompt_id,ada\np1,1\n", **lengths)

    assert harvest.scores["tokens_out"].to_pylist() == [100]


def test_candidates_carry_the_facts_of_the_models_table(read: Read) -> None:
    models = (
        "model,family,n_params_b,release_date,price_in_usd_per_mtok,price_out_usd_per_mtok,context_length\n"
        "ada,lovelace,7.5,2024-05-13,0.5,1.5,8192\nbob,,,,,,\n"
    )

    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, models__csv=models)

    ada, bob = harvest.candidates.to_pylist()
    assert (ada["family"], ada["n_params"], str(ada["released_at"])) == ("lovelace", 7_500_000_000, "2024-05-13")
    assert (ada["price_in"], ada["price_out"], ada["context_length"]) == (0.5, 1.5, 8192)
    assert all(bob[name] is None for name in ("family", "n_params", "released_at", "price_in", "price_out"))


def test_candidates_without_a_models_table_have_a_name_only(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES)

    assert harvest.candidates["candidate"].to_pylist() == ["ada", "bob"]
    assert harvest.candidates["price_in"].null_count == 2


@pytest.mark.parametrize(
    ("column", "cell"), [("price_in", "free"), ("release_date", "May"), ("n_params_b", "7B"), ("context_length", "8k")]
)
def test_unreadable_fact_is_rejected_with_its_line(read: Read, column: str, cell: str) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, models__csv=f"model,{column}\nada,{cell}\nbob,\n")

    assert rejected(harvest) == [("models.csv", 2)]
    assert "a fact about 'ada' is not readable" in the_reason(harvest)


@pytest.mark.parametrize(("column", "cell"), [("n_params_b", "inf"), ("context_length", "99999999999")])
def test_fact_that_is_too_large_is_rejected_with_its_line(read: Read, column: str, cell: str) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, models__csv=f"model,{column}\nada,{cell}\nbob,\n")

    assert rejected(harvest) == [("models.csv", 2)]


def test_whole_numbers_that_parquet_holds_as_floats_are_read(read: Read) -> None:
    models = pa.table({"model": ["ada", "bob"], "context_length": [8192.0, None]})

    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, models__parquet=models)

    assert harvest.candidates["context_length"].to_pylist() == [8192, None]


def test_models_without_a_name_column_are_rejected_as_a_file(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, models__csv="name,price_in\nada,1\n")

    assert the_reason(harvest) == "the models have no column model; add it"


def test_candidate_with_two_columns_is_named(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv="prompt_id,ada,ada\np1,1,0\n")

    assert harvest.rejects.num_rows > 0


def test_licence_lines_of_the_readme_travel_along(read: Read) -> None:
    readme = "# Data\n\n* Licence: MIT (questions by Hendrycks et al.)\nNothing here.\nLICENSE: CC-BY-4.0\n"

    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, README__md=readme)

    assert harvest.licences == ("Licence: MIT (questions by Hendrycks et al.)", "LICENSE: CC-BY-4.0")


@pytest.mark.parametrize("line", ["see there for licences (MMLU-Redux CC-BY-4.0)", "Licensed under Apache-2.0"])
def test_other_forms_of_the_word_licence_count_too(read: Read, line: str) -> None:
    assert read(prompts__csv=PROMPTS, scores__csv=SCORES, README__md=line).licences == (line,)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["zeroeval", "mmlupro", "mmlu_helm"])
def test_attribution_of_the_real_results_is_found(read: Read, real_data: Path, name: str) -> None:
    readme = (real_data / name / "README.md").read_text(encoding="utf-8")

    (licence,) = read(prompts__csv=PROMPTS, scores__csv=SCORES, README__md=readme).licences

    assert "MIT" in licence


def test_harvest_follows_the_contracts(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES)

    assert harvest.scores.schema.equals(table_blocks.with_dictionaries(contracts.SCORES), check_metadata=True)
    assert harvest.prompts.schema.equals(contracts.PROMPTS, check_metadata=True)
    assert harvest.candidates.schema.equals(contracts.CANDIDATES, check_metadata=True)
    assert harvest.rejects.schema.equals(contracts.REJECTS, check_metadata=True)


@given(st.lists(st.lists(st.none() | st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=6))
def test_every_number_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[float | None]]
) -> None:
    folder = tmp_path_factory.mktemp("tidy")
    lines = [f"p{i}," + ",".join("" if cell is None else repr(cell) for cell in row) for i, row in enumerate(table)]
    (folder / "scores.csv").write_text("\n".join(["prompt_id,a,b,c", *lines, ""]))

    harvest = tidy.read(storage.snapshot(str(folder), folder))

    expected = {
        ("abc"[j], f"p{i}"): cell for i, row in enumerate(table) for j, cell in enumerate(row) if cell is not None
    }
    assert cells(harvest) == expected


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
        lambda text: not is_blank(text) and text.strip().lower() not in {"nan", "none", "null", "<na>"}
    ),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3),
)
def test_every_prompt_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, choices: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("tidy")
    quoted = [cell.replace('"', '""') for cell in (prompt, json.dumps(choices))]
    (folder / "scores.csv").write_text("prompt_id\n")
    (folder / "prompts.csv").write_bytes(
        f'prompt_id,benchmark,prompt,choices\r\np,b,"{quoted[0]}","{quoted[1]}"\r\n'.encode()
    )

    harvest = tidy.read(storage.snapshot(str(folder), folder))

    assert harvest.prompts["prompt"].to_pylist() == [prompt]
    assert harvest.prompts["choices"].to_pylist() == [choices]


def test_folder_is_read_by_the_first_reader_that_claims_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for folder in (tmp_path, tmp_path / "deep"):
        (folder / "scores.csv").write_text(SCORES)
        (folder / "prompts.csv").write_text(PROMPTS)

    harvests = readers.read("uri", storage.snapshot(str(tmp_path), tmp_path))

    assert [harvest.scores.num_rows for harvest in harvests] == [4, 4]


def test_folder_that_no_reader_claims_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text(PROMPTS)

    with pytest.raises(InputError, match="'uri' holds no benchmark results that modelsat can read"):
        list(readers.read("uri", storage.snapshot(str(tmp_path), tmp_path)))


def test_answer_without_a_length_of_its_own_has_the_mean_of_its_benchmark(read: Read) -> None:
    lengths = pa.table({"prompt_id": ["p1", "p2"], "ada": [400.0, float("nan")]})
    usage = (
        "model,benchmark,what,mean_chars\nada,sums,whole answer,80\nada,words,reasoning field,120\nbob,words,,oops\n"
    )

    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, out_chars__parquet=lengths, usage__csv=usage)

    tokens = {(row["candidate"], row["prompt_id"]): row["tokens_out"] for row in harvest.scores.to_pylist()}
    assert tokens == {("ada", "p1"): 100, ("ada", "p2"): 30, ("bob", "p1"): None, ("bob", "p2"): None}


def test_usage_of_another_kind_says_nothing_about_lengths(read: Read) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=SCORES, usage__csv="day,calls\nmonday,3\n")

    assert harvest.scores["tokens_out"].null_count == 4
    assert not harvest.rejects.num_rows
