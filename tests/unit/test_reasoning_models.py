"""Models that think before they answer, and refuse what others take, are asked as they want to be."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llm_server import LlmServer
from test_asking import QUESTIONS, QUICK, candidate, question, report, right
from typer.testing import CliRunner

from modelsat.bundle.bundle import Bundle
from modelsat.cli import app
from modelsat.data import catalogue, contracts
from modelsat.errors import InputError, ServiceError
from modelsat.onboarding import asking
from modelsat.onboarding.asking import AskingSettings
from modelsat.onboarding.asking.bill import Prices, Purse


def like_openai(body: dict[str, Any]) -> object:
    """Refuse what OpenAI's reasoning models refuse, in their words."""
    if "max_tokens" in body:
        return {
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "type": "invalid_request_error",
            "param": "max_tokens",
            "code": "unsupported_parameter",
        }
    if body.get("temperature", 1) != 1:
        return {
            "message": "Unsupported value: 'temperature' does not support 0 with this model.",
            "param": "temperature",
        }
    return None


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle({"ada": 0.5}, aptitude_test=[question(i) for i in range(QUESTIONS)])


def test_objection_to_a_field_ends_the_run_at_once_with_the_providers_words_and_what_helps(
    bundle: Bundle, tmp_path: Path
) -> None:
    with (
        LlmServer(right, refuses=like_openai).running() as server,
        pytest.raises(
            InputError, match=r"'temperature' does not support 0 with this model\.”; leave the field out with"
        ),
    ):
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))

    # The first request with max_tokens, and the same one with the name that was asked for.
    assert len(server.asked) == 2


def test_limit_goes_by_its_new_name_where_the_provider_asks_for_it(bundle: Bundle, tmp_path: Path) -> None:
    settings = replace(QUICK, concurrency=1, max_tokens=700, body={"temperature": None})
    with LlmServer(right, refuses=like_openai).running() as server:
        folder = asking.ask(bundle, candidate(server), tmp_path / "bob", settings)

    assert report(folder)["accuracy"] == 1.0
    limits = [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in server.bodies]
    assert limits == [(700, None)] + [(None, 700)] * QUESTIONS


def test_row_says_how_its_model_has_to_be_asked(bundle: Bundle, tmp_path: Path) -> None:
    body = json.dumps({"max_completion_tokens": 5000, "temperature": None, "reasoning_effort": "low"})
    with LlmServer(right, refuses=like_openai, thinks=3000).running() as server:
        row = candidate(server, request_body=body, request_headers='{"x-title": "ours"}')
        folder = asking.ask(bundle, row, tmp_path / "bob", QUICK)

    assert report(folder)["accuracy"] == 1.0
    assert {headers["x-title"] for headers in server.headers} == {"ours"}
    sent = server.bodies[0]
    assert {name: sent[name] for name in sent if name not in ("model", "messages")} == {
        "max_completion_tokens": 5000,
        "reasoning_effort": "low",
    }


def test_option_goes_before_the_row_and_the_row_before_the_default() -> None:
    row = {"max_tokens": 2000, "timeout_seconds": 30.0, "request_body": '{"reasoning_effort": "low", "seed": 1}'}

    by_row = AskingSettings().for_candidate(row)
    by_option = AskingSettings(
        max_tokens=9, timeout_seconds=2.0, reasoning_effort="high", body={"seed": 2}
    ).for_candidate(row)

    assert (by_row.longest_answer, by_row.seconds) == (2000, 30.0)
    assert by_row.fields() == {"temperature": 0, "max_tokens": 2000, "reasoning_effort": "low", "seed": 1}
    assert (by_option.longest_answer, by_option.seconds) == (9, 2.0)
    assert by_option.fields() == {"temperature": 0, "max_tokens": 9, "reasoning_effort": "high", "seed": 2}


def test_model_that_thinks_has_room_and_time_for_it(bundle: Bundle, tmp_path: Path) -> None:
    plain, thinking = AskingSettings().for_candidate({}), AskingSettings().for_candidate({"reasoning": True})

    assert (plain.longest_answer, plain.seconds) == (1024, 120.0)
    assert (thinking.longest_answer, thinking.seconds) == (16_384, 600.0)
    with LlmServer(right, thinks=9000).running() as server:
        folder = asking.ask(bundle, candidate(server, reasoning=True), tmp_path / "bob", QUICK)
    assert report(folder)["unreadable"] == 0


def test_answers_that_are_all_cut_off_stop_the_run_early_and_name_the_option(bundle: Bundle, tmp_path: Path) -> None:
    with (
        LlmServer(right, thinks=2000).running() as server,
        pytest.raises(InputError, match=r"the first 8 answers were cut off .*raise max_tokens .*--max-tokens"),
    ):
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))

    assert len(server.asked) == 8


def test_run_with_other_fields_is_another_run_and_needs_no_file_removed(bundle: Bundle, tmp_path: Path) -> None:
    row = {"candidate": "bob"}

    assert asking.request_mark(row, AskingSettings()) == ""
    assert asking.request_mark(row, AskingSettings(timeout_seconds=5)) == ""
    assert asking.request_mark(row, AskingSettings(max_tokens=4096)) != ""
    assert asking.request_mark(row | {"max_tokens": 4096}, AskingSettings()) == asking.request_mark(
        row, AskingSettings(max_tokens=4096)
    )


def test_budget_holds_against_the_longest_answer_that_the_request_allows() -> None:
    settings = AskingSettings(budget_usd=1, body={"max_tokens": None, "max_completion_tokens": 50_000})

    # 50,000 tokens at 10 USD per million, and a question of a few.
    assert Purse(settings, Prices(0.0, 10.0)).worst(question(1)) == pytest.approx(0.5)


def test_refusals_of_single_questions_are_left_out_with_the_providers_words(bundle: Bundle, tmp_path: Path) -> None:
    def filtered(body: dict[str, Any]) -> object:
        return {"message": "The content was filtered.", "code": "content_filter"}

    with (
        LlmServer(right, refuses=filtered).running() as server,
        pytest.raises(ServiceError, match=r"the last one refused with status 400: “The content was filtered\.”"),
    ):
        asking.ask(bundle, candidate(server), tmp_path / "bob", replace(QUICK, concurrency=1))


@pytest.mark.parametrize("body", [{"messages": []}, {"stream": True}])
def test_fields_that_would_change_the_question_or_the_answer_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="leave"):
        AskingSettings(body=body)


@pytest.mark.parametrize("ending", ["yaml", "csv"])
def test_catalogue_holds_how_a_model_is_asked(tmp_path: Path, ending: str) -> None:
    told = {
        "yaml": "- {candidate: bob, max_tokens: 9000, timeout_seconds: 300, request_body: {reasoning_effort: low}}",
        "csv": 'candidate,max_tokens,timeout_seconds,request_body\nbob,9000,300,"{""reasoning_effort"": ""low""}"\n',
    }
    (tmp_path / f"catalogue.{ending}").write_text(told[ending], encoding="utf-8")

    row = catalogue.row(str(tmp_path / f"catalogue.{ending}"), "bob")

    assert (row["max_tokens"], row["timeout_seconds"]) == (9000, 300.0)
    assert json.loads(row["request_body"]) == {"reasoning_effort": "low"}


@pytest.mark.parametrize(
    "cell",
    ["request_body: [1]", "request_body: '{'", "request_body: {messages: [1]}", "max_tokens: 0", "timeout_seconds: -1"],
)
def test_row_that_cannot_be_asked_so_is_named(tmp_path: Path, cell: str) -> None:
    (tmp_path / "catalogue.yaml").write_text(f"- {{candidate: bob, {cell}}}", encoding="utf-8")

    with pytest.raises(InputError, match=rf"'bob' is not readable \({cell.split(':')[0]}: "):
        catalogue.row(str(tmp_path / "catalogue.yaml"), "bob")


def test_files_of_candidates_without_these_fields_stay_as_they_were(tmp_path: Path) -> None:
    table = contracts.from_rows([{"candidate": "bob"}], contracts.CANDIDATES)
    contracts.write(table, tmp_path / "a.parquet", contracts.CANDIDATES)

    import pyarrow.parquet as pq

    assert not {"request_body", "max_tokens", "timeout_seconds"} & set(pq.read_schema(tmp_path / "a.parquet").names)
    assert contracts.read(tmp_path / "a.parquet", contracts.CANDIDATES) == table


def test_command_line_asks_with_the_fields_that_are_given(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    make_bundle({"ada": 0.5}, aptitude_test=[question(i) for i in range(6)]).write(tmp_path / "bundle")
    with LlmServer(right, refuses=like_openai).running() as server:
        row = f"- {{candidate: bob, endpoint: {server.url!r}}}"
        (tmp_path / "catalogue.yaml").write_text(row, encoding="utf-8")
        command = ["ask", "--bundle", str(tmp_path / "bundle"), "--catalogue", str(tmp_path / "catalogue.yaml")]
        fields = '{"max_completion_tokens": 800, "temperature": 1}'
        done = CliRunner().invoke(
            app,
            [
                *command,
                "--candidate",
                "bob",
                "--into",
                str(tmp_path / "bob"),
                "--body",
                fields,
                "--reasoning-effort",
                "low",
            ],
        )

    assert done.exit_code == 0, done.output
    assert (server.bodies[0]["max_completion_tokens"], server.bodies[0]["reasoning_effort"]) == (800, "low")
