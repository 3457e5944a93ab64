"""Every verb that reads prints JSON on stdout where programs ask for it, and nothing else there."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_command_line import VERBS, WRITES
from typer.testing import CliRunner

from modelsat.bundle.bundle import Bundle
from modelsat.cli import app
from modelsat.data import collection, sample
from modelsat.data.sample.candidates import CANDIDATES

PROMPT = "What is 2 plus 2?"


@dataclass(frozen=True)
class Place:
    """What verbs read: benchmark results, what was collected from them, a bundle, a catalogue."""

    root: Path

    def __truediv__(self, name: str) -> str:
        return str(self.root / name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Bundle]) -> Place:
    root = tmp_path_factory.mktemp("place")
    sample.write(root / "results", prompts=400)
    collection.collect([str(root / "results")]).write(root / "collected")
    test = {
        **{"version": "by-hand", "task": "sums", "category": "sums", "keywords": ["plus"] * 5, "position": 0},
        **{"prompt_id": "q0", "stem_digest": "0" * 64, "text": PROMPT, "benchmark": "sums", "choices": None},
        **{"answer": "4", "scorer": "number"},
    }
    names = [candidate.name for candidate in CANDIDATES]
    make_bundle(dict.fromkeys(names, 0.5), dict.fromkeys(names, 1.0), aptitude_test=[test]).write(root / "bundle")
    rows = [{"candidate": "new", "endpoint": "http://127.0.0.1:9/v1", "price_in": 1, "price_out": 1}]
    (root / "catalogue.yaml").write_text(json.dumps(rows), encoding="utf-8")
    (root / "prompts.jsonl").write_text(f"{json.dumps(PROMPT)}\n" * 2, encoding="utf-8")
    (root / "feedback").mkdir()
    return Place(root)


COMMANDS: dict[str, Callable[[Place], list[str]]] = {
    "status": lambda at: ["--folder", at / "nothing"],
    "collect": lambda at: [at / "results", "--into", at / "again"],
    "validate": lambda at: [at / "collected"],
    "instruct": lambda at: [at / "collected", "--into", at / "instructions"],
    "evaluate": lambda at: ["--router", at / "bundle", "--scores", at / "results", "--cache", at / "cache"],
    "route": lambda at: [PROMPT, "--bundle", at / "bundle"],
    "explain": lambda at: [PROMPT, "--bundle", at / "bundle"],
    "reconcile": lambda at: ["--champions", at / "none", "--mlflow-tracking-uri", f"sqlite:///{at / 'mlflow.db'}"],
    "catalogue check": lambda at: [at / "catalogue.yaml"],
    "catalogue show": lambda at: [at / "catalogue.yaml"],
    "ask": lambda at: [
        *("--bundle", at / "bundle", "--catalogue", at / "catalogue.yaml", "--candidate", "new"),
        *("--into", at / "asked", "--dry-run"),
    ],
}
ELSEWHERE = {
    "champions": "tests/e2e/test_champions_verbs.py, which promotes some",
    "measure": "tests/unit/test_measuring.py, which puts questions to servers",
    "prove": "tests/e2e/test_prove_verb.py, which makes a log",
    "releases": "tests/e2e/test_releases_verb.py, which announces some",
    "feedback check": "tests/unit/test_feedback_reader.py, which makes a log",
    "rollback": "needs a champion before the present one; prints as reconcile does",
}


def answer(verb: str, *arguments: str) -> Any:
    value = ["--json", "-"] if verb == "evaluate" else ["--json"]
    done = CliRunner().invoke(app, [*verb.split(), *arguments, *value], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_every_verb_that_reads_is_tried() -> None:
    assert set(COMMANDS) | set(ELSEWHERE) == set(VERBS) - WRITES


@pytest.mark.parametrize("verb", COMMANDS)
def test_verb_prints_json_and_nothing_else(verb: str, place: Place) -> None:
    assert json.loads(answer(verb, *COMMANDS[verb](place)))


def test_batch_is_a_line_of_json_for_each_prompt(place: Place) -> None:
    lines = answer("route", "--prompts", place / "prompts.jsonl", "--bundle", place / "bundle").splitlines()

    fields = ["expected_cost_usd", "foreign", "model", "success_probability"]
    assert [sorted(json.loads(line)) for line in lines] == 2 * [fields]


def test_status_names_no_champion_where_there_is_none(place: Place) -> None:
    assert json.loads(answer("status", "--folder", place / "nothing")) == {"services": [], "champion": None}


def test_plan_says_what_asking_would_cost(place: Place) -> None:
    plan = json.loads(answer("ask", *COMMANDS["ask"](place)))

    assert (plan["candidate"], plan["questions"], plan["answered"]) == ("new", 1, 0)
    assert plan["estimate"]["usd_most"] > 0
