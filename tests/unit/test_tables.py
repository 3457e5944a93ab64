"""Tables as people export them: long or wide, nested, with index and summary columns, in the spellings of their tools.

Each kind is read as meant, or named with what to do; none becomes something else without a word.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data import collection, validation, written_numbers
from modelsat.data.readers import Harvest, table_files, tidy
from modelsat.data.readers.options import options_of
from modelsat.io import storage

PROMPTS = "prompt_id,benchmark,category,prompt\np1,sums,easy,What is 1 + 1?\np2,words,,Spell cat\n"
WIDE = {("ada", "p1"): 1.0, ("bob", "p1"): 0.0, ("ada", "p2"): 0.5, ("bob", "p2"): 1.0}
LONG = "prompt_id,model,score\np1,ada,1\np1,bob,0\np2,ada,0.5\np2,bob,1\n"
IDS = pa.array(["p1", "p2"])

Read = Callable[..., Harvest]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes files (text, bytes or tables; two underscores are a dot) and reads the folder."""

    def read_files(**files: str | bytes | pa.Table) -> Harvest:
        files = {"prompts__csv": PROMPTS} | files
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


def reasons(harvest: Harvest) -> list[str]:
    return harvest.rejects["reason"].to_pylist()


# Long tables


@pytest.mark.parametrize("model", ["model", "candidate", "model_name", "LLM", "Model"])
@pytest.mark.parametrize("score", ["score", "label", "correct", "is_correct", "Accuracy"])
def test_long_table_is_read_as_one(read: Read, model: str, score: str) -> None:
    harvest = read(scores__csv=LONG.replace("model", model).replace("score", score))

    assert cells(harvest) == WIDE
    assert (reasons(harvest), harvest.notes) == ([], ())
    assert harvest.scores["source_row"].to_pylist() == [2, 3, 4, 5]


def test_long_parquet_reads_like_csv(read: Read) -> None:
    names = pa.array(["ada", "bob", "ada", "bob"]).dictionary_encode()
    ids = pa.array(["p1", "p1", "p2", "p2"]).dictionary_encode()
    long = pa.table({"prompt_id": ids, "model": names, "score": [1.0, 0.0, 0.5, 1.0]})

    assert cells(read(scores__parquet=long)) == WIDE


def test_long_json_lines_read_like_csv(read: Read) -> None:
    rows = [{"prompt_id": one, "model": name, "score": score} for (name, one), score in WIDE.items()]
    lines = "\n".join(map(json.dumps, rows))

    assert cells(read(scores__jsonl=lines + "\n")) == WIDE
    assert tidy.claims(["scores.jsonl"])


def test_line_that_is_no_json_object_is_named(read: Read) -> None:
    harvest = read(scores__jsonl='{"prompt_id": "p1", "model": "ada", "score": 1}\n[1]\n{"prompt_id": \n')

    assert cells(harvest) == {("ada", "p1"): 1.0}
    assert harvest.rejects["source_row"].to_pylist() == [2, 3]


def test_cost_tokens_and_latency_of_a_long_table_are_kept(read: Read) -> None:
    header = "prompt_id,model,score,cost,prompt_tokens,completion_tokens,latency_s\n"

    (row,) = read(scores__csv=header + "p1,ada,1,0.002,10,20,1.5\n").scores.to_pylist()

    assert (row["cost_usd"], row["tokens_in"], row["tokens_out"], row["latency_seconds"]) == (0.002, 10, 20, 1.5)


def test_empty_score_of_a_long_table_is_not_run(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,model,score\np1,ada,\np1,bob,nan\np2,ada,1\n")

    assert cells(harvest) == {("ada", "p2"): 1.0}
    assert reasons(harvest) == []


def test_long_row_without_model_or_prompt_is_rejected_with_its_line(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,model,score\n,ada,1\np1,,1\np1,two words,1\np2,ada,1\n")

    assert harvest.rejects["source_row"].to_pylist() == [2, 3, 4]
    assert cells(harvest) == {("ada", "p2"): 1.0}


def test_long_table_without_a_score_column_is_named(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,model,points\np1,ada,1\n")

    assert reasons(harvest) == [
        "column 'model' names models, so this is a long table, but it has no column score; add it"
    ]


def test_metric_of_a_long_table_is_kept(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,model,metric,score\np1,ada,em,1\np1,ada,f1,0.5\n")

    assert harvest.scores["metric"].to_pylist() == ["em", "f1"]


def test_table_with_prompts_and_scores_needs_no_second_file(tmp_path: Path) -> None:
    rows = ["p1,sums,What is 1 + 1?,ada,1", "p1,sums,What is 1 + 1?,bob,0", "p2,words,Spell cat,ada,1"]
    (tmp_path / "scores.csv").write_text("\n".join(["prompt_id,benchmark,prompt,model,score", *rows, ""]))

    harvest = tidy.read(storage.snapshot(str(tmp_path), tmp_path))

    assert harvest.prompts["prompt"].to_pylist() == ["What is 1 + 1?", "Spell cat"]
    assert cells(harvest) == {("ada", "p1"): 1.0, ("bob", "p1"): 0.0, ("ada", "p2"): 1.0}


def test_prompt_columns_of_a_wide_table_are_no_candidates(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("prompt_id,benchmark,prompt,ada\np1,sums,What is 1 + 1?,1\n")

    harvest = tidy.read(storage.snapshot(str(tmp_path), tmp_path))

    assert (cells(harvest), reasons(harvest)) == ({("ada", "p1"): 1.0}, [])
    assert harvest.prompts["benchmark"].to_pylist() == ["sums"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("prompt_id,model_id,score", "holds numbers, so this long table does not name its models"),
        ("prompt_id,score", "column 'score' does not say whose scores it holds; name it after the candidate"),
        ("prompt_id,correct", "column 'correct' does not say whose scores it holds"),
        ("prompt_id,m|total_cost", "this is RouterBench's table; rename the file"),
    ],
)
def test_scores_of_nobody_are_no_candidate(read: Read, header: str, reason: str) -> None:
    harvest = read(scores__csv=f"{header}\np1,{','.join('1' * header.count(','))}\n")

    assert harvest.candidates.num_rows == 0
    assert reason in reasons(harvest)[0]


def test_table_with_texts_and_no_ids_is_read(tmp_path: Path) -> None:
    rows = ["sums,What is 1 + 1?,ada,1", "sums,What is 1 + 1?,bob,0", "words,Spell cat,ada,1"]
    (tmp_path / "scores.csv").write_text("\n".join(["benchmark,prompt,model,score", *rows, ""]))

    harvest = tidy.read(storage.snapshot(str(tmp_path), tmp_path))

    assert (harvest.scores.num_rows, harvest.prompts.num_rows, reasons(harvest)) == (3, 2, [])
    assert set(harvest.scores["prompt_id"].to_pylist()) == set(harvest.prompts["prompt_id"].to_pylist())


@pytest.mark.parametrize("name", ["model.csv", "prompt.parquet", "models.json", "score.csv"])
def test_file_whose_name_is_misspelt_is_named(read: Read, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"model,price_in\nada,1\n")

    harvest = read(scores__csv=SCORES_OF_ADA)

    assert any(name in note and "is not read; is" in note for note in harvest.notes)


SCORES_OF_ADA = "prompt_id,ada\np1,1\n"


@pytest.mark.parametrize("header", ["A,B,C", "option_a,option_b,option_c", "Choice B,Choice A,Choice C"])
def test_columns_of_options_are_options(read: Read, header: str) -> None:
    cells_of_it = "five,four," if header.startswith("Choice") else "four,five,"

    harvest = read(
        prompts__csv=f"prompt_id,benchmark,prompt,{header}\np1,b,2 + 2?,{cells_of_it}\n", scores__csv=SCORES_OF_ADA
    )

    assert harvest.prompts["choices"].to_pylist() == [["four", "five"]]


# Options

ARC = {"text": ["four", "five"], "label": ["A", "B"]}


@pytest.mark.parametrize(
    "value",
    [
        ["four", "five"],
        ("four", "five"),
        ARC,
        {"text": ["five", "four"], "label": ["B", "A"]},
        {"text": ["four", "five"], "labels": ["1", "2"]},
        {"choices": ["four", "five"], "labels": [1, 0]},
        [{"label": "A", "text": "four"}, {"label": "B", "text": "five"}],
        [{"key": "B", "content": "five"}, {"key": "A", "content": "four"}],
        {"A": "four", "B": "five"},
        {"B": "five", "A": "four", "C": None},
        [("A", "four"), ("B", "five")],
        '["four", "five"]',
        "['four', 'five']",
        "('four', 'five')",
        json.dumps(ARC),
        str(ARC),
        "{'text': array(['four', 'five'], dtype=object), 'label': array(['A', 'B'], dtype=object)}",
        '{"A": "four", "B": "five"}',
    ],
    ids=str,
)
def test_options_are_their_texts_in_the_order_of_their_labels(value: object) -> None:
    assert options_of(value) == ["four", "five"]


@pytest.mark.parametrize(
    "value",
    [
        {"text": ["a", "b"], "label": ["A"]},
        {"foo": ["a"]},
        {"x": "a", "y": "b"},
        [{"label": "A"}],
        [["a"], ["b"]],
        ["a", None],
        {},
        "['a' 'b']",
        "['a'\n 'b']",
        "{'text': array(['a', ..., 'z'], dtype=object)}",
        "__import__('os').getcwd()",
        "'a'",
        7,
        object(),
        "[" * 5000,
    ],
    ids=lambda value: str(value)[:40].split(" at 0x")[0],
)
def test_what_is_no_list_of_options_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"option|JSON|text|label|keys"):
        options_of(value)


@given(st.lists(st.text(min_size=1), min_size=2, max_size=6))
def test_options_read_alike_in_every_nesting(texts: list[str]) -> None:
    labels = [chr(ord("A") + i) for i in range(len(texts))]
    pairs = list(zip(labels, texts, strict=True))
    forms = (
        {"text": texts, "label": labels},
        [{"label": label, "text": text} for label, text in reversed(pairs)],
        dict(reversed(pairs)),
        texts,
    )

    for form in forms:
        assert options_of(form) == options_of(json.dumps(form)) == options_of(repr(form)) == texts


def test_struct_of_parquet_gives_its_texts(read: Read, tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").unlink(missing_ok=True)
    nested = pa.table({"prompt_id": ["p1"], "benchmark": ["b"], "prompt": ["2 + 2?"], "choices": [ARC]})
    pq.write_table(nested, tmp_path / "prompts.parquet")
    (tmp_path / "scores.csv").write_text("prompt_id,ada\np1,1\n")

    harvest = tidy.read(storage.snapshot(str(tmp_path), tmp_path))

    assert harvest.prompts["choices"].to_pylist() == [["four", "five"]]


# Cells


@pytest.mark.parametrize(("yes", "no"), [("True", "False"), ("true", "false"), ("TRUE", "FALSE"), ("1", "0")])
def test_truth_values_of_csv_are_one_and_zero(read: Read, yes: str, no: str) -> None:
    harvest = read(scores__csv=f"prompt_id,ada,bob\np1,{yes},{no}\np2,{no},{yes}\n")

    assert cells(harvest) == {("ada", "p1"): 1.0, ("bob", "p1"): 0.0, ("ada", "p2"): 0.0, ("bob", "p2"): 1.0}
    assert reasons(harvest) == []


def test_truth_values_of_parquet_are_one_and_zero(read: Read) -> None:
    scores = pa.table({"prompt_id": IDS, "ada": [True, None], "bob": pa.array(["True", "false"])})

    assert cells(read(scores__parquet=scores)) == {("ada", "p1"): 1.0, ("bob", "p1"): 1.0, ("bob", "p2"): 0.0}


@pytest.mark.parametrize("cell", ["0_1", "1_000", "१", "\uff11", "½", "1e", "0x1", "yes", "t"])
def test_text_that_only_python_takes_for_a_number_is_no_score(cell: str) -> None:
    assert written_numbers.number(cell) is None


@given(st.floats(allow_nan=False))
def test_every_number_is_a_number(value: float) -> None:
    assert written_numbers.number(repr(value)) == written_numbers.number(value) == value


@pytest.mark.parametrize("name", ["scores_percent__csv", "scores_percent_2024__csv", "scores-percent__csv"])
def test_declared_percentages_are_shares(read: Read, name: str) -> None:
    harvest = read(**{name: "prompt_id,ada,bob\np1,100,0\np2,50,87.5%\n"})

    assert cells(harvest) == {("ada", "p1"): 1.0, ("bob", "p1"): 0.0, ("ada", "p2"): 0.5, ("bob", "p2"): 0.875}


def test_percentages_of_a_long_table_are_shares(read: Read) -> None:
    assert cells(read(scores_percent__csv=LONG.replace("0.5", "50").replace(",1\n", ",100\n"))) == WIDE


def test_file_that_is_wrongly_declared_as_percentages_is_named(read: Read) -> None:
    assert reasons(read(scores_percent__csv="prompt_id,ada\np1,1\np2,0.5\n")) == [
        "the file's name says percentages, but no score is above 1; rename it to scores"
    ]


def test_percentages_that_are_not_declared_are_refused_with_the_way_to_declare_them(read: Read) -> None:
    signs = read(scores__csv="prompt_id,ada\np1,85%\n")
    numbers = collection.merge([read(scores__csv="prompt_id,ada,bob\np1,85,90\np2,20,100\n")])

    assert "a file whose name begins with scores_percent holds scores from 0 to 100" in reasons(signs)[0]
    assert "scores_percent" in validation.check(numbers).sentence()


# Columns


@pytest.mark.parametrize("name", ["Unnamed: 0", "", "index", "level_0", "Unnamed: 0.1", "__index_level_0__", "...1"])
def test_column_of_row_numbers_is_no_candidate(read: Read, name: str) -> None:
    harvest = read(scores__csv=f"{name},prompt_id,ada\n0,p1,1\n1,p2,0\n")

    assert cells(harvest) == {("ada", "p1"): 1.0, ("ada", "p2"): 0.0}
    assert reasons(harvest) == []
    assert "numbers the rows and is no candidate" in harvest.notes[0]


def test_row_numbers_beside_prompts_models_and_long_scores_are_no_data(read: Read) -> None:
    harvest = read(
        prompts__csv=",prompt_id,benchmark,prompt\n0,p1,b,Why?\n",
        scores__csv="Unnamed: 0,prompt_id,model,score\n0,p1,ada,1\n",
        models__csv=",model,price_in\n0,ada,1\n",
    )

    assert (cells(harvest), reasons(harvest), harvest.notes) == ({("ada", "p1"): 1.0}, [], ())


@pytest.mark.parametrize(
    "name",
    [
        "mean",
        "n",
        "best",
        "Oracle",
        "difficulty",
        "mean_score",
        "n_models",
        "std",
        "Average",
        "model_count",
        "pass_rate",
        "ensemble",
    ],
)
@pytest.mark.parametrize("models", [None, "model,price_in\nada,1\n"])
def test_summary_column_is_no_candidate(read: Read, name: str, models: str | None) -> None:
    files = {"models__csv": models} if models else {}

    harvest = read(scores__csv=f"prompt_id,ada,{name}\np1,1,0.5\np2,0,1\n", **files)

    assert harvest.candidates["candidate"].to_pylist() == ["ada"]
    assert any(f"column {name!r}" in note and "is no candidate" in note for note in harvest.notes)


def test_mean_of_the_others_is_no_candidate_whatever_it_is_called(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,ada,bob,overall\np1,1,0,0.5\np2,1,1,1\n")

    assert harvest.candidates["candidate"].to_pylist() == ["ada", "bob"]
    assert "'overall'" in harvest.notes[0]


def test_column_of_text_is_rejected_once(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,ada,remark\np1,1,good\np2,0,bad\n")

    assert reasons(harvest) == ["column 'remark' holds no numbers; remove it, or write scores in [0, 1]"]
    assert harvest.candidates["candidate"].to_pylist() == ["ada"]


def test_candidate_with_the_name_of_a_summary_is_one_where_it_is_listed(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,best,ada\np1,1,0\n", models__csv="model\nbest\nada\n")

    assert harvest.candidates["candidate"].to_pylist() == ["ada", "best"]


@pytest.mark.parametrize("name", ["gpt-4o", "command-r-plus", "qwen-max", "o1-mini", "mean-girls-7b", "llama-3.1-8b"])
def test_name_of_a_model_is_no_summary(read: Read, name: str) -> None:
    assert read(scores__csv=f"prompt_id,{name}\np1,1\n").candidates["candidate"].to_pylist() == [name]


def test_scores_of_a_candidate_that_models_does_not_list_are_rejected(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,ada,stranger\np1,1,0.5\n", models__csv="model\nada\n")

    assert harvest.candidates["candidate"].to_pylist() == ["ada"]
    assert reasons(harvest) == [
        "column 'stranger' is not listed in models.csv; add a row for this candidate, or remove the column"
    ]


@pytest.mark.parametrize("cells_of_it", ["512,3", "yes,no", ","])
def test_column_without_scores_that_models_does_not_list_is_named(read: Read, cells_of_it: str) -> None:
    first, second = cells_of_it.split(",")

    harvest = read(scores__csv=f"prompt_id,ada,words\np1,1,{first}\np2,0,{second}\n", models__csv="model\nada\n")

    assert (harvest.candidates["candidate"].to_pylist(), reasons(harvest)) == (["ada"], [])
    assert "column 'words'" in harvest.notes[0]


def test_headers_are_read_in_any_case_and_with_spaces(read: Read) -> None:
    harvest = read(
        prompts__csv=PROMPTS.replace("prompt_id,benchmark,category,prompt", " Prompt_ID, BENCHMARK ,Category,Prompt"),
        scores__csv="Prompt ID,Ada\np1,1\n",
        models__csv="Model,Price_In\nAda,2\n",
    )

    assert cells(harvest) == {("Ada", "p1"): 1.0}
    assert harvest.prompts["benchmark"].to_pylist() == ["sums", "words"]
    assert harvest.candidates["price_in"].to_pylist() == [2.0]


def test_column_that_stands_in_two_cases_is_rejected(read: Read) -> None:
    assert "the same in lower case" in reasons(read(scores__csv="prompt_id,Prompt_ID,ada\np1,p1,1\n"))[0]


def test_misspelt_columns_are_named(read: Read) -> None:
    harvest = read(
        prompts__csv="prompt_id,benchmark,prompt,choises\np1,b,Why?,\n",
        scores__csv="prompt_id,ada\np1,1\n",
        models__csv="model,price_inn,contextlength\nada,1,2\n",
    )

    notes = " ".join(harvest.notes)
    assert "'choises' (is 'choices' meant?)" in notes
    assert "'price_inn'" in notes
    assert "is 'price_in' meant?" in notes
    assert "is 'context_length' meant?" in notes


@pytest.mark.parametrize(("column", "right"), [("promt_id", "prompt_id"), ("promptid", "prompt_id")])
def test_misspelt_required_column_is_named(read: Read, column: str, right: str) -> None:
    (reason,) = reasons(read(scores__csv=f"{column},ada\np1,1\n"))

    assert reason == f"the scores have no column {right} (is {column!r} meant?); add it"


def test_candidate_that_models_lists_twice_is_rejected(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,ada\np1,1\n", models__csv="model,price_in\nada,1\nada,2\n")

    assert reasons(harvest) == ["candidate 'ada' stands there twice; keep one row"]
    assert harvest.rejects["source_row"].to_pylist() == [3]
    assert harvest.candidates["price_in"].to_pylist() == [1.0]


def test_auto_is_no_candidate(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,ada,auto\np1,1,0\n")

    assert harvest.candidates["candidate"].to_pylist() == ["ada"]
    assert "rename it" in reasons(harvest)[0]


# Files


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_file_with_another_separator_is_named(read: Read, separator: str, word: str) -> None:
    harvest = read(scores__csv="prompt_id,ada,bob\np1,1,0\n".replace(",", separator))

    assert reasons(harvest) == [f"the file is separated by {word}; save it separated by commas, with decimal points"]


def test_utf16_is_named(read: Read) -> None:
    assert "UTF-16" in reasons(read(scores__csv=LONG.encode("utf-16")))[0]


def test_byte_order_mark_and_capital_ending_are_read(read: Read) -> None:
    assert cells(read(Scores__CSV=b"\xef\xbb\xbf" + LONG.encode())) == WIDE
    assert tidy.claims(["Scores.CSV"])


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_bytes_with_text_are_text(read: Read, tmp_path: Path, kind: pa.DataType) -> None:
    table = {"prompt_id": pa.array([b"p1"], kind), "benchmark": ["b"], "prompt": pa.array(["Où ?".encode()], kind)}
    harvest = read(
        prompts__csv="prompt_id,benchmark,prompt\n",
        prompts_2__parquet=pa.table(table | {"choices": pa.array([[b"a", b"b"]], pa.list_(kind))}),
        scores__csv="prompt_id,ada\np1,1\n",
    )

    (row,) = harvest.prompts.to_pylist()
    assert (row["prompt_id"], row["prompt"], row["choices"]) == ("p1", "Où ?", ["a", "b"])


def test_bytes_that_are_no_text_are_rejected_with_their_row(read: Read) -> None:
    table = {"prompt_id": ["p1", "p2"], "benchmark": ["b", "b"], "prompt": [b"\xff\xfe", b"Why?"]}

    harvest = read(
        prompts__csv="prompt_id,benchmark,prompt\n",
        prompts_2__parquet=pa.table(table),
        scores__csv="prompt_id,ada\np2,1\n",
    )

    assert harvest.prompts["prompt"].to_pylist() == ["Why?"]
    assert reasons(harvest) == ["column 'prompt' holds bytes that are no UTF-8 text; write it as text"]
    assert harvest.rejects["source_row"].to_pylist() == [1]


@pytest.mark.parametrize("prompt", ["  ", "\t", "nan", "None"])
def test_whitespace_and_missing_marks_are_no_prompts(read: Read, prompt: str) -> None:
    harvest = read(prompts__csv=f"prompt_id,benchmark,prompt\np1,b,{prompt}\n", scores__csv="prompt_id,ada\np1,1\n")

    assert harvest.prompts.num_rows == 0
    assert harvest.rejects["source_row"].to_pylist() == [2]


def test_nested_prompt_is_rejected(read: Read) -> None:
    chat = pa.table({"prompt_id": ["p1"], "benchmark": ["b"], "prompt": [[{"role": "user", "content": "Why?"}]]})

    harvest = read(
        prompts__csv="prompt_id,benchmark,prompt\n", prompts_2__parquet=chat, scores__csv="prompt_id,ada\np1,1\n"
    )

    assert reasons(harvest) == ["the prompt is nested; write it as one text"]


def test_ids_that_parquet_holds_as_floats_meet_whole_ones(read: Read) -> None:
    harvest = read(
        prompts__csv="prompt_id,benchmark,prompt\n1,b,Why?\n",
        scores__parquet=pa.table({"prompt_id": [1.0, None], "ada": [1.0, 1.0]}),
    )

    assert cells(harvest) == {("ada", "1"): 1.0}
    assert harvest.scores["benchmark"].to_pylist() == ["b"]
    assert reasons(harvest) == ["the row has no prompt_id; add it"]


def test_gzip_bomb_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "MOST_BYTES", 10**6)

    harvest = read(scores__csv__gz=gzip.compress(b"prompt_id,ada\n" + b"p1,1\n" * 10**6))

    assert "unpacks to more than 1,000,000 bytes" in reasons(harvest)[0]
    assert harvest.scores.num_rows == 0


def test_parquet_bomb_is_refused_before_it_is_unpacked(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "MOST_CELLS", 10**5)

    harvest = read(scores__parquet=pa.table({"prompt_id": pa.array(["p1"] * 10**6).dictionary_encode()}))

    assert "unpacks to more than" in reasons(harvest)[0]


@pytest.mark.parametrize("name", ["row_id", "idx", "Index", "#", "rownames"])
def test_row_numbers_under_names_of_other_programs_are_no_candidate(read: Read, name: str) -> None:
    harvest = read(prompts__csv=PROMPTS, scores__csv=f"{name},prompt_id,ada,bo\n0,p1,1,0\n1,p2,0,1\n")

    assert set(harvest.scores["candidate"].to_pylist()) == {"ada", "bo"}
    assert any("numbers the rows" in note for note in harvest.notes)


def test_column_id_is_a_candidate_unless_it_counts_the_rows(read: Read) -> None:
    counted = "id,prompt_id,ada\n1,p1,1\n2,p2,0\n3,p3,0\n"
    model = "id,prompt_id,ada\n1,p1,1\n1,p2,0\n0,p3,0\n"

    assert set(read(scores__csv=counted).scores["candidate"].to_pylist()) == {"ada"}
    assert set(read(scores__csv=model).scores["candidate"].to_pylist()) == {"ada", "id"}


@pytest.mark.parametrize("name", ["is_hard", "has_image", "answer_idx", "prompt_length", "year", "fold_id", "cluster"])
def test_what_a_column_says_of_the_prompt_is_no_candidate(read: Read, name: str) -> None:
    harvest = read(scores__csv=f"prompt_id,ada,bo,{name}\np1,1,0,1\np2,0,1,1\n")

    assert set(harvest.scores["candidate"].to_pylist()) == {"ada", "bo"}
    assert any(repr(name) in note for note in harvest.notes)


@pytest.mark.parametrize(
    "columns",
    [
        "ada_score,ada_cost,bo_score,bo_cost",
        "score_ada,cost_ada,score_bo,cost_bo",
        "ada|correct,ada|latency,bo|correct,bo|latency",
        "ada,ada_tokens,bo,bo_tokens",
        "ada,ada_tokens_in,bo,bo_tokens_in",
        "ada,tokens_out_ada,bo,tokens_out_bo",
        "ada_score,ada_response_time,bo_score,bo_response_time",
    ],
)
def test_costs_and_lengths_of_candidates_are_no_candidates_and_scores_have_their_names(
    read: Read, columns: str
) -> None:
    harvest = read(scores__csv=f"prompt_id,{columns}\np1,1,0.01,0,0.02\np2,0,0.03,1,0.04\n")

    found = sorted((row["candidate"], row["prompt_id"], row["score"]) for row in harvest.scores.to_pylist())
    assert found == [("ada", "p1", 1.0), ("ada", "p2", 0.0), ("bo", "p1", 0.0), ("bo", "p2", 1.0)]
    assert any("further figures" in note for note in harvest.notes)


def test_one_model_whose_name_ends_like_a_figure_keeps_it(read: Read) -> None:
    harvest = read(scores__csv="prompt_id,ada,deep-score\np1,1,0\np2,0,1\n")

    assert set(harvest.scores["candidate"].to_pylist()) == {"ada", "deep-score"}


@pytest.mark.parametrize("mark", ["N/A", "#N/A", "n/a", "NULL", "NaN"])
def test_marks_for_a_missing_score_mean_not_run(read: Read, mark: str) -> None:
    harvest = read(scores__csv=f"prompt_id,ada,bo\np1,{mark},0\np2,1,{mark}\n")

    assert [row["score"] for row in harvest.scores.to_pylist()] == [0.0, 1.0]
    assert harvest.rejects.num_rows == 0


def test_percent_signs_are_refused_with_the_way_to_declare_them_and_read_where_they_are_declared(read: Read) -> None:
    cells = "prompt_id,ada,bo\np1,50 %,100%\np2,0%,25%\n"

    assert "holds percentages; a file whose name begins with scores_percent" in str(
        read(scores__csv=cells).rejects["reason"].to_pylist()
    )
    declared = read(scores_percent__csv=cells)
    assert sorted(declared.scores["score"].to_pylist()) == [0.0, 0.25, 0.5, 1.0]


def test_space_around_an_id_is_no_part_of_it(read: Read) -> None:
    prompts = "prompt_id,benchmark,category,prompt\np1 ,b,c,What is it?\n"

    harvest = read(prompts__csv=prompts, scores__csv="prompt_id,ada,bo\n p1,1,0\n")

    assert harvest.prompts["prompt_id"].to_pylist() == ["p1"]
    assert set(harvest.scores["benchmark"].to_pylist()) == {"b"}


@pytest.mark.parametrize("names", ["option_1,option_2,option_3", "choice0,choice1,choice2", "optionA,optionB,optionC"])
def test_options_in_numbered_columns_are_options(read: Read, names: str) -> None:
    prompts = f"prompt_id,benchmark,prompt,{names}\np1,b,Which one?,x,y,z\np2,b,Which two?,x,y,\n"

    harvest = read(prompts__csv=prompts, scores__csv="prompt_id,ada\np1,1\np2,0\n")

    assert harvest.prompts["choices"].to_pylist() == [["x", "y", "z"], ["x", "y"]]


def test_gap_between_options_is_rejected_since_answers_name_options_by_place(read: Read) -> None:
    prompts = "prompt_id,benchmark,prompt,A,B,C\np1,b,Which one?,x,,z\n"

    harvest = read(prompts__csv=prompts, scores__csv="prompt_id,ada\np1,1\n")

    assert harvest.prompts.num_rows == 0
    assert "an option is no text" in harvest.rejects["reason"][0].as_py()


def test_column_named_options_holds_the_choices(read: Read) -> None:
    prompts = """prompt_id,benchmark,prompt,options\np1,b,Which one?,"[""x"", ""y""]"\n"""

    harvest = read(prompts__csv=prompts, scores__csv="prompt_id,ada\np1,1\n")

    assert harvest.prompts["choices"].to_pylist() == [["x", "y"]]


@pytest.mark.parametrize("prompt", [" \u00a0 ", "\u200b\ufeff", "\u2060 \u00ad"])
def test_prompt_that_nobody_sees_is_rejected(read: Read, prompt: str) -> None:
    harvest = read(
        scores__csv="prompt_id,ada\np1,1\np2,0\n",
        prompts__csv=f"prompt_id,benchmark,category,prompt\np1,b,c,{prompt}\np2,b,c,Why?\n",
    )

    assert harvest.prompts["prompt"].to_pylist() == ["Why?"]
    assert harvest.rejects["source_row"].to_pylist() == [2]
