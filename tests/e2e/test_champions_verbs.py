"""What an operator types to see who was champion, and to go back without naming addresses that are known."""

import json
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner, Result

from modelsat.bundle import champions
from modelsat.bundle.bundle import Bundle
from modelsat.cli import app
from modelsat.errors import InputError
from pipelines import services, whole_loop

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


def modelsat(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MODELSAT_CHAMPIONS", raising=False)


@pytest.fixture
def folder(make_bundle: Callable[..., Bundle], tmp_path: Path) -> Path:
    """A folder of `modelsat run` with two champions."""
    for epoch in (1, 2):
        where = tmp_path / "bundles" / f"b{epoch}"
        made = make_bundle({"ada": epoch / 10}).write(where)
        champions.promote(
            str(tmp_path / "champions"),
            str(where),
            made.digest,
            f"router/{epoch}",
            f"run{epoch}",
            "promoted",
            epoch - 1,
        )
    return tmp_path


def test_epochs_are_listed_with_model_verdict_time_and_digest(folder: Path) -> None:
    as_json = json.loads(modelsat("champions", "--folder", str(folder), "--json").stdout)
    table = modelsat("champions", "--folder", str(folder)).stdout.splitlines()

    assert [(one["epoch"], one["model"], one["verdict"]) for one in as_json["champions"]] == [
        (1, "router/1", "promoted"),
        (2, "router/2", "promoted"),
    ]
    assert as_json["missing_epochs"] == []
    assert table[0].split() == ["epoch", "model", "verdict", "promoted", "digest"]
    assert table[2].startswith("› 2")
    assert table[2].endswith(as_json["champions"][1]["bundle_digest"][:12])


def test_run_keeps_stdout_for_its_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loop(folder: Path, *_: object) -> dict[str, str]:
        whole_loop.say("Start MLflow    done")
        return {"endpoint": "http://here"}

    monkeypatch.setattr(whole_loop, "run", loop)

    done = modelsat("run", "--folder", str(tmp_path), "--json")

    assert json.loads(done.stdout) == {"endpoint": "http://here"}
    assert done.stderr == "Start MLflow    done\n"


def test_folder_without_champions_says_what_to_do(tmp_path: Path) -> None:
    assert "has no champion yet; next: modelsat run" in modelsat("champions", "--folder", str(tmp_path)).stdout


@pytest.mark.slow
def test_rollback_takes_the_addresses_of_the_folder(folder: Path) -> None:
    try:
        server = services.mlflow(folder).url
        client = mlflow.MlflowClient(server, server)
        client.create_registered_model("router")
        run = client.create_run("0").info
        for _ in (1, 2):
            client.create_model_version("router", f"{run.artifact_uri}/router", run.run_id)

        done = modelsat("rollback", "--folder", str(folder), "--yes", "--json")

        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)["champion"]
        assert (told["epoch"], told["model"], told["verdict"]) == (3, "router/1", "rolled back to epoch 1")
        assert client.get_model_version_by_alias("router", "champion").version == "1"
    finally:
        services.stop(folder)


@pytest.mark.parametrize("server", ["", "http://127.0.0.1:9"])
def test_rollback_of_a_folder_without_a_champion_starts_nothing(tmp_path: Path, server: str) -> None:
    refused = modelsat("rollback", "--folder", str(tmp_path), "--mlflow-tracking-uri", server, "--yes")

    assert isinstance(refused.exception, InputError)
    assert "has no champion yet" in str(refused.exception)
    assert services.running(tmp_path) == []


def test_first_champion_has_none_before_it(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    made = make_bundle({"ada": 0.5}).write(tmp_path / "bundle")
    store = str(tmp_path / "champions")
    champions.promote(store, str(tmp_path / "bundle"), made.digest, "router/1", "run1", "promoted", 0)

    refused = modelsat("rollback", "--champions", store, "--mlflow-tracking-uri", "http://127.0.0.1:9", "--yes")

    assert isinstance(refused.exception, InputError)
    assert "one champion alone; there is none before it" in str(refused.exception)


def test_rollback_says_from_which_champion_to_which_before_it_asks(folder: Path) -> None:
    declined = CliRunner().invoke(app, ["rollback", "--folder", str(folder)], input="n\n")

    assert "Return from epoch 2 (router/2) to epoch 1 (router/1)? [y/N]" in declined.output
    assert declined.exit_code == 1
    assert services.running(folder) == []


def test_rollback_to_nobody_asks_nothing(folder: Path, tmp_path: Path) -> None:
    for words in (["--folder", str(tmp_path / "x")], ["--folder", str(folder), "--to", "9"]):
        refused = modelsat("rollback", *words)

        assert isinstance(refused.exception, InputError)
        assert "[y/N]" not in refused.output


def test_records_elsewhere_need_their_server(folder: Path, tmp_path: Path) -> None:
    refused = modelsat("rollback", "--champions", str(folder / "champions"), "--folder", str(tmp_path / "x"), "--yes")

    assert isinstance(refused.exception, InputError)
    assert "name their MLflow server, too" in str(refused.exception)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_the_verbs(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"COMP_WORDS": "modelsat cham", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "modelsat cham"}
    instruction = {"_MODELSAT_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    completed = CliRunner().invoke(app, [], prog_name="modelsat", env=words | instruction)

    assert "champions" in completed.stdout
