"""A team's own questions are put to all candidates, and what comes back goes through the pipeline like any results."""

import asyncio
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from llm_server import LlmServer
from typer.testing import CliRunner, Result

from modelsat.cli import app
from modelsat.data.collection import collect
from modelsat.errors import InputError, ServiceError
from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.onboarding.asking import AskingSettings, own_questions, pace
from modelsat.onboarding.asking.bill import Prices
from modelsat.onboarding.asking.judge import JudgeModel, LabelledAnswer, agreement, agreement_of

QUESTIONS: list[dict[str, Any]] = [
    {"question": "Which is a planet?", "choices": ["Sirius", "Mars"], "answer": "Mars", "category": "sky"},
    {"question": "How many days has June?", "answer": 30, "category": "calendar"},
    {"question": "What is the capital of Peru?", "answer": "Lima", "category": "places"},
    {"question": "When did the war end?", "answer": "(8 May )?1945", "scorer": "regex", "category": "history"},
]
RIGHT = {"planet": "Answer: B", "June": "Answer: 30", "Peru": "Answer: lima.", "war": "Answer: 8 may 1945"}


def scholar(text: str) -> str:
    return next(answer for word, answer in RIGHT.items() if word in text)


def sceptic(text: str) -> str:
    return "Answer: A" if "planet" in text else "Answer: 30"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as `questions.jsonl`, or under another name."""

    def to_file(rows: list[dict[str, Any]], name: str = "questions.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return to_file


def catalogue(folder: Path, **rows: dict[str, Any]) -> Path:
    path = folder / "catalogue.yaml"
    path.write_text(yaml.safe_dump([{"candidate": name, **row} for name, row in rows.items()]), encoding="utf-8")
    return path


def measure(folder: Path, questions: Path, *more: str) -> Result:
    where = [
        "--catalogue",
        str(folder / "catalogue.yaml"),
        "--questions",
        str(questions),
        "--into",
        str(folder / "out"),
    ]
    return CliRunner().invoke(app, ["measure", *where, *more])


def refusal(result: Result) -> str:
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def test_two_models_and_four_questions_become_results_that_are_collected(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    with LlmServer(scholar).running() as one, LlmServer(sceptic).running() as other:
        catalogue(tmp_path, scholar={"endpoint": one.url}, sceptic={"endpoint": other.url}, silent={})
        done = measure(tmp_path, write(QUESTIONS))

    found = collect([str(tmp_path / "out")])
    tasks = {row["prompt_id"]: row["task"] for row in found.prompts.to_pylist()}
    scores = {(row["candidate"], tasks[row["prompt_id"]]): row["score"] for row in found.scores.to_pylist()}

    assert done.exit_code == 0, done.output
    assert found.rejects.num_rows == 0
    assert scores == {
        ("scholar", "sky"): 1.0,
        ("scholar", "calendar"): 1.0,
        ("scholar", "places"): 1.0,
        ("scholar", "history"): 1.0,
        ("sceptic", "sky"): 0.0,
        ("sceptic", "calendar"): 1.0,
        ("sceptic", "places"): 0.0,
        ("sceptic", "history"): 0.0,
    }
    assert "silent has no endpoint in the catalogue and is left out" in done.stderr
    assert f"modelsat run {tmp_path / 'out'}" in done.stdout


def test_who_cannot_be_asked_stops_nobody_else_and_the_next_run_asks_the_rest(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    questions = write(QUESTIONS)
    with LlmServer(scholar).running() as one, LlmServer(sceptic).running() as late:
        address, late.fault = late.url, lambda *_: (404, {})
        catalogue(tmp_path, away={"endpoint": address}, scholar={"endpoint": one.url})

        first = measure(tmp_path, questions)
        asked_before = len(one.asked)
        late.fault = lambda *_: None
        second = measure(tmp_path, questions)

        assert isinstance(first.exception, ServiceError)
        assert "1 of 2 candidates were not asked to the end (away)" in str(first.exception)
        assert (second.exit_code, len(one.asked), asked_before) == (0, 4, 4)
    assert {row["candidate"] for row in collect([str(tmp_path / "out")]).scores.to_pylist()} == {"away", "scholar"}


def test_cost_is_told_before_and_a_budget_that_would_run_dry_is_refused(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    with LlmServer(scholar).running() as server:
        priced = {"endpoint": server.url, "price_in": 1.0, "price_out": 10.0}
        catalogue(tmp_path, a=priced, b=priced)

        told = measure(tmp_path, write(QUESTIONS), "--dry-run", "--json")
        refused = measure(tmp_path, write(QUESTIONS), "--budget-usd", "0.01")
        assert server.asked == []

    plans = json.loads(told.stdout)
    both = sum(plan["estimate"]["usd"] for plan in plans.values())
    assert set(plans) == {"a", "b"}
    assert f"cost about {both:.4f} USD, more than the budget of 0.01" in refusal(refused)


def test_advice_on_a_short_budget_can_be_followed_as_it_stands(tmp_path: Path, write: Callable[..., Path]) -> None:
    with LlmServer(scholar).running() as server:
        priced = {"endpoint": server.url, "price_in": 1.0, "price_out": 10.0}
        catalogue(tmp_path, a=priced, b=priced)
        short = ("--budget-usd", "0.01", "--dry-run")
        advice = re.search(r"ask fewer \((--\S+ \d+)\)", refusal(measure(tmp_path, write(QUESTIONS), *short)))

        assert advice is not None
        assert measure(tmp_path, write(QUESTIONS), *short, *advice[1].split()).exit_code == 0


def test_broken_row_of_the_catalogue_stops_nobody_else_and_is_named_at_the_end(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    with LlmServer(scholar).running() as server:
        catalogue(tmp_path, broken={"endpoint": server.url, "price_in": -1.0}, whole={"endpoint": server.url})
        done = measure(tmp_path, write(QUESTIONS))

        assert len(server.asked) == len(QUESTIONS)
    assert "row 1 of catalogue" in done.stderr
    assert "1 row or file of catalogue" in refusal(done)
    assert set(collect([str(tmp_path / "out")]).scores["candidate"].to_pylist()) == {"whole"}


def test_dry_run_needs_no_key_of_candidates_or_judge(
    tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_JUDGE_API_KEY", raising=False)
    keyed = {"endpoint": "http://127.0.0.1:9/v1", "api_key_env": "TEST_JUDGE_API_KEY"}
    catalogue(tmp_path, guide=keyed, judge=keyed)
    questions = write([{"question": "Tell me of Peru.", "answer": "names Lima", "scorer": "judge"}])

    assert measure(tmp_path, questions, "--judge", "judge", "--dry-run").exit_code == 0
    assert "TEST_JUDGE_API_KEY is not set" in refusal(measure(tmp_path, questions, "--judge", "judge"))


def test_budget_is_that_of_all_candidates_together(tmp_path: Path, write: Callable[..., Path]) -> None:
    with LlmServer(scholar).running() as server:
        catalogue(tmp_path, a={"endpoint": server.url, "price_in": 1.0, "price_out": 10.0}, b={"endpoint": server.url})

        assert "'b' has none; add price_in and price_out" in refusal(
            measure(tmp_path, write(QUESTIONS), "--budget-usd", "9")
        )


def fond_of_lima(text: str) -> str:
    """Judge an answer right where it speaks of Lima."""
    return "Answer: A" if "Lima" in text.partition("<answer>")[2].partition("</answer>")[0] else "Answer: B"


def test_judge_scores_what_has_no_short_answer_and_is_itself_held_against_people(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    rows = [{"question": f"Tell me of Peru, part {i}.", "answer": "names Lima", "scorer": "judge"} for i in range(3)]
    replies = {"0": "Lima is large.", "1": "The Andes are high.", "2": "In Lima it never rains."}
    labels = [
        {"question": "Peru?", "answer": "names Lima", "reply": reply, "right": right}
        for reply, right in (("Lima", 1), ("Cusco", 0), ("Lima!", 0), ("Arequipa", 0))
    ]
    with (
        LlmServer(lambda text: replies[text[-2]]).running() as guide,
        LlmServer(fond_of_lima).running() as judge,
    ):
        priced = {"endpoint": judge.url, "price_in": 1.0, "price_out": 1.0}
        catalogue(tmp_path, guide={"endpoint": guide.url}, judge=priced)
        without = measure(tmp_path, write(rows))
        files = write(rows), write(labels, "labels.jsonl")
        done = measure(tmp_path, files[0], "--judge", "judge", "--labels", str(files[1]), "--json")

    assert "name the model that judges them (--judge)" in refusal(without)
    found = collect([str(tmp_path / "out")])
    parts = {row["prompt_id"]: row["prompt"][-2] for row in found.prompts.to_pylist()}
    assert {parts[row["prompt_id"]]: row["score"] for row in found.scores.to_pylist()} == {"0": 1.0, "1": 0.0, "2": 1.0}
    told = json.loads(done.stdout)
    assert told["candidates"]["guide"]["judge"] == "judge"
    assert told["candidates"]["guide"]["judge_usd"] > 0
    # Three of four alike: chance is 1/2 x 1/4 + 1/2 x 3/4 = 1/2, so kappa is (3/4 - 1/2) / (1 - 1/2).
    assert (told["judge"]["share"], told["judge"]["kappa"]) == (0.75, 0.5)


def test_silent_judge_costs_the_answer_that_was_paid_and_is_named(tmp_path: Path, write: Callable[..., Path]) -> None:
    rows = [{"question": f"Tell me of Peru, part {i}.", "answer": "names Lima", "scorer": "judge"} for i in range(6)]
    with LlmServer(lambda _: "Lima.").running() as guide, LlmServer(lambda _: "Hm.\nWell.").running() as judge:
        catalogue(tmp_path, guide={"endpoint": guide.url}, judge={"endpoint": judge.url})
        done = measure(tmp_path, write(rows), "--judge", "judge", "--json", "--concurrency", "1")

    fault = json.loads(done.stdout)["candidates"]["guide"]["fault"]
    assert (
        "5 of 6 questions got no answer (the last one was answered, but the judge 'judge' said neither A nor B)"
        in fault
    )
    assert len(judge.asked) == 2 * len(guide.asked)


def test_a_few_answers_without_a_verdict_are_left_out_with_the_reason(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    rows = [{"question": f"Tell me of Peru, part {i}.", "answer": "names Lima", "scorer": "judge"} for i in range(2)]
    moody = LlmServer(lambda text: "Answer: A" if "part 0" in text else "Hm.\nWell.")
    with LlmServer(lambda _: "Lima.").running() as guide, moody.running() as judge:
        catalogue(tmp_path, guide={"endpoint": guide.url}, judge={"endpoint": judge.url})
        done = measure(tmp_path, write(rows), "--judge", "judge")

    assert done.exit_code == 0, done.output
    reason = "the last one was answered, but the judge 'judge' said neither A nor B"
    assert f"1 without an answer, which are left out ({reason})" in done.stdout


def test_everything_answered_is_never_asked_again_whatever_the_budget(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    questions = write(QUESTIONS)
    with LlmServer(scholar).running() as server:
        catalogue(tmp_path, a={"endpoint": server.url, "price_in": 1.0, "price_out": 10.0})
        first = measure(tmp_path, questions, "--budget-usd", "1")
        again = measure(tmp_path, questions, "--budget-usd", "0.000001")

        assert (first.exit_code, again.exit_code, len(server.asked)) == (0, 0, 4)


def test_changed_options_are_other_questions(write: Callable[..., Path]) -> None:
    row = {"id": "q1", "question": "Which of these stars is the brightest in the night sky?", "answer": "A"}
    one = own_questions.read(str(write([{**row, "choices": ["Sirius", "Vega"]}])))
    other = own_questions.read(str(write([{**row, "choices": ["Vega", "Sirius"]}])))

    assert one.aptitude_test["version"][0] != other.aptitude_test["version"][0]


def test_agreement_is_none_beyond_chance_where_one_of_them_knows_one_verdict() -> None:
    found = agreement_of([True] * 10, [True] * 9 + [False])

    assert (found.share, found.kappa) == (0.9, pytest.approx(0.0))
    # Wilson's interval of 9 of 10.
    assert (round(found.low, 3), round(found.high, 3)) == (0.596, 0.982)


def test_judge_that_says_neither_right_nor_wrong_is_named() -> None:
    with LlmServer(lambda _: "It depends.\nReally.").running() as server:
        judge = JudgeModel("j", ChatEndpoint(server.url, "j", ""), AskingSettings(), Prices(None, None))

        with pytest.raises(ServiceError, match="the judge 'j' said neither A nor B"):
            asyncio.run(agreement(judge, [LabelledAnswer("Q?", "A", "B", True)]))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            {"text": "Q?", "answer": "x"},
            r"has no column with the question's text; name it prompt or question \(its columns are 'text', 'answer'\)",
        ),
        (
            {"question": "Q?", "solution": "x"},
            "no column with the right answer; name it answer or gold or gold_answer or reference",
        ),
    ],
)
def test_questions_without_a_column_that_is_needed_are_told_every_name_that_it_may_have(
    row: dict[str, Any], sentence: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=sentence):
        own_questions.read(str(write([row])))


def test_labels_without_a_column_are_told_its_name(write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"no column with the reply that was judged; name it reply"):
        own_questions.read_labels(str(write([{"question": "Q?", "gold": "x", "right": 1}])))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"question": "Q?", "answer": ""}, "row 1 of .* has no answer"),
        ({"question": " ", "answer": "x"}, "row 1 of .*: a prompt needs a benchmark, a text"),
        ({"question": "Q?", "answer": "x", "scorer": "number"}, "answer is 'x', which is no number"),
        ({"question": "Q?", "answer": "(", "scorer": "regex"}, r"answer is '\(', which is no regular expression"),
        ({"question": "Q?", "answer": "x", "scorer": "vibes"}, "scorer is 'vibes'; use one of exact, judge"),
        ({"question": "Q?", "choices": ["a", "b"], "answer": "C"}, "answer is 'C', which is none of its 2 options"),
    ],
)
def test_question_that_cannot_be_put_or_scored_is_named_by_file_and_row(
    row: dict[str, Any], sentence: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=sentence):
        own_questions.read(str(write([row])))


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ({}, {}, "row 3 of '.*questions.jsonl' asks the same as row 1 of '.*questions.jsonl'; keep one of them"),
        ({"id": "q7"}, {"id": "q7"}, "row 3 of .* has the same id as row 1 of .* \\('q7'\\); give each question an id"),
    ],
)
def test_a_question_that_is_there_twice_is_named_by_both_rows(
    first: dict[str, str], second: dict[str, str], sentence: str, write: Callable[..., Path]
) -> None:
    between = {**QUESTIONS[1], **({"id": "q8"} if first else {})}

    with pytest.raises(InputError, match=sentence):
        own_questions.read(str(write([{**QUESTIONS[2], **first}, between, {**QUESTIONS[2], **second}])))


def test_scorer_is_told_from_options_and_answer(write: Callable[..., Path]) -> None:
    test = own_questions.read(str(write(QUESTIONS))).aptitude_test

    assert test["scorer"].to_pylist() == ["letter", "number", "exact", "regex"]
    assert test["answer"].to_pylist() == ["B", "30", "Lima", "(8 May )?1945"]
    assert set(test["benchmark"].to_pylist()) == {"questions"}


def test_files_and_commands_of_the_page_work_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "own-questions.md").read_text(encoding="utf-8")
    rows, questions = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("yaml", "json"))
    (tmp_path / "questions.jsonl").write_text(questions, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LARGE_API_KEY", "open-sesame")
    with LlmServer(scholar).running() as server:
        (tmp_path / "catalogue.yaml").write_text(re.sub("endpoint: .*", f"endpoint: {server.url}", rows))
        calls = re.findall(r"^\.venv/bin/modelsat (measure .*)$", page, re.MULTILINE)
        done = [CliRunner().invoke(app, shlex.split(call)) for call in calls]

    assert [run.exit_code for run in done] == [0, 0], [run.output for run in done]
    assert {row["candidate"] for row in collect(["measured"]).scores.to_pylist()} == {"small", "coder", "large"}
