"""The verbs `modelsat ask` and `modelsat catalogue`, and what they show."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from llm_server import LlmServer
from test_asking import question, right
from test_importers import MODEL
from typer.testing import CliRunner

from modelsat.bundle.bundle import Bundle
from modelsat.cli import app
from modelsat.errors import ConflictError, InputError
from modelsat.io.progress import StepProgress
from modelsat.onboarding.asking import AskingProgress, Plan, shown_on
from modelsat.onboarding.asking.bill import Estimate
from modelsat.reports import asked

RUNNER = CliRunner()


@pytest.fixture
def bundle_folder(tmp_path: Path, make_bundle: Callable[..., Bundle]) -> Path:
    make_bundle({"ada": 0.5}, aptitude_test=[question(i) for i in range(6)]).write(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_candidate_of_a_catalogue_is_asked_and_the_outcome_shown(bundle_folder: Path, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        row = f"- {{candidate: bob, endpoint: {server.url!r}, price_in: 1, price_out: 10, aliases: [b]}}"
        (tmp_path / "catalogue.yaml").write_text(row, encoding="utf-8")
        command = ["ask", "--bundle", str(bundle_folder), "--catalogue", str(tmp_path / "catalogue.yaml")]
        done = RUNNER.invoke(app, [*command, "--candidate", "b", "--into", str(tmp_path / "bob"), "--questions", "4"])

    assert done.exit_code == 0
    assert "bob: 4 of 4 questions to ask; about" in done.stderr
    assert "asking questions 4/4" in done.stderr
    assert done.stdout.startswith("bob answered 4 of 4 questions for 0.0")
    assert "100.0% of them right" in done.stdout
    assert len(server.asked) == 4


def test_dry_run_shows_the_cost_and_calls_nobody(bundle_folder: Path, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        row = f"- {{candidate: bob, endpoint: {server.url!r}, price_in: 1, price_out: 10, api_key_env: UNSET_API_KEY}}"
        (tmp_path / "catalogue.yaml").write_text(row, encoding="utf-8")
        command = ["ask", "--bundle", str(bundle_folder), "--catalogue", str(tmp_path / "catalogue.yaml"), "--dry-run"]
        done = RUNNER.invoke(app, [*command, "--candidate", "bob", "--into", str(tmp_path / "bob")])

    assert done.exit_code == 0
    # Six answers of at most 1,024 tokens at 10 USD a million are 0.0614 USD.
    assert "at most 0.06" in done.stderr
    assert server.asked == []
    assert not (tmp_path / "bob").exists()


def test_test_is_exported_without_a_candidate(bundle_folder: Path, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["ask", "--bundle", str(bundle_folder), "--export-task", str(tmp_path / "task")])

    assert done.exit_code == 0
    assert (tmp_path / "task" / "modelsat_aptitude.yaml").is_file()


def test_run_without_a_candidate_says_what_is_missing(bundle_folder: Path) -> None:
    with pytest.raises(InputError, match="give --catalogue, --candidate and --into"):
        RUNNER.invoke(app, ["ask", "--bundle", str(bundle_folder)], catch_exceptions=False)


@pytest.mark.parametrize("body", ["{", "[]"])
def test_body_that_is_no_object_is_refused(bundle_folder: Path, tmp_path: Path, body: str) -> None:
    (tmp_path / "catalogue.yaml").write_text("- candidate: bob", encoding="utf-8")
    command = ["ask", "--bundle", str(bundle_folder), "--catalogue", str(tmp_path / "catalogue.yaml")]

    with pytest.raises(InputError, match=r"is not (valid JSON|a JSON object)"):
        RUNNER.invoke(
            app,
            [*command, "--candidate", "bob", "--into", str(tmp_path / "bob"), "--body", body],
            catch_exceptions=False,
        )


def test_model_list_is_imported_checked_and_shown(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(json.dumps({"data": [MODEL, {"id": "org/free"}]}), encoding="utf-8")
    catalogue = str(tmp_path / "catalogue.yaml")

    imported = RUNNER.invoke(app, ["catalogue", "import", str(tmp_path / "models.json"), "--into", catalogue])
    checked = RUNNER.invoke(app, ["catalogue", "check", catalogue])
    shown = RUNNER.invoke(app, ["catalogue", "show", catalogue, "--json"])

    assert imported.stdout == f"wrote 2 candidates to {catalogue}\n"
    assert "without price_in, have no known cost: org/free" in checked.stdout
    assert [row["candidate"] for row in json.loads(shown.stdout)] == ["openai/gpt-4o", "org/free"]


def test_check_names_every_row_that_cannot_be_used(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text("candidate,price_in\nada,-1\nbob,1\neve,free\n", encoding="utf-8")

    done = RUNNER.invoke(app, ["catalogue", "check", str(catalogue)])

    assert isinstance(done.exception, InputError)
    assert [line[:5] for line in done.stderr.splitlines()] == ["row 1", "row 3"]
    assert done.stdout.startswith("1 candidate can be used\n")


def test_import_replaces_a_catalogue_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(json.dumps([MODEL]), encoding="utf-8")
    into = tmp_path / "catalogue.yaml"
    into.write_text("- candidate: ada", encoding="utf-8")
    command = ["catalogue", "import", str(tmp_path / "models.json"), "--into", str(into)]

    with pytest.raises(ConflictError, match="exists already; add --replace"):
        RUNNER.invoke(app, command, catch_exceptions=False)
    assert into.read_text(encoding="utf-8") == "- candidate: ada"

    assert RUNNER.invoke(app, [*command, "--replace"]).exit_code == 0


def test_cost_that_is_not_known_is_not_shown_as_free() -> None:
    plan = Plan(questions=10, answered=4, estimate=Estimate(900, 1200, None, None))

    line = asked.announced("bob", plan)

    assert line == (
        "bob: 6 of 10 questions to ask, 4 answered before; about 900 tokens in, "
        "cost unknown, as the catalogue has no prices"
    )


def test_progress_names_what_went_wrong_and_what_it_cost() -> None:
    lines: list[str] = []

    shown_on(StepProgress("asking questions", lines.append))(
        AskingProgress(90, 100, unreadable=3, without_answer=10, usd=0.25)
    )

    assert lines == ["asking questions 100/100 · 3 not readable · 10 without an answer · 0.2500 USD"]
