"""The command line as such: quick to answer, one line per error, help for every verb."""

import subprocess
import sys

import pytest
from typer.main import get_command

from modelsat.cli import app

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
VERBS = get_command(app).commands  # type: ignore[attr-defined]


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
    said = VERBS[verb].help.split("\n\n")[0].replace("\n", " ")

    assert said[0].isupper()
    assert said.rstrip().endswith(".")


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"status", "stop", "sample"}))
def test_every_verb_with_choices_shows_an_example(verb: str) -> None:
    assert f"Example: modelsat {verb} " in VERBS[verb].help


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_explained(verb: str) -> None:
    unexplained = [param.name for param in VERBS[verb].params if not getattr(param, "help", None)]

    assert unexplained == []


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
