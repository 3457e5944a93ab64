"""The command line as such: quick to answer, one line per error, help for every verb."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from modelsat import errors
from modelsat.cli import app
from modelsat.cli.groups import GROUPS, first_sentence

HEAVY = (
    "boto3",
    "deepspeed",
    "great_expectations",
    "kfp",
    "kserve",
    "matplotlib",
    "mlflow",
    "numpy",
    "pyarrow",
    "torch",
)


def leaves(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


ROOT: Any = get_command(app)
VERBS: dict[str, Any] = dict(leaves(ROOT))
WRITES = {"run", "stop", "sample", "serve", "gateway", "compile", "pack", "submit", "onboard", "watch", "webhooks"} | {
    "catalogue import"
}
"""Verbs whose result is what they leave behind; all others read, and programs read their answer."""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_help_imports_nothing_heavy() -> None:
    loaded = python(
        "-c",
        "import sys; sys.argv = ['modelsat', '--help']\n"
        "from modelsat.cli import main\n"
        "try: main()\n"
        f"finally: print('LOADED', sorted(set({HEAVY}) & set(sys.modules)))",
    )

    assert "LOADED []" in loaded.stdout, loaded.stderr
    assert "Usage: modelsat" in loaded.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_does_in_a_sentence(verb: str) -> None:
    said = first_sentence(VERBS[verb].help)

    assert said[0].isupper()
    assert said.endswith(".")
    assert said.count(".") == 1


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"stop", "sample"}))
def test_every_verb_with_choices_shows_an_example(verb: str) -> None:
    assert f"Example: modelsat {verb} " in VERBS[verb].help


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_explained(verb: str) -> None:
    unexplained = [param.name for param in VERBS[verb].params if not getattr(param, "help", None)]

    assert unexplained == []


def test_every_verb_is_in_one_group() -> None:
    grouped = [verb for verbs in GROUPS.values() for verb in verbs]

    assert sorted(grouped) == sorted(ROOT.commands)


def pages() -> Iterator[list[str]]:
    yield []
    yield from ([verb] for verb in ROOT.commands)
    yield from (verb.split() for verb in VERBS if " " in verb)


@pytest.mark.parametrize("path", list(pages()), ids=" ".join)
@pytest.mark.parametrize("columns", ["80", "200"])
def test_help_has_no_line_that_is_cut_off_or_too_long(
    path: list[str], columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    page = CliRunner().invoke(app, [*path, "--help"]).stdout

    usage, _, text = page.partition("\n\n")
    assert usage.startswith("Usage: ")
    assert not [line for line in text.splitlines() if line.rstrip().endswith(("...", "…"))]
    assert max(map(len, page.splitlines())) <= 80


def test_list_of_verbs_shows_each_first_sentence_whole() -> None:
    page = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())

    for name, command in ROOT.commands.items():
        assert f"{name} {first_sentence(command.help)}" in page


def test_help_names_every_exit_code() -> None:
    page = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    codes = page.partition("Exit codes: ")[2]

    for cls in (errors.ModelsatError, *errors.ModelsatError.__subclasses__()):
        assert f"{cls.exit_code} " in codes


@pytest.mark.parametrize("verb", sorted(set(VERBS) - WRITES))
def test_every_verb_that_reads_answers_programs(verb: str) -> None:
    assert "--json" in [option for param in VERBS[verb].params for option in param.opts]


def test_option_of_an_older_version_is_taken_and_not_shown() -> None:
    page = CliRunner().invoke(app, ["gateway", "--help"]).stdout
    taken = CliRunner().invoke(app, ["gateway", "--upstreams", "nowhere.yaml", "--most-dearest-share", "0.5"])

    assert "--max-premium-share" in page
    assert "dearest" not in page
    assert isinstance(taken.exception, errors.InputError)
    assert "nowhere.yaml" in str(taken.exception)


def test_error_is_one_line_on_stderr_and_its_exit_code() -> None:
    said = python("-m", "modelsat.cli", "validate", "no-such-folder")

    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr.count("\n") == 1
    assert "no-such-folder" in said.stderr


def test_debug_shows_where_an_error_comes_from() -> None:
    said = python("-m", "modelsat.cli", "--debug", "validate", "no-such-folder")

    assert said.returncode == 1
    assert "Traceback" in said.stderr
    assert "modelsat.errors.InputError" in said.stderr


def test_version_is_printed() -> None:
    from modelsat import __version__

    assert python("-m", "modelsat.cli", "--version").stdout == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--help",), 6, "the disk is full"),
        (("collect", "x" * 300, "--into", "collected"), 2, "File name too long"),
        (("validate", "file"), 2, "'file/collection.json' cannot be used (Not a directory)"),
        (("compile", "--into", "file/pipeline.yaml"), 2, "'file' cannot be used (File exists)"),
        (("compile", "--into", "folder.yaml"), 2, "'folder.yaml' cannot be used (Is a directory)"),
        (("compile", "--into", "pipeline"), 2, "'pipeline' is no name of a pipeline's file; let it end in .yaml"),
    ],
)
def test_fault_of_the_disk_that_no_step_foresaw_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.yaml").mkdir()
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "modelsat.cli", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, text=True, check=False)

    assert done.returncode == code
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
