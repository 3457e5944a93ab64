"""The aptitude test is put to a candidate over HTTP, and comes back as results that can be collected."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llm_server import DROP, RUBBISH, TRICKLE, LlmServer

from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.data.collection import collect
from modelsat.errors import ConflictError, InputError, ServiceError
from modelsat.onboarding import asking
from modelsat.onboarding.asking import AskingProgress, AskingSettings, pace
from modelsat.onboarding.asking.answers_log import AnswersLog
from modelsat.text import rendering

QUESTIONS = 12
QUICK = AskingSettings(concurrency=3, timeout_seconds=5)


def question(i: int, **changed: object) -> dict[str, object]:
    """Sums of three kinds: with options, open with a number, open with a word."""
    kind = ("letter", "number", "exact")[i % 3]
    stem = f"What is {i} plus {i}, said in the way of question {i}?"
    choices = [str(2 * i), str(2 * i + 1), str(2 * i + 2)] if kind == "letter" else None
    row: dict[str, object] = {
        "version": "apt-by-hand",
        "task": f"sums {kind}",
        "category": f"sums/{kind}",
        "keywords": ["plus"] * 5,
        "position": i,
        "prompt_id": f"q{i:03d}",
        "stem_digest": rendering.stem_digest(stem, choices),
        "text": rendering.render_prompt(stem, choices),
        "benchmark": "sums",
        "choices": choices,
        "answer": {"letter": "A", "number": str(2 * i), "exact": f"Number {2 * i}"}[kind],
        "scorer": kind,
    }
    return row | changed


def right(text: str) -> str:
    """Answer like somebody who can add."""
    twice = 2 * int(text.split()[2])
    answer = "A" if "letter" in text else f"number {twice}." if "nothing else" in text else twice
    return f"Let me think.\n\nAnswer: {answer}"


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    rows = [question(i) for i in range(QUESTIONS)]
    return make_bundle({"ada": 0.5}, aptitude_test=rows, attribution="Licence: by hand")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "FIRST_PAUSE_SECONDS", 0.01)


def candidate(server: LlmServer, **facts: object) -> dict[str, Any]:
    row = {"candidate": "org/bob", "endpoint": server.url, "price_in": 1.0, "price_out": 10.0} | facts
    return dict(contracts.from_rows([row], contracts.CANDIDATES).to_pylist()[0])


def log_lines(folder: Path) -> list[str]:
    return (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()[1:]


def report(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "asked.json").read_text(encoding="utf-8")))


def test_answers_come_back_as_results_that_are_collected(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(lambda text: "I do not know." if "question 1?" in text else right(text)).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    found = collect([str(folder)])

    scores = {row["prompt_id"]: row for row in found.scores.to_pylist()}
    assert found.rejects.num_rows == 0
    assert {name: row["score"] for name, row in scores.items()} == {
        f"q{i:03d}": 0.0 if i == 1 else 1.0 for i in range(QUESTIONS)
    }
    assert {row["harness"] for row in scores.values()} == {"modelsat-ask"}
    assert {(row["benchmark"], row["task"]) for row in scores.values()} == {
        ("sums", "letter"),
        ("sums", "number"),
        ("sums", "exact"),
    }
    assert all(row["latency_seconds"] > 0 for row in scores.values())
    assert found.candidates["candidate"].to_pylist() == ["org/bob"]
    assert found.candidates["price_out"].to_pylist() == [10.0]
    assert found.licences == ("Licence: by hand",)


def test_collected_questions_are_those_of_the_test(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    stems = {row["prompt_id"]: row["stem_digest"] for row in collect([str(folder)]).prompts.to_pylist()}

    assert stems == {str(question(i)["prompt_id"]): question(i)["stem_digest"] for i in range(QUESTIONS)}


def test_unreadable_answer_counts_as_wrong_and_is_told(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(lambda text: "Well,\nthat depends." if "question 2?" in text else right(text)).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    found = collect([str(folder)])

    assert report(folder)["unreadable"] == 1
    assert dict(zip(*(found.scores[c].to_pylist() for c in ("prompt_id", "score")), strict=True))["q002"] == 0.0
    assert [note for note in found.notes if "1 of 12 answers of candidate 'org/bob' could not be read" in note]


def test_cost_is_what_the_endpoint_counted_at_the_prices_of_the_catalogue(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    tokens_in = sum(len(text) // 4 for text in server.asked)
    tokens_out = sum(len(right(text)) // 4 for text in server.asked)
    told = report(folder)
    assert (told["tokens_in"], told["tokens_out"]) == (tokens_in, tokens_out)
    assert told["cost_usd"] == pytest.approx((tokens_in + 10 * tokens_out) / 1e6)


def test_cost_is_unknown_where_nobody_counts_tokens(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right, usage=False).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    assert (report(folder)["cost_usd"], report(folder)["answers_without_cost"]) == (None, QUESTIONS)
    assert collect([str(folder)]).scores["cost_usd"].null_count == QUESTIONS


@pytest.mark.parametrize("fault", [(429, {"Retry-After": "0"}), (500, {}), (503, {}), DROP, RUBBISH, TRICKLE], ids=str)
def test_passing_fault_is_sat_out(bundle: Bundle, tmp_path: Path, fault: tuple[int, dict[str, str]] | str) -> None:
    seen: list[str] = []

    def first_time(number: int, text: str) -> tuple[int, dict[str, str]] | str | None:
        is_new = text not in seen
        seen.append(text)
        return fault if is_new and number % 4 == 0 else None

    with LlmServer(right, first_time).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, timeout_seconds=0.5))

    assert report(folder)["accuracy"] == 1.0
    assert QUESTIONS < len(server.asked) <= 2 * QUESTIONS


def test_endpoint_is_given_the_time_that_it_asks_for(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right, lambda number, _: (429, {"Retry-After": "1"}) if number == 0 else None).running() as server:
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))

    first, second = server.started[:2]
    assert second - first >= 0.99


def test_pause_that_is_too_long_ends_the_run_with_what_is_known(bundle: Bundle, tmp_path: Path) -> None:
    with (
        LlmServer(right, lambda number, _: (429, {"Retry-After": "3600"}) if number > 5 else None).running() as server,
        pytest.raises(ServiceError, match="asks to wait 3600 s; run the same command again then"),
    ):
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))

    assert len(server.asked) == 7
    assert not (tmp_path / "bob").exists()


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, r": “no”; check the key \(api_key_env\)"),
        (403, r": “no”; check the key \(api_key_env\)"),
        (402, ": “no”; check the credit of the account$"),
        (404, r": “no”; check its address \(it mostly ends in /v1\) and the model's name"),
        (302, ": “no”; check its address"),
        (410, ": “no”$"),
    ],
)
def test_refusal_of_everything_ends_the_run_at_once_with_the_advice_that_helps(
    bundle: Bundle, tmp_path: Path, status: int, advice: str
) -> None:
    with (
        LlmServer(right, lambda *_: (status, {})).running() as server,
        pytest.raises(ServiceError, match=f"answers status {status} to model 'org/bob'{advice}"),
    ):
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))

    assert len(server.asked) == 1


def test_question_that_the_endpoint_refuses_is_missing_and_not_wrong(bundle: Bundle, tmp_path: Path) -> None:
    refuse = LlmServer(right, lambda _, text: (400, {}) if "question 4?" in text else None)
    with refuse.running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    assert len(server.asked) == QUESTIONS
    assert report(folder)["without_answer"] == 1
    assert "q004" not in collect([str(folder)]).scores["prompt_id"].to_pylist()


def test_endpoint_that_refuses_most_questions_yields_no_results(bundle: Bundle, tmp_path: Path) -> None:
    with (
        LlmServer(right, lambda *_: (400, {})).running() as server,
        pytest.raises(ServiceError, match=r"5 of 12 questions got no answer .*refused with status 400.*run stops"),
    ):
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))

    assert not (tmp_path / "bob").exists()


def test_tries_end(bundle: Bundle, tmp_path: Path) -> None:
    with (
        LlmServer(right, lambda *_: (500, {})).running() as server,
        pytest.raises(ServiceError, match="failed 2 times, last with status 500"),
    ):
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1, tries=2))

    assert len(server.asked) == 10


def test_no_more_requests_are_in_flight_than_allowed(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right, seconds=0.05).running() as server:
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=4))

    assert server.most_in_flight == 4


def test_requests_keep_their_distance(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, rate=50))

    assert server.started[-1] - server.started[0] >= 0.9 * (QUESTIONS - 1) / 50


def test_run_goes_on_where_it_failed(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right, lambda number, _: (401, {}) if number == 5 else None).running() as server:
        with pytest.raises(ServiceError):
            asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    assert len(server.asked) == QUESTIONS + 1
    assert report(folder)["answered"] == QUESTIONS


def test_torn_last_line_is_as_if_it_had_never_been_written(bundle: Bundle, tmp_path: Path) -> None:
    log = tmp_path / "bob.answers.jsonl"
    with LlmServer(right, lambda number, _: (401, {}) if number == 5 else None).running() as server:
        with pytest.raises(ServiceError):
            asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))
        whole = log.read_bytes()
        log.write_bytes(whole[:-20])
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    assert len(server.asked) == QUESTIONS + 2
    assert report(folder)["answered"] == QUESTIONS
    assert not log.exists()


def test_finished_exam_is_not_paid_for_again_and_can_grow(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        first = replace(QUICK, questions=5)
        for _ in range(2):
            asking.ask(bundle, candidate(server), tmp_path / "bob", first)
        assert len(server.asked) == 5
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    assert len(server.asked) == QUESTIONS
    assert collect([str(folder)]).scores.num_rows == QUESTIONS


def test_fewer_questions_of_a_finished_exam_are_counted_alone(bundle: Bundle, tmp_path: Path) -> None:
    told: list[AskingProgress] = []
    with LlmServer(right).running() as server:
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, questions=4))
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, questions=6), told.append)
        again = asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, questions=3))

    assert [(standing.answered, standing.planned) for standing in told] == [(5, 6), (6, 6)]
    assert told[-1].usd == pytest.approx(sum(json.loads(line)["cost_usd"] for line in log_lines(folder)))
    assert report(again)["answered"] == 3


def test_answers_of_somebody_else_are_not_taken_over(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)
        with pytest.raises(InputError, match=r"answers of another run .*revision None there, '2' here"):
            asking.ask(bundle, candidate(server, revision="2"), tmp_path / "bob", QUICK)

    assert report(tmp_path / "bob")["answered"] == QUESTIONS


def test_budget_ends_the_run_before_it_is_passed(bundle: Bundle, tmp_path: Path) -> None:
    settings = replace(QUICK, budget_usd=0.01, max_tokens=400)
    with LlmServer(lambda text: "word " * 300 + "\n" + right(text)).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", settings)

    told = report(folder)
    assert told["is_over_budget"]
    assert 0 < told["answered"] < QUESTIONS
    assert told["cost_usd"] <= 0.01


def test_budget_without_prices_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with (
        LlmServer(right).running() as server,
        pytest.raises(InputError, match="a budget needs prices; add price_in and price_out"),
    ):
        asking.ask(bundle, candidate(server, price_out=None), tmp_path / "bob", replace(QUICK, budget_usd=1))

    assert server.asked == []


def test_plan_calls_nobody_and_writes_nothing(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        before = asking.plan(bundle, candidate(server), tmp_path / "bob", QUICK)
        assert list(tmp_path.iterdir()) == []
        assert server.asked == []
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, questions=5))
        after = asking.plan(bundle, candidate(server), tmp_path / "bob", QUICK)

    assert (before.questions, before.answered, after.answered) == (QUESTIONS, 0, 5)
    assert before.estimate.usd is not None
    assert before.estimate.usd_most is not None
    assert before.estimate.usd < before.estimate.usd_most
    assert after.estimate.tokens_in < before.estimate.tokens_in


def test_progress_is_told_after_every_answer(bundle: Bundle, tmp_path: Path) -> None:
    told: list[AskingProgress] = []
    with LlmServer(right).running() as server:
        asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK, told.append)

    assert [standing.answered for standing in told] == list(range(1, QUESTIONS + 1))
    assert {standing.planned for standing in told} == {QUESTIONS}
    assert told[-1].usd == pytest.approx(report(tmp_path / "bob")["cost_usd"])


def test_key_is_sent_and_stands_in_no_file(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOB_API_KEY", "secret-of-bob")
    with LlmServer(right).running() as server:
        folder = asking.ask(bundle, candidate(server, api_key_env="BOB_API_KEY"), tmp_path / "bob", QUICK)

    assert set(server.keys) == {"Bearer secret-of-bob"}
    assert not any(b"secret-of-bob" in path.read_bytes() for path in folder.iterdir())


def test_key_that_is_not_set_stops_before_the_first_question(bundle: Bundle, tmp_path: Path) -> None:
    with (
        LlmServer(right).running() as server,
        pytest.raises(InputError, match="environment variable UNSET_API_KEY is not set; it holds the key of"),
    ):
        asking.ask(bundle, candidate(server, api_key_env="UNSET_API_KEY"), tmp_path / "bob", QUICK)

    assert server.asked == []


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "MODELSAT_SIGNING_KEY", "DATABASE_PASSWORD"])
def test_credentials_of_the_machine_are_never_sent_to_an_endpoint(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "secret-of-the-machine")
    with LlmServer(right).running() as server, pytest.raises(InputError, match="api_key_env of candidate 'org/bob': "):
        asking.ask(bundle, candidate(server, api_key_env=variable), tmp_path / "bob", QUICK)

    assert server.asked == []


def test_on_a_cluster_keys_are_the_mounted_files_and_nothing_else(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "BOB_API_KEY").write_text("secret-of-bob\n")
    (tmp_path / "token").write_text("secret-of-the-pod")
    monkeypatch.setenv("MODELSAT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-platform")
    with LlmServer(right).running() as server:
        asking.ask(bundle, candidate(server, api_key_env="BOB_API_KEY"), tmp_path / "bob", QUICK)
        for not_a_key, fault in (
            ("AWS_SECRET_ACCESS_KEY", "variables that begin with AWS_"),
            ("../token", "this is no name of an environment variable"),
            ("EVE_API_KEY", "is not set"),
        ):
            with pytest.raises(InputError, match=fault):
                asking.ask(bundle, candidate(server, api_key_env=not_a_key), tmp_path / "eve", QUICK)

    assert set(server.keys) == {"Bearer secret-of-bob"}


def test_fields_of_the_request_can_be_replaced_and_left_out(bundle: Bundle, tmp_path: Path) -> None:
    settings = replace(QUICK, body={"max_tokens": None, "max_completion_tokens": 99})
    with LlmServer(right).running() as server:
        asking.ask(bundle, candidate(server, served_as="bob-v2"), tmp_path / "bob", settings)

    body = server.bodies[0]
    assert (body["model"], body["temperature"], body["max_completion_tokens"]) == ("bob-v2", 0, 99)
    assert "max_tokens" not in body


def test_test_without_gold_answers_cannot_be_asked(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    rows = [question(i, answer=None, scorer=None) for i in range(3)]
    bundle = make_bundle({"ada": 0.5}, aptitude_test=rows)

    with pytest.raises(InputError, match=r"none of the 3 questions .* has a gold answer and a scorer"):
        asking.ask(bundle, {"candidate": "bob", "endpoint": "http://127.0.0.1:9/v1"}, tmp_path / "bob")


def test_only_questions_with_a_gold_answer_are_asked(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    rows = [question(i) if i % 2 else question(i, answer=None) for i in range(6)]
    bundle = make_bundle({"ada": 0.5}, aptitude_test=rows)
    with LlmServer(right).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    assert sorted(collect([str(folder)]).scores["prompt_id"].to_pylist()) == ["q001", "q003", "q005"]


def test_candidate_without_an_endpoint_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="candidate 'bob' has no endpoint; add one to its catalogue row"):
        asking.ask(bundle, {"candidate": "bob"}, tmp_path / "bob")


def test_two_processes_never_ask_the_same_candidate_at_once(bundle: Bundle, tmp_path: Path) -> None:
    with (
        LlmServer(right).running() as server,
        AnswersLog(tmp_path / "bob.answers.jsonl", {}),
        pytest.raises(ConflictError, match=r"another process writes .*; wait until it has ended"),
    ):
        asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)

    assert server.asked == []


@pytest.mark.slow
def test_kill_at_any_moment_repeats_at_most_what_was_in_flight(bundle: Bundle, tmp_path: Path) -> None:
    kills, concurrency = 4, 2
    bundle.write(tmp_path / "bundle")
    catalogue = tmp_path / "catalogue.yaml"
    with LlmServer(right, seconds=0.05).running() as server:
        catalogue.write_text(f"- {{candidate: bob, endpoint: {server.url!r}}}\n", encoding="utf-8")
        command = [
            *(sys.executable, "-m", "modelsat.cli", "ask", "--bundle", str(tmp_path / "bundle")),
            *("--catalogue", str(catalogue), "--candidate", "bob", "--into", str(tmp_path / "bob")),
            *("--concurrency", str(concurrency)),
        ]
        for kill in range(kills):
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
            until = len(server.asked) + 2
            while len(server.asked) < until and process.poll() is None:
                time.sleep(0.005)
            time.sleep(0.013 * kill)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert not (tmp_path / "bob").exists()
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    assert QUESTIONS <= len(server.asked) <= QUESTIONS + kills * concurrency
    assert report(tmp_path / "bob")["answered"] == QUESTIONS
