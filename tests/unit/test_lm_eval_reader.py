"""The reader of lm-evaluation-harness against files that real versions of the harness wrote (tests/data/lm_eval)."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelsat.data import collection, contracts, readers
from modelsat.data.readers import Harvest, lm_eval
from modelsat.io import storage

DATA = Path(__file__).parents[1] / "data" / "lm_eval"
VERSIONS = ("0.4.0", "0.4.3", "0.4.8", "0.4.9.2", "0.4.12", "0.4.13")
CAND_A = "toylab__cand-a"
CAND_B = "toylab__cand-b"

# Read off the fixtures by eye: cand-a learned three documents of four, cand-b one of two.
THREE_OF_FOUR = [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0]
ONE_OF_TWO = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
CAND_B_SUMS_FLEXIBLE = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def harvest_of(folder: Path, scratch: Path) -> Harvest:
    (harvest,) = readers.read(str(folder), storage.snapshot(str(folder), scratch))
    return harvest


def rows_of(harvest: Harvest, task: str) -> list[dict[str, object]]:
    return [row for row in harvest.scores.to_pylist() if row["task"] == task]


def scores_of(harvest: Harvest, task: str) -> list[object]:
    return [row["score"] for row in rows_of(harvest, task)]


def the_reject(harvest: Harvest) -> dict[str, object]:
    (row,) = harvest.rejects.to_pylist()
    return row


def samples_file(folder: Path, task: str) -> Path:
    (path,) = folder.glob(f"*_{task}*.jsonl")
    return path


def results_file(folder: Path) -> Path:
    (path,) = folder.glob("results*.json")
    return path


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[..., Path]:
    """Copy the results and the samples of one task of a fixture, for the test to edit."""

    def copy(version: str, task: str, candidate: str = CAND_A) -> Path:
        source, folder = DATA / version / candidate, tmp_path / "source"
        folder.mkdir()
        for path in [*source.glob("results*.json"), *source.glob(f"*_{task}*.jsonl")]:
            shutil.copy(path, folder)
        results = results_file(folder)
        facts = json.loads(results.read_text(encoding="utf-8"))
        facts["configs"] = {task: facts["configs"][task]}
        results.write_text(json.dumps(facts), encoding="utf-8")
        return folder

    return copy


@pytest.fixture
def edited(copy_of: Callable[..., Path], tmp_path: Path) -> Callable[..., Harvest]:
    """Read the toy_words of version 0.4.13 after a change to its third row."""

    def edit(change: Callable[[dict], object], task: str = "toy_words") -> Harvest:
        folder = copy_of("0.4.13", task)
        path = samples_file(folder, task)
        lines = path.read_text(encoding="utf-8").splitlines()
        row = json.loads(lines[2])
        changed = change(row)
        lines[2] = changed if isinstance(changed, str) else json.dumps(row)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return harvest_of(folder, tmp_path)

    return edit


@pytest.fixture
def with_results(copy_of: Callable[..., Path], tmp_path: Path) -> Callable[..., Harvest]:
    """Read a fixture after a change to its results file."""

    def edit(change: Callable[[dict], object], task: str = "toy_words", version: str = "0.4.13") -> Harvest:
        folder = copy_of(version, task)
        path = results_file(folder)
        facts = json.loads(path.read_text(encoding="utf-8"))
        change(facts)
        path.write_text(json.dumps(facts), encoding="utf-8")
        return harvest_of(folder, tmp_path)

    return edit


def test_folders_with_results_or_samples_are_claimed():
    assert lm_eval.claims(["results_2026-11-24T06-50-04.403961.json"])
    assert lm_eval.claims(["results.json", "pretrained__toylab__cand-a_toy_facts.jsonl"])
    assert lm_eval.claims(["samples_toy_2026-11-24T06-50-04.403961.jsonl"])
    assert not lm_eval.claims(["scores.csv", "prompts.csv", "notes.json", "rows.jsonl"])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gives_one_row_per_document_and_nothing_else(version: str, tmp_path: Path):
    harvest = harvest_of(DATA / version / CAND_A, tmp_path)

    assert harvest.rejects.num_rows == 0
    assert harvest.notes == ()
    assert harvest.scores.num_rows == harvest.prompts.num_rows == 24
    assert set(harvest.scores["candidate"].to_pylist()) == {"toylab/cand-a"}
    assert scores_of(harvest, "toy_facts") == THREE_OF_FOUR
    assert scores_of(harvest, "toy_words") == THREE_OF_FOUR
    assert scores_of(harvest, "toy_sums") == THREE_OF_FOUR


@pytest.mark.parametrize("version", VERSIONS)
def test_scores_average_to_what_the_harness_printed(version: str, tmp_path: Path):
    facts = json.loads(results_file(DATA / version / CAND_A).read_text(encoding="utf-8"))

    harvest = harvest_of(DATA / version / CAND_A, tmp_path)

    for task in ("toy_facts", "toy_words", "toy_sums"):
        (metric,) = {str(row["metric"]) for row in rows_of(harvest, task)}
        scores = [float(str(score)) for score in scores_of(harvest, task)]
        assert sum(scores) / len(scores) == facts["results"][task][metric]


def test_a_document_has_the_same_prompt_in_every_version(tmp_path: Path):
    columns = ["prompt_id", "stem_digest", "task", "prompt", "choices", "answer", "scorer"]

    prompts = [
        sorted(harvest_of(DATA / version / CAND_A, tmp_path).prompts.select(columns).to_pylist(), key=str)
        for version in VERSIONS
    ]

    assert all(found == prompts[0] for found in prompts)


def test_all_versions_and_candidates_merge_without_conflict():
    merged = collection.collect([str(DATA / version) for version in ("0.4.3", "0.4.8", "0.4.9.2", "0.4.12", "0.4.13")])

    assert merged.rejects.num_rows == 0
    assert merged.scores.num_rows == 2 * 24
    assert merged.prompts.num_rows == 24
    assert merged.candidates["candidate"].to_pylist() == ["toylab/cand-a", "toylab/cand-b"]
    assert merged.candidates["n_params"].to_pylist() == [147776, 147776]
    assert set(merged.scores["harness_version"].to_pylist()) == {"0.4.13"}


@pytest.mark.parametrize("version", ["0.4.3", "0.4.8", "0.4.12", "0.4.13"])
def test_the_benchmark_is_the_averaged_group_or_else_the_innermost(version: str, tmp_path: Path):
    harvest = harvest_of(DATA / version / CAND_A, tmp_path)

    benchmarks = {row["task"]: row["benchmark"] for row in harvest.scores.to_pylist()}
    assert benchmarks == {"toy_facts": "toy_knowledge", "toy_words": "toy_knowledge", "toy_sums": "toy"}
    assert {row["task"]: row["benchmark"] for row in harvest.prompts.to_pylist()} == benchmarks


def test_the_benchmark_of_a_task_outside_groups_is_the_task(tmp_path: Path):
    assert {row["benchmark"] for row in rows_of(harvest_of(DATA / "0.4.9.2" / CAND_A, tmp_path), "toy_sums")} == {
        "toy_sums"
    }
    assert {row["benchmark"] for row in harvest_of(DATA / "0.4.0" / CAND_A, tmp_path).scores.to_pylist()} == {
        "toy_facts",
        "toy_sums",
        "toy_words",
    }


def test_an_averaged_group_of_groups_is_one_benchmark(with_results):
    def nest(facts: dict) -> None:
        facts["group_subtasks"] = {"suite": ["exam"], "exam": ["exam_words", "exam_facts"]}
        facts["group_subtasks"] |= {"exam_words": ["toy_words"], "exam_facts": ["toy_facts"]}
        facts["groups"] = {"exam": {"acc,none": 0.75}, "exam_words": {"acc,none": 0.75}, "suite": {" ": " "}}

    harvest = with_results(nest)

    assert {row["benchmark"] for row in harvest.scores.to_pylist()} == {"exam"}


def test_groups_that_hold_each_other_do_no_harm(with_results):
    harvest = with_results(lambda facts: facts.update(group_subtasks={"a": ["b"], "b": ["a", "toy_words"], "c": None}))

    assert scores_of(harvest, "toy_words") == THREE_OF_FOUR


@pytest.mark.parametrize(("version", "row"), [("0.4.0", 1), ("0.4.3", 9), ("0.4.13", 9)])
def test_of_two_filters_the_flexible_one_counts(version: str, row: int, tmp_path: Path):
    rows = rows_of(harvest_of(DATA / version / CAND_A, tmp_path), "toy_sums")

    assert {found["metric"] for found in rows} == {"exact_match,flexible-extract"}
    assert len(rows) == len({found["prompt_id"] for found in rows}) == 8
    if version != "0.4.0":
        assert [found["source_row"] for found in rows] == list(range(row, row + 8))


@pytest.mark.parametrize("version", ["0.4.2", "0.4.3", "0.4.13"])
def test_filters_that_disagree_are_told_apart_also_where_rows_do_not_name_them(version: str, tmp_path: Path):
    harvest = harvest_of(DATA / version / CAND_B, tmp_path)

    assert scores_of(harvest, "toy_sums") == CAND_B_SUMS_FLEXIBLE


def test_two_runs_in_one_folder_keep_their_own_facts(tmp_path: Path):
    harvest = harvest_of(DATA / "0.4.13" / CAND_B, tmp_path)

    assert harvest.rejects.num_rows == 0
    assert harvest.notes == ()
    assert scores_of(harvest, "toy_words") == scores_of(harvest, "toy_facts") == ONE_OF_TWO
    assert {row["num_fewshot"] for row in rows_of(harvest, "toy_sums")} == {1}
    assert {row["num_fewshot"] for row in rows_of(harvest, "toy_words")} == {0}
    runs = {row["task"]: row["collected_at"] for row in harvest.scores.to_pylist()}
    assert runs["toy_words"] == runs["toy_facts"] < runs["toy_sums"]


def test_an_output_path_that_ends_in_json_is_understood(tmp_path: Path):
    harvest = harvest_of(DATA / "0.4.9.2-json", tmp_path)

    assert scores_of(harvest, "toy_words") == ONE_OF_TWO
    assert {row["candidate"] for row in harvest.scores.to_pylist()} == {"toylab/cand-b"}
    assert harvest.rejects.num_rows == 0


def test_a_row_says_where_it_comes_from(tmp_path: Path):
    folder = DATA / "0.4.13" / CAND_A
    path = samples_file(folder, "toy_words")
    facts = json.loads(results_file(folder).read_text(encoding="utf-8"))

    row = rows_of(harvest_of(folder, tmp_path), "toy_words")[4]

    assert row["source_uri"] == str(path)
    assert row["source_row"] == 5
    assert row["source_digest"] == storage.file_digest(path)
    assert row["harness"] == "lm-evaluation-harness"
    assert row["harness_version"] == "0.4.13"
    assert row["collected_at"] == datetime.fromtimestamp(facts["date"], UTC)
    assert row["tokens_in"] is row["tokens_out"] is row["cost_usd"] is row["latency_seconds"] is None


def test_rows_of_the_old_array_are_numbered_by_the_lines_they_begin_on(tmp_path: Path):
    folder = DATA / "0.4.0" / CAND_A
    lines = samples_file(folder, "toy_words").read_text(encoding="utf-8").splitlines()

    numbers = [int(str(row["source_row"])) for row in rows_of(harvest_of(folder, tmp_path), "toy_words")]

    assert [lines[number - 1] for number in numbers] == ["  {"] * 8
    assert [lines[number].strip() for number in numbers] == [f'"doc_id": {i},' for i in range(8)]


@pytest.mark.parametrize(
    ("version", "given", "expected"),
    [("0.4.13", "0.4.13", "0.4.13"), ("0.4.8", None, None), ("0.4.8", "v0.4.8-2-gabc", "v0.4.8-2-gabc")],
)
def test_the_version_is_the_commit_where_the_harness_names_none(with_results, version, given, expected):
    harvest = with_results(lambda facts: facts.update(git_hash=given), version=version)

    assert {row["harness_version"] for row in harvest.scores.to_pylist()} == {expected}


def test_versions_without_a_date_are_collected_now(tmp_path: Path):
    before = datetime.now(UTC)

    harvest = harvest_of(DATA / "0.4.0" / CAND_A, tmp_path)

    assert all(before <= moment <= datetime.now(UTC) for moment in harvest.scores["collected_at"].to_pylist())


def test_prompts_are_the_documents_own_questions_without_examples(tmp_path: Path):
    prompts = {row["prompt_id"]: row for row in harvest_of(DATA / "0.4.13" / CAND_A, tmp_path).prompts.to_pylist()}
    words = [row for row in prompts.values() if row["task"] == "toy_words"]
    sums = [row for row in prompts.values() if row["task"] == "toy_sums"]

    fact = prompts["toy_facts/facts-002"]
    assert fact["prompt"] == "What does a plant need to make sugar?"
    assert fact["choices"] == ["light", "salt", "wind"]
    assert (fact["answer"], fact["scorer"]) == ("A", "letter")
    assert words[3]["prompt"] == 'Which word is the plural of "ox"?'
    assert (words[3]["answer"], words[3]["scorer"]) == ("D", "letter")
    assert not any("Tom reads" in row["prompt"] for row in sums)
    assert sums[4]["prompt"] == "A shop sold 1,000 cups and then 250. How many in all?"
    assert sums[4]["choices"] is None
    assert (sums[4]["answer"], sums[4]["scorer"]) == ("1250", "number")


def test_a_document_without_id_is_named_by_its_hash(tmp_path: Path):
    folder = DATA / "0.4.13" / CAND_A
    first = json.loads(samples_file(folder, "toy_words").read_text(encoding="utf-8").splitlines()[0])

    assert rows_of(harvest_of(folder, tmp_path), "toy_words")[0]["prompt_id"] == f"toy_words/{first['doc_hash']}"


@pytest.mark.parametrize(("number", "named"), [(0, "0"), (17, "17"), (" m-1 ", "m-1")])
def test_a_question_id_names_a_document(edited, number: object, named: str):
    harvest = edited(lambda row: row["doc"].update(question_id=number))

    assert rows_of(harvest, "toy_words")[2]["prompt_id"] == f"toy_words/{named}"


@pytest.mark.parametrize("value", [True, None, "", "  ", 1.5, ["a"]])
def test_what_cannot_be_an_id_is_none(edited, value: object):
    harvest = edited(lambda row: row["doc"].update(id=value))

    assert len(str(rows_of(harvest, "toy_words")[2]["prompt_id"])) == len("toy_words/") + 64


def test_documents_that_share_an_id_are_named_by_their_content(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_words")
    path = samples_file(folder, "toy_words")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for i in (1, 2):
        rows[i]["doc"]["id"] = "same"
    rows[3]["doc"]["id"] = "other"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    harvest = harvest_of(folder, tmp_path)

    assert harvest.rejects.num_rows == 0
    names = [str(row["prompt_id"]) for row in rows_of(harvest, "toy_words")]
    assert names[1:4] == [f"toy_words/{rows[i]['doc_hash']}" for i in (1, 2)] + ["toy_words/other"]


@pytest.mark.parametrize(
    ("target", "answer", "scorer"),
    [
        ("so it is #### 1,250", "1250", "number"),
        ("$12.50", "12.50", "number"),
        (-3, "-3", "number"),
        ("Paris", "Paris", "exact"),
        ("['Paris', 'paris']", None, None),
        ("a long proof\nof many lines", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_answer_to_an_open_question_is_kept_where_it_is_clear(edited, target, answer, scorer):
    harvest = edited(lambda row: row.update(target=target, filter="flexible-extract"), task="toy_sums")

    found = next(row for row in harvest.prompts.to_pylist() if row["prompt"].startswith("Two boxes"))
    assert (found["answer"], found["scorer"]) == (answer, scorer)


@pytest.mark.parametrize(
    ("target", "answer"),
    [(2, "C"), ("2", "C"), ("sing", "C"), ("C", "C"), ("(C)", "C"), ("9", None), ("hum", None), (True, None)],
)
def test_the_answer_to_a_multiple_choice_question_is_a_letter(edited, target: object, answer: str | None):
    found = edited(lambda row: row.update(target=target)).prompts.to_pylist()[2]

    assert (found["answer"], found["scorer"]) == (answer, "letter" if answer else None)


def test_part_of_the_documents_is_taken_and_remarked_on(tmp_path: Path):
    harvest = harvest_of(DATA / "0.4.13-limit" / CAND_A, tmp_path)

    assert scores_of(harvest, "toy_words") == [1.0, 1.0, 1.0]
    (note,) = harvest.notes
    assert "task 'toy_words' of 'toylab/cand-a' was run on 3 of 8 documents" in note
    assert "--limit" in note


def test_results_without_samples_are_remarked_on(tmp_path: Path):
    harvest = harvest_of(DATA / "0.4.13-no-samples" / CAND_A, tmp_path)

    assert harvest.scores.num_rows == harvest.rejects.num_rows == harvest.candidates.num_rows == 0
    (note,) = harvest.notes
    assert note.endswith(
        "has only averages and no samples of 'toy_words'; run the harness again with --log_samples [averages-only]"
    )


def test_a_run_without_scoring_gives_no_score_of_999(tmp_path: Path):
    harvest = harvest_of(DATA / "0.4.13-predict-only" / CAND_A, tmp_path)

    assert harvest.scores.num_rows == harvest.prompts.num_rows == harvest.candidates.num_rows == 0
    rejects = harvest.rejects.to_pylist()
    assert [row["source_row"] for row in rejects] == [1, 2, 3, 4, 5, 6]
    assert {(row["field"], row["value"]) for row in rejects} == {("bypass", "999")}
    assert {row["reason"] for row in rejects} == {
        "the task was run with --predict_only, so it has no scores; run it without"
    }


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("1e400", "inf"),
        ("9" * 400, "inf"),
        ('"N/A"', "'N/A'"),
        ('"0.5"', "'0.5'"),
        ("null", None),
        ("[1.0]", "[1.0]"),
    ],
)
def test_a_score_that_is_no_finite_number_is_rejected_alone(edited, written: str, shown: str | None):
    harvest = edited(lambda row: json.dumps(row).replace('"acc": 1.0', f'"acc": {written}'))

    assert scores_of(harvest, "toy_words") == THREE_OF_FOUR[:2] + THREE_OF_FOUR[3:]
    row = the_reject(harvest)
    assert (row["source_row"], row["field"], row["value"]) == (3, "acc", shown)
    assert "number" in str(row["reason"])
    assert ";" in str(row["reason"])


@pytest.mark.parametrize("value", [1.4, 85, -0.5, 0, 0.25])
def test_ranges_are_left_to_the_validator(edited, value: float):
    harvest = edited(lambda row: row.update(acc=value))

    assert scores_of(harvest, "toy_words")[2] == value
    assert harvest.rejects.num_rows == 0


@pytest.mark.parametrize(("value", "score"), [(True, 1.0), (False, 0.0)])
def test_true_and_false_are_one_and_zero(edited, value: bool, score: float):
    assert scores_of(edited(lambda row: row.update(acc=value)), "toy_words")[2] == score


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (lambda row: row.pop("acc"), "acc", "has no score 'acc'"),
        (lambda row: row.pop("doc"), "doc", "no document"),
        (lambda row: row.update(doc="text"), "doc", "no document"),
        (lambda row: row.update(doc={"a": 1}, arguments=None), "arguments", "what was asked"),
        (lambda _: "[1, 2]", None, "not a JSON object"),
        (lambda _: "17", None, "not a JSON object"),
        (lambda _: "Traceback (most recent call last):", None, "not whole JSON"),
        (lambda row: json.dumps(row)[:-1] + ', "acc": 0.0}', "acc", "stands twice"),
        (lambda row: json.dumps(row).replace('"subject"', '"question"'), "question", "stands twice"),
        (lambda row: json.dumps(row).replace("sing", "\\ud800"), None, "not UTF-8"),
        (lambda row: json.dumps(row).replace('"words"', "[" * 200 + "]" * 200), None, "levels deep"),
        (lambda _: "[" * 100_000, None, "not whole JSON"),
        (lambda row: json.dumps(row).replace('"words"', "9" * 5000), None, "not whole JSON"),
    ],
)
def test_a_faulty_row_is_rejected_alone_with_its_field(edited, change, field: str | None, words: str):
    harvest = edited(change)

    assert scores_of(harvest, "toy_words") == THREE_OF_FOUR[:2] + THREE_OF_FOUR[3:]
    row = the_reject(harvest)
    assert (row["source_row"], row["field"]) == (3, field)
    assert words in str(row["reason"])
    assert str(row["source_uri"]).endswith(".jsonl")


def test_of_two_filters_a_row_must_name_its_own_where_others_do(edited):
    harvest = edited(lambda row: row.update(filter=None), task="toy_sums")

    assert scores_of(harvest, "toy_sums") == THREE_OF_FOUR
    assert (the_reject(harvest)["source_row"], the_reject(harvest)["field"]) == (3, "filter")


def test_of_one_filter_a_row_need_not_name_it(edited):
    harvest = edited(lambda row: row.update(filter=None))

    assert scores_of(harvest, "toy_words") == THREE_OF_FOUR


def test_a_line_that_is_not_utf8_is_rejected_alone(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_words")
    path = samples_file(folder, "toy_words")
    lines = path.read_bytes().splitlines()
    lines[2] = lines[2].replace(b"sing", b"s\xefng")
    path.write_bytes(b"\n".join(lines))

    harvest = harvest_of(folder, tmp_path)

    assert harvest.scores.num_rows == 7
    assert the_reject(harvest)["source_row"] == 3
    assert "s\\xefng" in str(the_reject(harvest)["value"])


def test_an_element_of_an_old_array_that_is_not_utf8_is_rejected_alone(copy_of, tmp_path: Path):
    folder = copy_of("0.4.0", "toy_words")
    path = samples_file(folder, "toy_words")
    path.write_bytes(path.read_bytes().replace(b"crimson", b"cr\xefmson", 1))

    harvest = harvest_of(folder, tmp_path)

    assert harvest.scores.num_rows == 7
    assert "not UTF-8" in str(the_reject(harvest)["reason"])


def test_blank_lines_byte_order_marks_and_carriage_returns_do_no_harm(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_words")
    path = samples_file(folder, "toy_words")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))

    harvest = harvest_of(folder, tmp_path)

    assert scores_of(harvest, "toy_words") == THREE_OF_FOUR
    assert [row["source_row"] for row in rows_of(harvest, "toy_words")] == list(range(1, 16, 2))
    assert harvest.rejects.num_rows == 0


@pytest.mark.parametrize(("version", "task"), [("0.4.13", "toy_sums"), ("0.4.3", "toy_sums"), ("0.4.0", "toy_sums")])
def test_a_file_cut_anywhere_loses_the_row_at_the_cut_and_invents_none(
    version: str, task: str, copy_of, tmp_path: Path
):
    folder = copy_of(version, task)
    path = samples_file(folder, task)
    whole = path.read_bytes()
    facts = ["prompt_id", "score", "metric", "source_row"]
    clean = [tuple(row[name] for name in facts) for row in rows_of(harvest_of(folder, tmp_path), task)]
    prompts = harvest_of(folder, tmp_path).prompts.to_pylist()

    for size in range(0, len(whole), 64):
        path.write_bytes(whole[:size])

        harvest = harvest_of(folder, tmp_path)

        taken = [tuple(row[name] for name in facts) for row in rows_of(harvest, task)]
        assert taken == clean[: len(taken)]
        assert harvest.prompts.to_pylist() == prompts[: len(taken)]
        remainder = whole[:size].rpartition(b"\n")[2]
        is_at_a_row = version != "0.4.0" and (not remainder or remainder in whole.splitlines())
        assert harvest.rejects.num_rows == (size > 0 and not is_at_a_row)
        if harvest.rejects.num_rows:
            row = the_reject(harvest)
            assert all(int(str(row["source_row"])) > source_row for *_, source_row in taken)
            assert "not whole JSON" in str(row["reason"])


def test_a_file_cut_between_two_rows_is_remarked_on(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_words")
    path = samples_file(folder, "toy_words")
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:5]), encoding="utf-8")

    harvest = harvest_of(folder, tmp_path)

    assert harvest.scores.num_rows == 5
    (note,) = harvest.notes
    assert "holds 5 of the 8 documents" in note


def test_a_damaged_row_of_an_old_version_does_not_shift_the_filters_of_the_others(copy_of, tmp_path: Path):
    folder = copy_of("0.4.3", "toy_sums", CAND_B)
    path = samples_file(folder, "toy_sums")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2][:40]
    path.write_text("\n".join(lines), encoding="utf-8")

    harvest = harvest_of(folder, tmp_path)

    assert scores_of(harvest, "toy_sums") == CAND_B_SUMS_FLEXIBLE[:2] + CAND_B_SUMS_FLEXIBLE[3:]
    rejects = {row["source_row"]: row["field"] for row in harvest.rejects.to_pylist()}
    assert rejects == {3: None, 11: "filter"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not whole JSON"),
        (b"", "not whole JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "codec can't decode"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b"{}", "names a model"),
    ],
)
def test_unreadable_results_are_rejected_as_a_whole_and_leave_their_samples_out(
    copy_of, tmp_path: Path, content: bytes, words: str
):
    folder = copy_of("0.4.13", "toy_words")
    results_file(folder).write_bytes(content)

    harvest = harvest_of(folder, tmp_path)

    assert harvest.scores.num_rows == harvest.prompts.num_rows == 0
    row = the_reject(harvest)
    assert row["source_row"] is None
    assert str(row["source_uri"]).endswith(results_file(folder).name)
    assert words in str(row["reason"])


def test_samples_without_results_are_rejected_as_a_whole(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_words")
    results_file(folder).unlink()

    harvest = harvest_of(folder, tmp_path)

    assert harvest.scores.num_rows == 0
    assert the_reject(harvest)["source_row"] is None
    assert "copy its results_*.json here too" in str(the_reject(harvest)["reason"])


def test_samples_are_not_read_with_the_results_of_another_run(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_words")
    results_file(folder).rename(folder / "results_2026-01-01T00-00-00.000001.json")

    harvest = harvest_of(folder, tmp_path)

    assert harvest.scores.num_rows == 0
    assert "of their run" in str(the_reject(harvest)["reason"])
    (note,) = harvest.notes
    assert "no samples of 'toy_words'" in note


def test_results_renamed_without_their_stamp_are_still_found(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_words")
    results_file(folder).rename(folder / "results.json")

    assert scores_of(harvest_of(folder, tmp_path), "toy_words") == THREE_OF_FOUR


def test_samples_of_a_task_the_results_do_not_know_are_rejected(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_words")
    path = samples_file(folder, "toy_words")
    path.rename(folder / path.name.replace("toy_words", "my_toy_words"))

    harvest = harvest_of(folder, tmp_path)

    assert harvest.scores.num_rows == 0
    assert the_reject(harvest)["source_row"] is None


@pytest.mark.parametrize(
    ("name", "candidate"),
    [
        ("/data/models/Qwen2.5-7B-Instruct", "data/models/Qwen2.5-7B-Instruct"),
        ("./llama", "llama"),
        ("../out/merged/", "out/merged"),
        ("/mnt/a/b/run 1/tune/checkpoint-500", "b/run-1/tune/checkpoint-500"),
        ("C:\\models\\phi", "models/phi"),
        ("/root/.cache/huggingface/hub/models--org--m/snapshots/0a1b2c", "org/m"),
        ("org//model", "org/model"),
        ("my model", "my-model"),
    ],
)
def test_model_on_disk_gets_a_usable_name_and_a_note(with_results, name: str, candidate: str):
    harvest = with_results(lambda facts: facts.update(model_name=name))

    assert set(harvest.scores["candidate"].to_pylist()) == {candidate}
    (note,) = harvest.notes
    assert f"the model {name!r} in " in note
    assert f"is called {candidate!r} here" in note


def test_two_models_that_would_have_one_name_are_not_mixed(tmp_path: Path):
    for i, name in enumerate(("/a/x/y/z/m", "/b/x/y/z/m")):
        folder = tmp_path / "source" / str(i)
        shutil.copytree(DATA / "0.4.13" / CAND_A, folder)
        path = results_file(folder)
        facts = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(facts | {"model_name": name}), encoding="utf-8")

    harvest = harvest_of(tmp_path / "source", tmp_path)

    assert harvest.scores.num_rows == 24
    assert "'/a/x/y/z/m' and '/b/x/y/z/m' would both be called 'x/y/z/m'" in str(the_reject(harvest)["reason"])


@pytest.mark.parametrize(
    ("arguments", "candidate"),
    [
        ("pretrained=org/m,dtype=float32", "org/m"),
        ("dtype=float32,pretrained=org/m,peft=org/adapter", "org/adapter"),
        ({"pretrained": "org/m", "revision": "main"}, "org/m"),
        ({"model": "gpt-9"}, "gpt-9"),
    ],
)
def test_the_model_name_is_found_in_the_arguments_of_old_versions(with_results, arguments: object, candidate: str):
    def change(facts: dict) -> None:
        del facts["model_name"]
        facts["config"]["model_args"] = arguments

    assert {row["candidate"] for row in with_results(change).scores.to_pylist()} == {candidate}


def test_a_name_the_harness_made_up_is_no_candidate(with_results):
    def change(facts: dict) -> None:
        facts["model_name"] = "dtzt3t8v"
        facts["config"]["model_args"] = ""

    row = the_reject(with_results(change))

    assert (row["source_row"], row["value"]) == (None, "'dtzt3t8v'")
    assert "pretrained=NAME" in str(row["reason"])


@pytest.mark.parametrize("name", ["gpt2abcd", "org/m"])
def test_a_short_name_that_was_given_is_kept(with_results, name: str):
    def change(facts: dict) -> None:
        facts["model_name"] = name
        facts["config"]["model_args"] = {"pretrained": name}

    assert {row["candidate"] for row in with_results(change).scores.to_pylist()} == {name}


def test_a_metric_of_which_less_is_better_is_never_chosen(with_results):
    def change(facts: dict) -> None:
        facts["higher_is_better"]["toy_facts"]["acc"] = False

    harvest = with_results(change, task="toy_facts")

    assert {row["metric"] for row in harvest.scores.to_pylist()} == {"acc_norm,none"}
    assert scores_of(harvest, "toy_facts") == [1.0] * 7 + [0.0]


def test_a_metric_that_gives_documents_lists_gives_way_to_the_next(copy_of, tmp_path: Path):
    folder = copy_of("0.4.13", "toy_facts")
    path = samples_file(folder, "toy_facts")
    text = (
        path.read_text(encoding="utf-8").replace('"acc": 1.0', '"acc": [1, 1]').replace('"acc": 0.0', '"acc": [0, 1]')
    )
    path.write_text(text, encoding="utf-8")

    harvest = harvest_of(folder, tmp_path)

    assert {row["metric"] for row in harvest.scores.to_pylist()} == {"acc_norm,none"}
    assert harvest.rejects.num_rows == 0


def test_a_task_without_a_usable_metric_is_left_out_and_remarked_on(with_results):
    harvest = with_results(lambda facts: facts["higher_is_better"].update(toy_words={"acc": False}))

    assert harvest.scores.num_rows == harvest.rejects.num_rows == 0
    (note,) = harvest.notes
    assert "task 'toy_words' of 'toylab/cand-a' is left out" in note


@pytest.mark.parametrize(
    ("measures", "chosen"),
    [
        (["acc_norm,none", "acc,none", "acc_stderr,none"], "acc,none"),
        (["zeal,none", "acc,none", "bypass,none"], "acc,none"),
        (["zeal,none", "acc,b", "acc,a", "acc,flexible-extract"], "acc,flexible-extract"),
        (["acc,none", "acc,flexible-extract"], "acc,none"),
        (["acc,b", "acc,a"], "acc,a"),
    ],
)
def test_metric_and_filter_are_chosen_by_the_stated_order(copy_of, tmp_path: Path, measures: list[str], chosen: str):
    folder = copy_of("0.4.13", "toy_words")
    results, path = results_file(folder), samples_file(folder, "toy_words")
    facts = json.loads(results.read_text(encoding="utf-8"))
    facts["results"]["toy_words"] = dict.fromkeys(measures, 0.5)
    results.write_text(json.dumps(facts), encoding="utf-8")
    text = path.read_text(encoding="utf-8").replace('"filter": "none"', f'"filter": "{chosen.split(",")[1]}"')
    path.write_text(text, encoding="utf-8")

    harvest = harvest_of(folder, tmp_path)

    assert {row["metric"] for row in harvest.scores.to_pylist()} == {chosen}


@pytest.mark.parametrize(
    "section",
    ["results", "groups", "group_subtasks", "configs", "n-shot", "n-samples", "higher_is_better", "config", "date"],
)
@pytest.mark.parametrize("value", [None, [], "x", 1e300, {"toy_words": None}, {"toy_words": [1]}])
def test_results_of_an_unknown_shape_never_break_the_reading(with_results, section: str, value: object):
    harvest = with_results(lambda facts: facts.update({section: value}))

    assert harvest.scores.schema.equals(contracts.SCORES)
    assert set(scores_of(harvest, "toy_words")) <= {0.0, 1.0}


def test_reading_twice_gives_the_same(tmp_path: Path):
    once, again = (harvest_of(DATA / "0.4.13" / CAND_A, tmp_path) for _ in range(2))

    assert once.scores.equals(again.scores)
    assert once.prompts.equals(again.prompts)
    assert once.notes == again.notes
