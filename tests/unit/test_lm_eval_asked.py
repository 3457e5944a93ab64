"""Questions as the real lm-evaluation-harness 0.4.13 asked them (tests/data/lm_eval_asked), however a run wraps them.

The fixtures hold tasks of every output type, with templates and with code, asked plainly, after five examples, under a
system prompt, in two chat templates, as one message and as turns, and as JSON messages of a chat API.
"""

from collections import defaultdict
from pathlib import Path

import pytest

from modelsat.data import collection, readers
from modelsat.data.readers import Harvest
from modelsat.io import storage

DATA = Path(__file__).parents[1] / "data" / "lm_eval_asked"
RUNS = ("plain-0", "plain-5", "chatml-0", "chatml-5", "chatml-turns-5", "inst-5", "api-0", "api-turns-5")
COMPARED = {"ask_letters", "ask_endings", "ask_copa", "ask_blank", "ask_cloze"}
GENERATED = {"ask_sums", "ask_passage", "ask_code", "ask_columns"}
WITHOUT_QUESTION = {"ask_pairs", "ask_perplexity"}

# What the tasks ask about their first document, written down by hand from their files.
ASKED = {
    "ask_letters": (
        "Which of these words names the thing called river?",
        ["river one", "stone two", "cloud three"],
        "A",
    ),
    "ask_endings": (
        "Someone walks to the river and looks around. She",
        ["sits down beside the river to rest.", "eats the river in one bite."],
        "A",
    ),
    "ask_copa": (
        "The river was found broken therefore",
        ["a child dropped the river.", "a child praised the river."],
        "A",
    ),
    "ask_blank": (
        "The river would not fit beside the maple because the",
        ["river was far too large.", "maple was far too large."],
        None,
    ),
    "ask_cloze": ("He said the name river aloud, and everyone in the room repeated the name", None, None),
    "ask_sums": ("Ann has 2 rivers and buys 3 more. How many has she now?", None, "5"),
    "ask_passage": (
        "Title: On the river\n\nThe river was first seen in 1900 by sailors.\n\nIt was sold in 1950 to a museum.\n\n"
        "Q: When was the river sold to the museum?",
        None,
        "1950",
    ),
    "ask_code": (
        "def f(text):\n    return text.replace('r', 'r') + '!'\n\nComplete: assert f(??) == 'riverriver!'",
        None,
        "'riverriver'",
    ),
    "ask_columns": ("Which letter begins the word river?", ["r", "zi", "qv"], "A"),
}


def harvest_of(run: str, scratch: Path) -> Harvest:
    (harvest,) = readers.read(str(DATA / run), storage.snapshot(str(DATA / run), scratch))
    return harvest


@pytest.fixture(scope="module")
def harvests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Harvest]:
    return {run: harvest_of(run, tmp_path_factory.mktemp(run)) for run in RUNS}


def prompts_of(harvest: Harvest) -> dict[str, dict[str, object]]:
    return {str(row["prompt_id"]): row for row in harvest.prompts.to_pylist()}


@pytest.mark.parametrize("run", RUNS)
def test_question_does_not_depend_on_the_run(harvests: dict[str, Harvest], run: str) -> None:
    plain, here = prompts_of(harvests["plain-0"]), prompts_of(harvests[run])

    assert {row["task"] for row in here.values()} == (GENERATED if run.startswith("api") else GENERATED | COMPARED)
    assert len(here) == 2 * len({row["task"] for row in here.values()})
    assert {name: plain[name] for name in here} == here


@pytest.mark.parametrize("task", sorted(ASKED))
def test_question_is_what_the_task_asks(harvests: dict[str, Harvest], task: str) -> None:
    rows = [row for row in harvests["plain-0"].prompts.to_pylist() if row["task"] == task]

    asked = [(row["prompt"], row["choices"], row["answer"]) for row in rows]
    assert ASKED[task] in asked


@pytest.mark.parametrize("run", RUNS)
def test_no_prompt_holds_its_answer_but_a_passage(harvests: dict[str, Harvest], run: str) -> None:
    for row in harvests[run].prompts.to_pylist():
        if row["answer"] is not None and row["scorer"] != "letter" and row["task"] != "ask_passage":
            assert str(row["answer"]) not in str(row["prompt"])


@pytest.mark.parametrize("run", RUNS)
def test_nothing_of_the_run_is_in_a_prompt(harvests: dict[str, Harvest], run: str) -> None:
    for row in harvests[run].prompts.to_pylist():
        for mark in (
            "<|im_",
            "[INST]",
            "</s>",
            '"role"',
            "careful assistant",
            "Solve these",
            "from the passage",
            "maple has",
        ):
            assert mark not in str(row["prompt"])


@pytest.mark.parametrize("run", [run for run in RUNS if not run.startswith("api")])
def test_tasks_without_questions_are_left_out_with_a_note_each(harvests: dict[str, Harvest], run: str) -> None:
    assert harvests[run].rejects.num_rows == 0
    for task in WITHOUT_QUESTION:
        (note,) = [note for note in harvests[run].notes if repr(task) in note]
        assert "ask no question" in note


def test_all_runs_together_have_every_question_once_and_a_score_of_every_model() -> None:
    merged = collection.collect([str(DATA)])

    assert merged.rejects.num_rows == 0
    assert merged.prompts.num_rows == 2 * len(ASKED)
    models = defaultdict(set)
    for row in merged.scores.to_pylist():
        models[row["prompt_id"]].add(row["candidate"])
    assert sorted({len(found) for found in models.values()}) == [6, 8]
    assert {row["metric"] for row in merged.scores.to_pylist() if row["task"] == "ask_sums"} == {
        "exact_match,flexible-extract"
    }
