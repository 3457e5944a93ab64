"""Whoever types what a page, a docstring or a message names finds it: verbs, options, targets, files, headings."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from modelsat import rivals
from modelsat.cli import app
from modelsat.cli.evaluation import evaluate

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
# "modelsat router" is the name of a line in tables.
CALL = re.compile(r"(?:^(?:\$ )?|(?<=[(]))(?:\.venv/bin/)?modelsat (?!router\b)([a-z-][^#|;&)]*)")
FOLDERS = "benchmarks|components|docs|findings|infra|pipelines|serving|src|tests|training"
FILE = re.compile(rf"(?<![\w/.:-])(?:{FOLDERS})/[\w./-]*\w")
# Set by a pipeline for its own steps, by nobody else.
OF_THE_PROGRAM = {"MODELSAT_WORKER"}
HELPS = {"--help", "--version", "--install-completion", "--show-completion"}


def code(text: str) -> Iterator[str]:
    """Yield what a page sets as code: lines of its blocks, whole where they go on, and spans of a sentence."""
    for block in BLOCK.finditer(text):
        yield from block[1].replace("\\\n", " ").splitlines()
    for span in re.finditer(r"`([^`]+)`", BLOCK.sub("", text)):
        yield " ".join(span[1].split())


def unknown(call: str) -> str:
    """Return the verb or option of a call that there is not; empty where all are known."""
    verb: Any = typer.main.get_command(app)
    words = call.replace('"', " ").split()
    while words and hasattr(verb, "commands") and words[0] in verb.commands:
        verb = verb.commands[words.pop(0)]
    options = {name for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts)} | HELPS
    if hasattr(verb, "commands") and words and not words[0].startswith("--"):
        return words[0]
    return next((word for word in words if word.startswith("--") and word.split("=")[0] not in options), "")


def heading(title: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\s-]", "", title.strip().lower()).replace(" ", "-")


def test_call_with_a_misspelt_verb_or_option_is_noticed() -> None:
    assert unknown("route 'x' --top 3") == ""
    assert unknown("catalogue check FILE") == ""
    assert unknown("rout 'x'") == "rout"
    assert unknown("catalogue chek FILE") == "chek"
    assert unknown("route 'x' --tops 3") == "--tops"


def verbs(group: Any) -> Iterator[Any]:
    """Yield the verbs of a group and of the groups below it."""
    for verb in group.commands.values():
        yield from verbs(verb) if hasattr(verb, "commands") else [verb]


def test_dollars_are_limited_by_one_option_wherever_they_are() -> None:
    limiting = {
        verb.name: [option for option in parameter.opts if "budget" in option]
        for verb in verbs(typer.main.get_command(app))
        for parameter in verb.params
        if "budget" in parameter.name
    }

    assert sorted(limiting) == ["ask", "measure", "onboard", "route", "watch"]
    assert all(names == ["--budget-usd", "--budget"] for names in limiting.values())


def test_every_variable_that_the_code_reads_stands_in_the_table_of_the_environment() -> None:
    table = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8").partition("\n## Environment\n")[2]
    read = {
        node.value
        for folder in ("src", "serving", "pipelines", "components", "training")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"MODELSAT_[A-Z0-9_]+", node.value)
    }

    assert read - OF_THE_PROGRAM - set(re.findall(r"`(MODELSAT_\w+)`", table)) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_names_commands_targets_and_files_that_there_are(page: Path) -> None:
    spans = list(code(page.read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    calls = [call[1] for span in spans for call in CALL.finditer(span)]
    assert {call: unknown(call) for call in calls if unknown(call)} == {}
    assert [named for span in spans for named in re.findall(r"\bmake ([a-z-]+)", span) if named not in targets] == []
    files = [named[0] for span in spans for named in FILE.finditer(span)]
    assert [named for named in files if not (ROOT / named).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_to_a_file_and_a_heading(page: Path) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        place, _, anchor = link.partition("#")
        if place.startswith("http"):
            continue
        target = (page.parent / place).resolve() if place else page
        titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        if not target.exists() or (anchor and anchor not in map(heading, titles)):
            lost.append(link)

    assert lost == []


def test_rivals_of_help_and_page_are_those_that_there_are() -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8").partition("## Rivals")[2].partition("\n## ")[0]
    listed = {
        name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`([a-z-]+)`", row)
    }
    told = re.search(r"Rivals: (.*?);", " ".join((evaluate.__doc__ or "").split()))

    assert listed == set(rivals.NAMES)
    assert told is not None
    assert told[1].split(", ") == [*rivals.NAMES]


def test_docstrings_and_messages_name_commands_that_there_are() -> None:
    listed = subprocess.run(
        ["git", "grep", "-hoE", "(`|Example: )modelsat [a-z-][^`]*", "--", "src", "serving", "pipelines", "infra"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    calls = [line.split("modelsat ", 1)[1] for line in listed.stdout.decode().splitlines()]
    assert len(calls) > 50
    assert {call: unknown(call) for call in calls if unknown(call)} == {}


def test_variables_of_the_pages_are_read_somewhere() -> None:
    places = ["src", "serving", "pipelines", "components", "training", "infra", "tests"]
    listed = subprocess.run(
        ["git", "grep", "-hoE", "MODELSAT_[A-Z0-9_]+", "--", *places],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    read = set(listed.stdout.decode().split())
    named = {name for page in PAGES for name in re.findall(r"MODELSAT_[A-Z0-9_]+", page.read_text(encoding="utf-8"))}

    assert "MODELSAT_FOLDER" in named
    assert named - read == set()
