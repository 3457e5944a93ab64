"""Results of lm-evaluation-harness as users bring them, each kind in a small run written by hand."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from harness_files import row, write_run

from modelsat.data import collection, validation
from modelsat.data.collection import Collection

CASES = Path(__file__).parents[2].parent / "shared" / "cases"


def question(i: int) -> dict[str, Any]:
    return {"question": f"What is the name of the river number {i}?", "answer": f"river {i}"}


def plain(i: int, score: object = 1.0, **more: Any) -> dict[str, Any]:
    doc = question(i)
    return row(doc, doc["answer"], doc["question"] + "\nAnswer:", metrics={"exact_match": score}, **more)


def collected(folder: Path) -> Collection:
    return collection.collect([str(folder)])


def scores_of(merged: Collection, candidate: str = "lab/m") -> list[float]:
    return [r["score"] for r in merged.scores.to_pylist() if r["candidate"] == candidate]


def metrics_of(merged: Collection) -> set[str]:
    return set(merged.scores["metric"].to_pylist())


def the_prompt(merged: Collection) -> dict[str, Any]:
    (found,) = merged.prompts.to_pylist()
    return dict(found)


def test_task_that_sent_the_same_text_for_all_documents_is_left_out_by_name(tmp_path: Path) -> None:
    same = "Summarise the document.\nDocument: text\nSummary:"
    rows = [row({"text": f"It rained {i} days."}, "Rain.", same, metrics={"exact_match": i / 4}) for i in range(4)]
    write_run(tmp_path, "lab/m", {"xlsum": rows, "rivers": [plain(i) for i in range(4)]})

    merged = collected(tmp_path)

    assert set(merged.prompts["task"].to_pylist()) == {"rivers"}
    (remark,) = [remark for remark in merged.notes if "xlsum" in remark]
    assert "the same text was sent for all of its documents" in remark
    assert "mend the task's doc_to_text" in remark


def test_a_field_named_question_is_no_question_where_something_else_was_asked(tmp_path: Path) -> None:
    doc = {
        "premise": "The road was icy.",
        "question": "effect",
        "a": "The car slid.",
        "b": "The car flew.",
        "answer": 0,
    }
    sent = "The road was icy therefore"
    write_run(
        tmp_path,
        "lab/m",
        {"t": [row(doc, " the car slid.", sent, [" the car slid.", " the car flew."], {"acc": 1.0})]},
        {"output_type": "multiple_choice", "doc_to_text": "<function text>"},
    )

    found = the_prompt(collected(tmp_path))

    assert (found["prompt"], found["choices"]) == (sent, ["the car slid.", "the car flew."])
    assert (found["answer"], found["scorer"]) == ("A", "letter")


def test_a_field_named_input_may_be_the_answer_and_is_not_asked(tmp_path: Path) -> None:
    doc = {"code": "def f(x):\n    return x + 'ab'", "input": "'zebra'", "output": "'zebraab'"}
    sent = f"{doc['code']}\nFind the input: f(??) == {doc['output']}"
    write_run(tmp_path, "lab/m", {"t": [row(doc, doc["input"], sent)]}, {"doc_to_text": "<function text>"})

    found = the_prompt(collected(tmp_path))

    assert found["prompt"] == sent
    assert found["answer"] == "'zebra'"


def test_questions_on_different_passages_are_different_questions(tmp_path: Path) -> None:
    docs = [
        {"flores_passage": f"The bridge was built in {year}.", "question": "When was the bridge built?"}
        for year in (1801, 1902)
    ]
    rows = [row(doc, "x", f"P: {doc['flores_passage']}\nQ: {doc['question']}\nA:") for doc in docs]
    write_run(tmp_path, "lab/m", {"t": rows}, {"doc_to_text": "P: {{flores_passage}}\nQ: {{question}}\nA:"})

    prompts = collected(tmp_path).prompts.to_pylist()

    assert len({found["stem_digest"] for found in prompts}) == 2
    assert all("The bridge was built in" in found["prompt"] for found in prompts)


@pytest.mark.parametrize("shown", ["A. {A}\nB. {B}\nC. {C}", "(A) {A}\n(B) {B}\n(C) {C}", "A) {A} B) {B} C) {C}"])
@pytest.mark.parametrize("answers", [[" A", " B", " C"], []])
def test_options_in_columns_are_options(tmp_path: Path, shown: str, answers: list[str]) -> None:
    doc = {"Question": "Which of the following is a prime?", "A": "4", "B": "7", "C": "9", "Answer": "B"}
    sent = f"{doc['Question']}\n{shown.format(**doc)}\nAnswer:"
    target = "1" if answers else "B"
    kind = "multiple_choice" if answers else "generate_until"
    write_run(tmp_path, "lab/m", {"t": [row(doc, target, sent, answers)]}, {"output_type": kind})

    found = the_prompt(collected(tmp_path))

    assert (found["prompt"], found["choices"]) == ("Which of the following is a prime?", ["4", "7", "9"])
    assert (found["answer"], found["scorer"]) == ("B", "letter")


@pytest.mark.parametrize(
    ("value", "target", "answer"),
    [(2, "2", "C"), ("2", "2", "B"), (0, "0", "A"), ("B", "B", "B"), ("nine", "nine", None)],
)
def test_a_target_that_is_an_index_names_the_option_of_that_place(
    tmp_path: Path, value: object, target: str, answer: str | None
) -> None:
    doc = {"question": "What is the sum of one and another number?", "choices": ["1", "2", "3", "4"], "answer": value}
    sent = doc["question"] + "\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"
    write_run(tmp_path, "lab/m", {"t": [row(doc, target, sent, metrics={"acc": 1.0})]}, {"doc_to_target": "answer"})

    assert the_prompt(collected(tmp_path))["answer"] == answer


def test_no_answer_is_stated_where_index_and_text_name_different_options(tmp_path: Path) -> None:
    doc = {"question": "What is the sum of one and another number?", "choices": ["1", "2", "3", "4"]}
    sent = doc["question"] + "\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"
    write_run(tmp_path, "lab/m", {"t": [row(doc, "2", sent, metrics={"acc": 1.0})]}, {"doc_to_target": "<function>"})

    assert the_prompt(collected(tmp_path))["answer"] is None


def test_messages_of_a_chat_api_are_read_in_every_shape(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name the river in Rome, please."}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Name the river in Rome, please."}]}]
    for i, sent in enumerate([json.dumps(turns), [json.dumps(turns)], turns, parts]):
        write_run(tmp_path / str(i), f"lab/m{i}", {"t": [row({"city": "Rome"}, "Tiber", sent)]})

    merged = collected(tmp_path)

    assert the_prompt(merged)["prompt"] == "Name the river in Rome, please."
    assert merged.scores.num_rows == 4


def test_a_vote_of_many_samples_gives_way_to_a_single_one(tmp_path: Path) -> None:
    rows = [plain(i, score, name=name) for name, score in (("maj@8", 1.0), ("score-first", 0.0)) for i in range(3)]
    write_run(tmp_path, "lab/m", {"t": rows})

    assert metrics_of(collected(tmp_path)) == {"exact_match,score-first"}


def test_a_filter_with_a_majority_vote_is_a_vote_whatever_its_name(tmp_path: Path) -> None:
    rows = [plain(i, name=name) for name in ("extract", "single") for i in range(3)]
    steps = [{"name": "extract", "filter": [{"function": "majority_vote"}]}, {"name": "single", "filter": []}]
    write_run(tmp_path, "lab/m", {"t": rows}, {"filter_list": steps})

    assert metrics_of(collected(tmp_path)) == {"exact_match,single"}


def test_minus_one_says_that_a_metric_has_not_the_document(tmp_path: Path) -> None:
    rows = [plain(i) for i in range(4)]
    for i, found in enumerate(rows):
        del found["exact_match"]
        found |= {"metrics": ["4096", "8192"], "4096": 0.5 if i % 2 else -1.0, "8192": -1.0 if i % 2 else 1.0}
    write_run(tmp_path, "lab/m", {"t": rows})

    merged = collected(tmp_path)

    assert (
        sorted((r["metric"], r["score"]) for r in merged.scores.to_pylist())
        == [("4096,none", 0.5)] * 2 + [("8192,none", 1.0)] * 2
    )


def test_points_give_way_to_a_metric_in_zero_to_one(tmp_path: Path) -> None:
    rows = [plain(i) for i in range(3)]
    for i, found in enumerate(rows):
        del found["exact_match"]
        found |= {"metrics": ["eqbench", "parseable"], "eqbench": 60.5 + i, "parseable": 1.0}
    write_run(tmp_path, "lab/m", {"t": rows})

    assert metrics_of(collected(tmp_path)) == {"parseable,none"}


def test_a_task_with_points_alone_is_left_out_and_named_and_the_others_stay(tmp_path: Path) -> None:
    rows = [plain(i) for i in range(3)]
    for found in rows:
        del found["exact_match"]
        found |= {"metrics": ["eqbench"], "eqbench": 60.5}
    write_run(tmp_path, "lab/m", {"points": rows, "sums": [plain(7)]})

    merged = collected(tmp_path)

    assert set(merged.scores["task"].to_pylist()) == {"sums"}
    assert merged.rejects.num_rows == 0
    assert any("task 'points' of 'lab/m' is left out" in note for note in merged.notes)


@pytest.mark.parametrize("text", ["lines", "array"])
def test_samples_that_end_in_json_are_samples(tmp_path: Path, text: str) -> None:
    write_run(tmp_path, "lab/m", {"t": [plain(i) for i in range(3)]}, ending="json")
    (path,) = tmp_path.glob("samples_*.json")
    if text == "array":
        path.write_text(json.dumps([json.loads(line) for line in path.read_text().splitlines()], indent=1))

    merged = collected(tmp_path)

    assert (merged.scores.num_rows, merged.rejects.num_rows) == (3, 0)


@pytest.mark.parametrize("folder", [".__checkpoints__sft", "..__out__merged", ".cache__x", "__data__m"])
def test_folders_named_after_a_path_are_read(tmp_path: Path, folder: str) -> None:
    write_run(tmp_path / folder, "./checkpoints/sft", {"t": [plain(1)]})

    assert collected(tmp_path).candidates["candidate"].to_pylist() == ["checkpoints/sft"]


def test_other_hidden_folders_stay_hidden(tmp_path: Path) -> None:
    write_run(tmp_path / "lab__m", "lab/m", {"t": [plain(1)]})
    write_run(tmp_path / ".ipynb_checkpoints", "lab/other", {"t": [plain(1)]})

    assert collected(tmp_path).candidates["candidate"].to_pylist() == ["lab/m"]


def test_chosen_samples_are_matched_by_content_though_numbered_anew(tmp_path: Path) -> None:
    write_run(tmp_path / "whole", "lab/a", {"t": [plain(i) for i in range(5)]})
    write_run(tmp_path / "some", "lab/b", {"t": [plain(i) for i in (3, 1)]})

    merged = collected(tmp_path)

    asked = {c: {r["prompt_id"] for r in merged.scores.to_pylist() if r["candidate"] == c} for c in ("lab/a", "lab/b")}
    assert merged.prompts.num_rows == 5
    assert asked["lab/b"] < asked["lab/a"]


def runs(tmp_path: Path, *settings: tuple[str, int, Sequence[float], str]) -> Collection:
    """Write runs of a task as (candidate, examples, scores, date) and collect them."""
    for i, (candidate, shots, scores, date) in enumerate(settings):
        at = datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
        rows = [plain(j, score) for j, score in enumerate(scores)]
        write_run(tmp_path / str(i), candidate, {"t": rows}, {"num_fewshot": shots}, {"date": at})
    return collected(tmp_path)


def test_of_two_numbers_of_examples_the_smaller_stands_where_all_have_both(tmp_path: Path) -> None:
    merged = runs(tmp_path, ("lab/m", 5, [1, 1], "2026-01-02"), ("lab/m", 0, [0, 1], "2026-01-01"))

    assert sorted(scores_of(merged)) == [0, 1]
    assert merged.rejects.num_rows == 0
    assert any("a run with 5 examples and of a run with 0 examples that differ on 1 prompt," in n for n in merged.notes)


def test_of_two_numbers_of_examples_that_of_most_candidates_stands(tmp_path: Path) -> None:
    merged = runs(
        tmp_path,
        ("lab/m", 5, [1, 1], "2026-01-01"),
        ("lab/m", 0, [0, 0], "2026-01-02"),
        ("lab/n", 5, [1, 0], "2026-01-01"),
    )

    assert scores_of(merged) == [1, 1]


def test_of_two_runs_the_newest_stands_and_the_older_is_named(tmp_path: Path) -> None:
    merged = runs(tmp_path, ("lab/m", 0, [1, 0], "2026-01-01"), ("lab/m", 0, [0, 0], "2026-02-01"))

    assert scores_of(merged) == [0, 0]
    assert merged.rejects.num_rows == 0
    assert any("a run at 2026-01-01 00:00:00 and of a run at 2026-02-01 00:00:00" in note for note in merged.notes)


def test_a_whole_run_stands_before_a_newer_limited_one(tmp_path: Path) -> None:
    merged = runs(tmp_path, ("lab/m", 0, [1, 0, 1], "2026-01-01"), ("lab/m", 0, [0], "2026-02-01"))

    assert sorted(scores_of(merged)) == [0, 1, 1]
    assert merged.rejects.num_rows == 0


@pytest.mark.parametrize("reply", ["", "  \n", None])
def test_answers_that_never_came_are_missing_and_warned_of(tmp_path: Path, reply: object) -> None:
    write_run(tmp_path / "a", "lab/m", {"hard": [plain(i, 0.0, reply=reply) for i in range(5)], "easy": [plain(9)]})
    write_run(tmp_path / "b", "lab/n", {"hard": [plain(i, i % 2) for i in range(5)], "easy": [plain(9)]})

    merged = collected(tmp_path)

    assert scores_of(merged) == [1.0]
    assert any("5 of 5 answers of task 'hard' of 'lab/m' are empty" in note for note in merged.notes)
    (broken,) = [c for c in validation.check(merged).checks if c.title == "Every candidate answers where it was run"]
    assert not broken.passed
    assert (broken.rows[0]["candidate"], broken.rows[0]["benchmark"], broken.rows[0]["empty"]) == ("lab/m", "hard", 5)


@pytest.mark.parametrize(("n_empty", "n_scores"), [(1, 10), (2, 8), (9, 1)])
def test_from_a_fifth_on_empty_answers_are_missing_below_they_are_wrong(
    tmp_path: Path, n_empty: int, n_scores: int
) -> None:
    write_run(tmp_path, "lab/m", {"t": [plain(i, 0.0, reply="" if i < n_empty else "x") for i in range(10)]})

    assert collected(tmp_path).scores.num_rows == n_scores


def test_written_collection_keeps_its_empty_answers(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "lab/m", {"t": [plain(i, 0.0, reply="") for i in range(3)]})
    merged = collected(tmp_path / "a")
    merged.write(tmp_path / "out")

    assert Collection.read(tmp_path / "out").empty_answers == merged.empty_answers != ()


def test_documents_without_any_question_leave_the_task_out_and_no_other(tmp_path: Path) -> None:
    doc = {"good": "The keys are here.", "bad": "The keys is here."}
    pair = row(doc, "0", "", [" " + doc["good"], " " + doc["bad"]], {"acc": 1.0})
    write_run(tmp_path, "lab/m", {"pairs": [pair], "sums": [plain(1)]}, {"output_type": "multiple_choice"})

    merged = collected(tmp_path)

    assert set(merged.prompts["task"].to_pylist()) == {"sums"}
    assert merged.rejects.num_rows == 0
    assert any("task 'pairs' of 'lab/m' is left out" in note for note in merged.notes)


def test_a_prompt_that_still_holds_its_answer_is_left_out_and_counted(tmp_path: Path) -> None:
    doc = {"key": "zebra answer"}
    sent = "first\n\nIs it this? zebra answer\n\nor this"
    rows = [row(doc, "zebra answer", sent), plain(1)]
    write_run(
        tmp_path, "lab/m", {"t": rows}, {"doc_to_text": "<function>", "num_fewshot": 1, "fewshot_delimiter": "||"}
    )

    merged = collected(tmp_path)

    assert all("zebra" not in text for text in merged.prompts["prompt"].to_pylist())


def test_marks_of_an_unknown_chat_template_are_never_part_of_a_prompt(tmp_path: Path) -> None:
    sent = "<|begin|><|speaker:human|>Who found the river of gold?<|speaker:bot|>"
    write_run(tmp_path, "lab/m", {"t": [row({"x": 1}, "Ann", sent), plain(1)]}, {"doc_to_text": "<function>"})

    merged = collected(tmp_path)

    assert merged.prompts.num_rows == 1
    assert any("1 of 2 documents of task 't' of 'lab/m' are left out" in note for note in merged.notes)


@pytest.mark.skipif(
    not CASES.is_dir(), reason="the cases that users brought are not beside this checkout (../shared/cases)"
)
@pytest.mark.parametrize(
    ("case", "n_prompts", "n_candidates"),
    [
        ("lm-blimp-empty-context", 0, 0),
        ("lm-chat-api-arguments", 4, 2),
        ("lm-copa", 8, 2),
        ("lm-empty-answers", 120, 2),
        ("lm-gold-index", 6, 2),
        ("lm-hidden-folder", 8, 4),
        ("lm-local-path", 4, 2),
        ("lm-majority-of-eight", 4, 2),
        ("lm-option-columns", 4, 2),
        ("lm-ruler-minus-one", 8, 2),
        ("lm-samples-dot-json", 4, 2),
        ("lm-two-chat-templates", 4, 2),
        ("lm-zero-and-five-shot", 12, 2),
    ],
)
def test_what_users_brought_is_read_whole(case: str, n_prompts: int, n_candidates: int) -> None:
    merged = collected(CASES / case / "input")

    assert merged.rejects.num_rows == 0
    assert (merged.prompts.num_rows, merged.candidates.num_rows) == (n_prompts, n_candidates)
    for text in merged.prompts["prompt"].to_pylist():
        assert not any(mark in text for mark in ("<|im_", "[INST]", '"role"'))
        assert text not in ("cause", "effect")


@pytest.mark.parametrize(
    "sent",
    [
        "<seed:bos>system\nBe brief.<seed:eos><seed:bos>user\nWho was it?<seed:eos><seed:bos>assistant\n",
        "<s>[INST] <<SYS>>\nBe brief.\n\nAnswer in German.\n<</SYS>>\n\nWho was it? [/INST]",
    ],
    ids=["seed", "llama-2"],
)
def test_system_prompt_of_several_lines_and_rarer_templates_are_no_part_of_a_question(
    tmp_path: Path, sent: str
) -> None:
    rows = [row({"text": f"document {i}", "who": "Ada"}, "Ada", sent) for i in range(2)]
    write_run(tmp_path, "lab/m", {"t": rows}, {"doc_to_text": "<function f>"}, {"chat_template": "x"})

    assert set(collected(tmp_path).prompts["prompt"].to_pylist()) == {"Who was it?"}


def test_a_task_about_images_is_left_out_since_its_text_lacks_them(tmp_path: Path) -> None:
    config = {"doc_to_text": "<image>\n{{question}}", "doc_to_image": ["image"]}
    write_run(tmp_path, "lab/m", {"t": [plain(1), plain(2)]}, config)

    merged = collected(tmp_path)

    assert merged.prompts.num_rows == 0
    assert any("come with images, audio or video" in note for note in merged.notes)


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_samples_are_rejected_by_name_and_their_task_is_not_called_missing(
    tmp_path: Path, ending: str
) -> None:
    write_run(tmp_path, "lab/m", {"t": [plain(1)], "u": [plain(2)]})
    (samples,) = tmp_path.glob("samples_t_*.jsonl")
    samples.rename(samples.with_name(f"{samples.name}.{ending}"))

    merged = collected(tmp_path)

    assert f"compressed ({ending})" in merged.rejects["reason"][0].as_py()
    assert not any("only averages" in note for note in merged.notes)
    assert merged.prompts.num_rows == 1


@pytest.mark.parametrize("metric", ["toxicity", "hallucination_rate", "edit_distance"])
def test_a_metric_of_which_less_is_better_is_no_score(tmp_path: Path, metric: str) -> None:
    rows = [plain(i) | {"metrics": [metric], metric: 0.25} for i in range(3)]
    write_run(tmp_path, "lab/m", {"t": [dict(one, metrics={metric: 0.25}) for one in rows]})

    assert collected(tmp_path).scores.num_rows == 0
