"""Each finding is a script that runs by itself; here they are read, not run: they install packages and take minutes."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FINDINGS = ROOT / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))
each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
HEADINGS = ("Package", "Expected:", "Happens:", "Matters:", "Here:")
OPTIONS = {"--quiet", "--disable-pip-version-check", "--no-deps"}


def installed(text: str) -> list[str]:
    """Return the requirements of every line that calls pip."""
    lines = text.replace("\\\n", " ").splitlines()
    calls = [line.partition(" install ")[2].replace('"', "").split() for line in lines if "/pip" in line]
    return [word for call in calls for word in call if word not in OPTIONS]


def code_paths(text: str) -> list[str]:
    """Return the files of ours that the header names as the place where we live with it."""
    here = text[text.index("# Here:") : text.index("set -euo pipefail")]
    return re.findall(r"[\w/]+/\w+\.(?:py|md)", here)


def test_there_are_findings() -> None:
    assert len(SCRIPTS) >= 8


@each_script
def test_finding_is_an_executable_script_without_faults_of_syntax(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True, timeout=60)


@each_script
def test_finding_pins_what_it_installs(script: Path) -> None:
    requirements = installed(script.read_text(encoding="utf-8"))

    assert requirements
    assert [word for word in requirements if not re.fullmatch(r"[\w.\[\],-]+==\d[\w.]*", word)] == []


@each_script
def test_finding_works_in_a_folder_of_its_own_and_removes_it(script: Path) -> None:
    text = script.read_text(encoding="utf-8")

    assert "work=$(mktemp -d)\n" in text
    assert re.search(r"^trap '.*rm -rf \"\$work\"' EXIT$", text, re.MULTILINE)
    assert "sys.exit(" in text


@each_script
def test_finding_shows_the_package_alone(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    code = text[text.index("set -euo pipefail") :]

    assert "modelsat" not in code


@each_script
def test_finding_says_what_it_is_about(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    header = "\n".join(lines[: lines.index("set -euo pipefail")])

    assert lines[0] == "#!/usr/bin/env bash"
    assert re.fullmatch(r"# [A-Z\w].*\.", lines[1])
    assert [heading for heading in HEADINGS if f"\n# {heading}" not in header] == []
    assert len(lines) <= 80
    places = code_paths("\n".join(lines))
    assert places
    assert [place for place in places if not (ROOT / place).is_file()] == []


def test_readme_lists_every_finding_once_with_its_packages() -> None:
    rows = re.findall(
        r"^\| \[`?(\w+)\.sh`?\]\((\w+)\.sh\) \| (.+?) \| .+ \|$", (FINDINGS / "README.md").read_text(), re.M
    )

    assert [row[0] for row in rows] == [script.stem for script in SCRIPTS]
    for name, link, packages in rows:
        assert name == link
        pinned = {word.split("==")[0].split("[")[0] for word in installed((FINDINGS / f"{name}.sh").read_text())}
        assert packages.split()[0] in pinned
