"""One configuration file: found from the working directory upwards, below the environment and below options."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from modelsat.bundle import champions
from modelsat.bundle.bundle import Bundle
from modelsat.cli import app, config_file
from modelsat.cli.config_file import ConfigFile, Option
from modelsat.errors import InputError

VERBS = {
    "watch": {"catalogue": Option("catalogue"), "every": Option("every"), "retry": Option("retry", is_list=True)},
    "route": {"folder": Option("folder", is_path=True), "candidate": Option("candidates", is_list=True)},
    "catalogue import": {"into": Option("into", is_path=True), "api_key_env": Option("api_key_env")},
}


def modelsat(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def read(tmp_path: Path, **content: Any) -> dict[str, dict[str, Any]]:
    return config_file.defaults(ConfigFile(tmp_path / "modelsat.toml", content), VERBS)


@pytest.fixture
def projects(make_bundle: Callable[..., Bundle], tmp_path: Path) -> Path:
    """Three folders of `modelsat run`, each with a champion named after it, and a working directory below them."""
    for name in ("in-file", "in-environment", "in-option"):
        made = make_bundle({"ada": 0.5}).write(tmp_path / name / "bundles" / "b")
        store, bundle = str(tmp_path / name / "champions"), str(tmp_path / name / "bundles" / "b")
        champions.promote(store, bundle, made.digest, f"{name}/1", "run", "promoted", 0)
    (tmp_path / "deep" / "down").mkdir(parents=True)
    return tmp_path


def champion() -> str:
    return str(json.loads(modelsat("champions", "--json").stdout)["champions"][0]["model"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("modelsat.toml", 'folder = "in-file"\n'),
        ("modelsat.toml", '[champions]\nfolder = "in-file"\n'),
        ("pyproject.toml", '[project]\nname = "mine"\n[tool.modelsat]\nfolder = "in-file"\n'),
    ],
)
def test_options_go_before_the_environment_and_that_before_the_file(
    projects: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.chdir(projects / "deep" / "down")
    monkeypatch.delenv("MODELSAT_FOLDER", raising=False)
    (projects / name).write_text(text)

    assert champion() == "in-file/1"
    monkeypatch.setenv("MODELSAT_FOLDER", str(projects / "in-environment"))
    assert champion() == "in-environment/1"
    listed = modelsat("champions", "--json", "--folder", str(projects / "in-option"))
    assert json.loads(listed.stdout)["champions"][0]["model"] == "in-option/1"


def test_key_that_no_verb_has_is_an_error_with_similar_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modelsat.toml").write_text('[watch]\ncatalog = "c.yaml"\n')

    failed = modelsat("status")

    assert isinstance(failed.exception, InputError)
    assert "modelsat.toml' has an unknown key 'catalog' in [watch] (similar: catalogue)" in str(failed.exception)
    assert modelsat("--help").exit_code == modelsat("status", "--help").exit_code == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"everyy": 3}, r"unknown key 'everyy' in its top \(similar: every\)"),
        ({"wacth": {"every": 3}}, r"has a table \[wacth\], but there is no such verb \(similar: watch\)"),
        ({"watch": {"folder": "x"}}, r"unknown key 'folder' in \[watch\]"),
        ({"api_token": "abc"}, "holds 'api_token'; secrets belong into environment variables"),
        ({"aws_secret_access_key": "abc"}, "secrets belong into environment variables"),
        ({"catalogue": "https://me:word@host/c.yaml"}, "'catalogue' in .* holds a secret; give it in an environment"),
        ({"watch": {"catalogue": "sk-abcdefgh123"}}, "holds a secret"),
        ({"watch": {"retry": "one"}}, "'retry' in .* has to be a list"),
        ({"watch": {"every": [1]}}, "'every' in .* has to be a single value"),
        ({"folder": 3}, "'folder' in .* is no file or folder; write its path in quotes"),
        ({"watch": {"every": {"a": 1}}}, "neither text, number nor true or false"),
    ],
)
def test_mistakes_are_named_and_secrets_refused_without_being_repeated(
    tmp_path: Path, content: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        read(tmp_path, **content)

    assert "word@" not in str(refused.value)
    assert "abcdefgh" not in str(refused.value)


def test_key_at_the_top_is_for_every_verb_that_has_it_and_a_table_goes_before_it(tmp_path: Path) -> None:
    content = {"every": 5, "folder": "r", "watch": {"every": 9}, "catalogue-import": {"api-key-env": "A_API_KEY"}}

    assert read(tmp_path, **content) == {
        "watch": {"every": 9},
        "route": {"folder": str(tmp_path / "r")},
        "catalogue import": {"api_key_env": "A_API_KEY"},
    }


@pytest.mark.parametrize(
    ("address", "read_as"),
    [
        ("c.yaml", "HERE/c.yaml"),
        ("/c.yaml", "/c.yaml"),
        ("s3://m/c", "s3://m/c"),
        ("models:/r@c", "models:/r@c"),
        ("", ""),
    ],
)
def test_relative_addresses_are_seen_from_the_file(tmp_path: Path, address: str, read_as: str) -> None:
    found = read(tmp_path, catalogue=address)["watch"]["catalogue"]

    assert found == read_as.replace("HERE", str(tmp_path))


def test_nearest_file_counts_and_two_in_one_folder_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert config_file.find(tmp_path / "a" / "b") is None
    (tmp_path / "modelsat.toml").write_text("every = 1")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nx = 1")
    found = config_file.find(tmp_path / "a" / "b")
    assert found is not None
    assert found.path == tmp_path / "modelsat.toml"

    (tmp_path / "a" / "pyproject.toml").write_text("[tool.modelsat]\nevery = 2")
    (tmp_path / "a" / "modelsat.toml").write_text("every = 3")

    with pytest.raises(InputError, match=r"both .*; keep one"):
        config_file.find(tmp_path / "a" / "b")


def test_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "modelsat.toml").write_text("every = ")

    with pytest.raises(InputError, match=r"modelsat\.toml' is not readable \(Invalid value .* correct it"):
        config_file.find(tmp_path)


def test_every_option_of_the_command_line_may_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list, a number, a flag and a verb within a group arrive as the options themselves would."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("- {candidate: ada}")
    (tmp_path / "modelsat.toml").write_text("[catalogue-show]\njson = true\n")

    shown = modelsat("catalogue", "show", "c.yaml")

    assert json.loads(shown.stdout)[0]["candidate"] == "ada"
