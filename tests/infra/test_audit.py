"""Pins are compared with advisories without a network, and nobody is told that an unknown pin is fine."""

import json
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AUDIT = runpy.run_path(str(ROOT / "infra" / "audit.py"))

RANGED = {"id": "A-1", "aliases": [], "ranges": [["0", "1.5", None], ["2.0", None, "2.3"]]}
LISTED = {"id": "A-2", "aliases": [], "ranges": [], "versions": ["1.0", "1.1.0"]}
NOTHING: dict[str, Any] = {"packages": {}, "accepted": {}}


def found(version: str, noticed: dict[str, Any] = NOTHING) -> list[str]:
    return [str(one) for one in AUDIT["findings"]({"a": version}, {"packages": {"a": [RANGED]}}, noticed)]


def test_pins_are_read_with_extras_hashes_and_comments() -> None:
    lines = "# ours\nA_b==1.0\nc[d]==2.0+cpu  # a build\ne==3.0 \\\n    --hash=sha256:00\n"
    assert AUDIT["pins"](lines) == {"a-b": "1.0", "c": "2.0+cpu", "e": "3.0"}


@pytest.mark.parametrize(
    ("version", "affected"),
    [("0.1", True), ("1.5", False), ("1.5rc1", True), ("2.0", True), ("2.3", True), ("2.4", False)],
)
def test_version_is_affected_from_where_it_was_introduced_to_where_it_was_fixed(version: str, affected: bool) -> None:
    assert AUDIT["affects"](RANGED, version) is affected


def test_versions_are_listed_where_there_are_no_ranges() -> None:
    assert [AUDIT["affects"](LISTED, version) for version in ("1.0", "1.1", "1.2")] == [True, True, False]


def test_finding_says_what_mends_it_and_why_it_is_kept() -> None:
    kept = {"packages": {}, "accepted": {"A-1": "we never call it"}}

    assert found("1.5") == []
    assert found("1.0") == ["a 1.0: A-1, mended in 1.5"]
    assert found("1.0", kept) == ["a 1.0: A-1, mended in 1.5; kept because we never call it"]


def test_advisories_that_were_noticed_elsewhere_count_too() -> None:
    noticed = {"packages": {"a": [{"id": "ours", "aliases": [], "ranges": [["1.7", None, None]]}]}, "accepted": {}}
    assert found("1.8", noticed) == ["a 1.8: ours, no version mends it"]


def test_what_is_accepted_must_still_affect_a_pin() -> None:
    with pytest.raises(ValueError, match="affects no pin any more; take it out: A-1"):
        found("1.5", {"packages": {}, "accepted": {"A-1": "we never call it"}})


def test_package_that_was_never_looked_up_is_not_called_fine() -> None:
    with pytest.raises(
        ValueError, match=r"before b was pinned; take it anew: python infra/audit\.py --update CHECKOUT"
    ):
        AUDIT["findings"]({"a": "1.5", "b": "1.0"}, {"packages": {"a": []}}, NOTHING)


def test_extract_is_taken_from_a_clone_with_its_date_and_without_what_was_withdrawn(tmp_path: Path) -> None:
    advisory = """
id: {id}
aliases: [GHSA-x, CVE-1]
affected:
- package: {{name: A_b, ecosystem: PyPI}}
  ranges:
  - type: GIT
    events: [{{introduced: '0'}}, {{fixed: 0123abc}}]
  - type: ECOSYSTEM
    events: [{{introduced: '0'}}, {{fixed: '1.2'}}, {{introduced: '2.0'}}, {{last_affected: '2.1'}}]
  versions: ['1.0']
"""
    (tmp_path / "vulns" / "a-b").mkdir(parents=True)
    (tmp_path / "vulns" / "a-b" / "1.yaml").write_text(advisory.format(id="P-1"))
    (tmp_path / "vulns" / "a-b" / "2.yaml").write_text(advisory.format(id="P-2") + "withdrawn: '2024-01-01'\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x", "--date", "2024-05-06T07:08:09"]):
        subprocess.run([*git, *command], check=True, env={"GIT_COMMITTER_DATE": "2024-05-06T07:08:09"})

    taken = AUDIT["taken"](tmp_path, {"a-b": "1.0", "c": "2.0"})

    assert taken["date"] == "2024-05-06"
    spans = [["0", "1.2", None], ["2.0", None, "2.1"]]
    assert taken["packages"] == {"a-b": [{"id": "P-1", "aliases": ["CVE-1"], "ranges": spans}], "c": []}


def test_kept_extract_finds_old_versions_of_our_own_pins() -> None:
    extract = json.loads((ROOT / AUDIT["EXTRACT"]).read_text(encoding="utf-8"))
    old = dict.fromkeys(extract["packages"], "9999") | {"jinja2": "2.10", "requests": "2.30.0"}

    affected = {one.package for one in AUDIT["findings"](old, extract, NOTHING)}

    assert {"jinja2", "requests"} <= affected
