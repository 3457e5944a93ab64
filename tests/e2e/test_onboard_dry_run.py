"""`modelsat onboard --dry-run` and `--remove` of a name that is not there, as a model owner types them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from llm_server import LlmServer
from typer.testing import CliRunner, Result

from modelsat.bundle import champions
from modelsat.bundle.bundle import Bundle
from modelsat.cli import app
from modelsat.errors import InputError


def modelsat(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["onboard", *arguments, "--folder", str(folder)])


def question(i: int) -> dict[str, object]:
    return {
        "version": "v1",
        "task": "sums",
        "category": "sums/plus",
        "keywords": [],
        "position": i,
        "prompt_id": f"q{i}",
        "stem_digest": f"{i}",
        "text": f"What is {i} plus {i}?",
        "answer": str(2 * i),
        "scorer": "number",
    }


@pytest.fixture
def folder(make_bundle: Callable[..., Bundle], tmp_path: Path) -> Path:
    """A folder of `modelsat run` whose champion routes between two candidates."""
    test = [question(i) for i in range(50)]
    made = make_bundle({"qwen-72b": 0.5, "llama-8b": 0.4}, aptitude_test=test).write(tmp_path / "bundles" / "first")
    champions.promote(
        str(tmp_path / "champions"), str(tmp_path / "bundles" / "first"), made.digest, "router/1", "run", "promoted", 0
    )
    return tmp_path


def before(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_dry_run_prints_questions_and_cost_and_neither_calls_nor_writes(folder: Path) -> None:
    with LlmServer(lambda _: "Answer: 1").running() as server:
        (folder / "catalogue.yaml").write_text(
            f"- {{candidate: new, endpoint: {server.url!r}, price_in: 0, price_out: 10, api_key_env: UNSET_API_KEY}}"
        )
        held = before(folder)
        done = modelsat(folder, "new", "--catalogue", str(folder / "catalogue.yaml"), "--dry-run")
        as_json = modelsat(folder, "new", "--catalogue", str(folder / "catalogue.yaml"), "--dry-run", "--json")

    # Fifty answers of 200 tokens, at most 1,024, at 10 USD per million tokens.
    assert done.stdout.startswith("new: 50 of 50 questions to ask; about ")
    assert "about 0.1000 USD, at most 0.5120 USD; UNSET_API_KEY, which holds the key, is not set\n" in done.stdout
    told = json.loads(as_json.stdout)
    assert (told["questions"], told["usd"], told["usd_most"]) == (50, pytest.approx(0.1), pytest.approx(0.512))
    assert told["unset_variable"] == "UNSET_API_KEY"
    assert server.asked == []
    assert before(folder) == held


def test_dry_run_of_a_row_without_an_endpoint_says_that_nobody_can_be_asked(folder: Path) -> None:
    (folder / "catalogue.yaml").write_text("- {candidate: new, price_in: 0, price_out: 10}")
    done = modelsat(folder, "new", "--catalogue", str(folder / "catalogue.yaml"), "--dry-run")

    assert done.stdout.endswith("at most 0.5120 USD; nobody can be asked before its row has an endpoint\n")


def test_dry_run_of_known_results_asks_no_question(folder: Path) -> None:
    done = modelsat(folder, "new", "--scores", str(folder), "--dry-run")

    assert done.stdout == "add new at the champion of epoch 1; no question is asked\n"


def test_dry_run_of_a_candidate_that_is_in_says_so(folder: Path) -> None:
    assert modelsat(folder, "qwen-72b", "--dry-run").stdout.startswith(
        "nothing to do: candidate 'qwen-72b' is routed to"
    )


def test_name_that_is_not_there_cannot_be_removed_and_similar_ones_are_named(folder: Path) -> None:
    refused = modelsat(folder, "qwen72b", "--remove")

    assert isinstance(refused.exception, InputError)
    assert "no candidate 'qwen72b' is routed to (similar names: qwen-72b), so none can be removed" in str(
        refused.exception
    )
    assert not (folder / "mlflow.json").exists()
