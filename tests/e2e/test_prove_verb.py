"""`modelsat prove` on a file of requests: a table, a sentence, a page, and a router that serves what was judged."""

import csv
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from modelsat.bundle import bundle, default_choice
from modelsat.cli import app
from modelsat.offpolicy import deployed, policies, proof, readers, requests
from modelsat.offpolicy.proof import Proof
from modelsat.policy import costs
from modelsat.text import embeddings

N = 500


class Tried(NamedTuple):
    """What the command left."""

    folder: Path
    log: Path
    result: Result


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["prove", *arguments])


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """Sums and spellings, each drawn to one of two specialists or to a dear model that is right six times in ten."""
    folder, rng = tmp_path_factory.mktemp("prove"), np.random.default_rng(0)
    names, chance = ("adder", "speller", "allround"), (0.25, 0.25, 0.5)
    with (folder / "requests.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["at", "prompt", "model", "outcome", "cost_usd", "propensity"])
        for i in range(N):
            kind, model = rng.integers(2), rng.choice(3, p=chance)
            text = f"What is {i} plus {i % 7}?" if kind == 0 else f"Spell the word 'w{i}rd' backwards."
            right = rng.random() < (0.6 if model == 2 else 0.95 if model == kind else 0.05)
            at = f"2026-10-{1 + i // 24:02d}T{i % 24:02d}:00:00Z"
            writer.writerow([at, text, names[model], int(right), 0.01 if model == 2 else 0.001, chance[model]])
        writer.writerow(["2026-10-30T00:00:00Z", "What is 1 plus 1?", "adder", "perhaps", 0.001, 0.25])
    (folder / "catalogue.yaml").write_text(json.dumps([{"candidate": name} for name in names]))
    log = folder / "requests.csv"
    into, cache = str(folder / "proved"), str(folder / "cache")
    result = invoke(str(log), "--catalogue", str(folder / "catalogue.yaml"), "--into", into, "--cache", cache)
    return Tried(folder / "proved", log, result)


def test_it_prints_a_table_a_sentence_and_the_three_commands(tried: Tried) -> None:
    out = tried.result.stdout
    assert tried.result.exit_code == 0, tried.result.output
    assert "as it was" in out
    assert "On 250 requests of 2026-10-11 to 2026-10-21, routing with " in out
    assert f"modelsat serve --bundle {tried.folder / 'bundle'}" in out
    assert "modelsat gateway --upstreams " in out
    assert f"modelsat prove {tried.folder / 'feedback'}" in out


def test_the_commands_are_ones_that_the_command_line_takes(tried: Tried) -> None:
    root: Any = get_command(app)
    commands = json.loads((tried.folder / "prove.json").read_text())["commands"]
    for command in commands:
        _, verb, *arguments = shlex.split(command)
        assert root.commands[verb].make_context(verb, arguments).params
    assert len(commands) == 3


def test_a_row_that_cannot_be_read_is_named_on_stderr_and_on_the_page(tried: Tried) -> None:
    said = f"{tried.log} row {N + 2}: outcome: 'perhaps' is no outcome"
    assert said in tried.result.stderr
    assert "&#39;perhaps&#39; is no outcome" in (tried.folder / "prove.html").read_text()


def test_the_page_needs_no_other_host_and_holds_no_prompt(tried: Tried) -> None:
    page = (tried.folder / "prove.html").read_text()
    assert "Put it to work" in page
    assert "prefers-color-scheme: dark" in page
    assert not re.findall(r"<script|<link|@import|src=|url\((?!#)|href=\"(?!#)", page)
    assert "Spell the word" not in page
    assert "Spell the word" not in (tried.folder / "prove.json").read_text()


class Proven(NamedTuple):
    """What the log proves, computed as the command does, and the later prompts with their vectors."""

    proof: Proof
    texts: np.ndarray
    vectors: np.ndarray


@pytest.fixture(scope="module")
def proven(tried: Tried) -> Proven:
    log = requests.of_rows(readers.read([str(tried.log)]).rows)
    cache = tried.folder.parent / "cache"
    found = proof.prove(log, lambda texts: embeddings.vectors(texts, cache))
    later = log.in_order().prompt[N // 2 :]
    return Proven(found, later, embeddings.vectors(later.tolist(), cache))


def test_the_command_leaves_the_bundle_of_what_it_recommends(tried: Tried, proven: Proven) -> None:
    told = json.loads((tried.folder / "prove.json").read_text())
    kinds = {policies.SINGLE: "constant", policies.KNN: "knn", policies.OURS: "fusion"}
    assert told["recommended"] == proven.proof.recommended
    assert told["recommended"] != policies.SINGLE
    assert bundle.read(tried.folder / "bundle").router.kind == kinds[told["recommended"]]


@pytest.mark.parametrize("name", [policies.SINGLE, policies.KNN, policies.OURS])
def test_a_bundle_serves_the_choices_that_were_judged(name: str, proven: Proven, tmp_path: Path) -> None:
    policy = next(one for one in proven.proof.policies if one.name == name)
    judged = policies.choices(policy, proven.proof.learned, proven.vectors, proven.texts)
    deployed.bundle(replace(proven.proof, recommended=name)).write(tmp_path / "bundle")

    served = bundle.read(tmp_path / "bundle")
    reading, size = served.reading(proven.texts.tolist()), costs.tokens_in(proven.texts)
    chosen = default_choice.by_default(served, reading.success_probability, size, cost_usd=reading.cost_usd)
    # A vector is encoded in another batch here, and an exact tie may fall the other way.
    assert (chosen == judged).mean() > 0.99
    assert served.promise is not None


def test_json_alone_stands_on_stdout(tried: Tried, tmp_path: Path) -> None:
    arguments = ("--into", str(tmp_path), "--cache", str(tried.folder.parent / "cache"), "--json")
    printed = json.loads(invoke(str(tried.log), *arguments).stdout)
    assert printed == json.loads((tmp_path / "prove.json").read_text())
    assert printed["left_out"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.csv",), "does not exist; name a file or folder of answered requests"),
        (("mlflow:#support",), "write mlflow:http://host:5000#experiment"),
        (("requests.csv", "--ratings", "five"), "'five' is no scale"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert said in str(result.exception)
