"""Texts of this repository cite papers, or files that a reader of the repository can open."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Only from where a name begins: long words, such as digests, are read once.
MARKDOWN = re.compile(r"(?<![\w./-])[\w./-]*\w\.md\b")
PLACES = [ROOT, ROOT / "docs", ROOT / "docs" / "studies"]
"""Folders that an address may be relative to, beside that of the citing file: the site's, and that of its studies."""
AT_RUN_TIME = {"ATTRIBUTION.md", "readme.md", "AGENTS.md", "/app/CLAUDE.md"}
"""Names of files that bundles and results folders hold (the latter in lower case, as it is compared) or agents read."""


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60)
    return listed.stdout.decode().split("\0")[:-1]


def known(files: Iterable[str]) -> set[str]:
    """Return what may be cited: files by path and by name, and those of bundles, folders of results and agents."""
    return {*files, *(Path(file).name for file in files), *AT_RUN_TIME}


def missing(citing: str, text: str, names: set[str]) -> list[str]:
    """Return the cited Markdown files that exist neither by path nor, where no folder is named, by name."""
    return [
        cited
        for cited in MARKDOWN.findall(text)
        if cited not in names and not any((place / cited).is_file() for place in [(ROOT / citing).parent, *PLACES])
    ]


def test_no_text_cites_a_markdown_file_that_is_not_here() -> None:
    files = tracked()
    assert "README.md" in files
    cited, names = {}, known(files)
    for file in files:
        path = ROOT / file
        if path == Path(__file__) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if faults := missing(file, text, names):
            cited[file] = faults

    assert cited == {}


def test_a_citation_of_a_file_elsewhere_is_noticed() -> None:
    names = known(["README.md", "docs/evaluation.md"])

    assert missing("src/modelsat/a.py", "As docs/evaluation.md and README.md say.", names) == []
    assert missing("src/modelsat/a.py", "Source: notes.md, section 3; ../design.md.", names) == [
        "notes.md",
        "../design.md",
    ]
