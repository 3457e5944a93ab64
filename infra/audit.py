"""Compares the pins of `constraints.txt` with advisories that are kept beside this file, without a network.

    python infra/audit.py                    what `make check` runs
    python infra/audit.py --update CHECKOUT  takes them anew from a clone of the Python Packaging Advisory Database

`advisories/pypa.json` holds what the database says about every pinned package, and the database's date.
`advisories/noticed.json` holds what we heard of elsewhere, and why we keep a pin that an advisory affects.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
EXTRACT = Path("infra/advisories/pypa.json")
NOTICED = Path("infra/advisories/noticed.json")
SOURCE = "https://github.com/pypa/advisory-database"


@dataclass(frozen=True)
class Finding:
    """An advisory that affects a pin.

    Args:
        package: Name of the package.
        version: That is pinned.
        advisory: Its identifier.
        fixed: Version that mends it, or None where there is none.
        accepted: Why the pin stays nevertheless, or None where nobody has decided that.
    """

    package: str
    version: str
    advisory: str
    fixed: str | None
    accepted: str | None

    def __str__(self) -> str:
        mended = f"mended in {self.fixed}" if self.fixed else "no version mends it"
        told = f"{self.package} {self.version}: {self.advisory}, {mended}"
        return f"{told}; kept because {self.accepted}" if self.accepted else told


def pins(constraints: str) -> dict[str, str]:
    """Return the version of every package that lines of the form `name==version` pin."""
    lines = (line.partition("#")[0].partition(" --hash")[0].strip(" \\") for line in constraints.splitlines())
    wanted = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(one.name): next(iter(one.specifier)).version for one in wanted}


def affects(advisory: Mapping[str, Any], version: str) -> bool:
    """Return whether an advisory is about a version, by its ranges, or by its list where it has no ranges."""
    here = Version(version)
    if not advisory["ranges"]:
        return here in {Version(one) for one in advisory.get("versions", ())}
    return any(_within(here, *one) for one in advisory["ranges"])


def _within(here: Version, introduced: str, fixed: str | None, last: str | None) -> bool:
    begun = introduced == "0" or here >= Version(introduced)
    return begun and (fixed is None or here < Version(fixed)) and (last is None or here <= Version(last))


def findings(pinned: Mapping[str, str], extract: Mapping[str, Any], noticed: Mapping[str, Any]) -> list[Finding]:
    """Return every advisory that affects a pin.

    Args:
        pinned: As `pins` returns it.
        extract: As `taken` returns it.
        noticed: Advisories by package in the same form, and under `accepted` why an advisory changes no pin.

    Raises:
        ValueError: A package was not looked up when the extract was taken, or what is accepted affects no pin.
    """
    missing = sorted(pinned.keys() - extract["packages"].keys())
    if missing:
        raise ValueError(
            f"{EXTRACT} was taken before {', '.join(missing)} was pinned; take it anew: "
            "python infra/audit.py --update CHECKOUT"
        )
    accepted = noticed["accepted"]
    found = []
    for package, version in sorted(pinned.items()):
        for one in [*extract["packages"][package], *noticed["packages"].get(package, ())]:
            if affects(one, version):
                fixed = next((mended for _, mended, _ in one["ranges"] if mended), None)
                found.append(Finding(package, version, one["id"], fixed, accepted.get(one["id"])))
    settled = sorted(accepted.keys() - {one.advisory for one in found})
    if settled:
        raise ValueError(f"{NOTICED} accepts what affects no pin any more; take it out: {', '.join(settled)}")
    return found


def taken(checkout: Path, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the extract of a clone of the advisory database: its day, its commit and the advisories of packages.

    Args:
        checkout: Folder of the clone, bare or not.
        names: The packages, as `pins` returns them.
    """
    git = ["git", "-C", str(checkout)]
    day, commit = subprocess.run(
        [*git, "log", "-1", "--format=%cs %H"], check=True, capture_output=True, text=True
    ).stdout.split()
    archive = subprocess.run([*git, "archive", "--format=tar", "HEAD", "vulns"], check=True, capture_output=True).stdout
    packages: dict[str, list[dict[str, Any]]] = {name: [] for name in sorted(names)}
    for told in _documents(archive):
        for affected in told.get("affected", ()):
            name = canonicalize_name(affected["package"]["name"])
            if name in packages and "withdrawn" not in told:
                packages[name].append(_advisory(told, affected))
    return {
        "source": SOURCE,
        "date": day,
        "commit": commit,
        "packages": {name: sorted(all_of_it, key=lambda one: str(one["id"])) for name, all_of_it in packages.items()},
    }


def _documents(archive: bytes) -> Iterator[dict[str, Any]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            content = files.extractfile(member) if member.name.endswith(".yaml") else None
            if content is not None:
                yield yaml.load(content, Loader=yaml.CSafeLoader)


def _advisory(told: Mapping[str, Any], affected: Mapping[str, Any]) -> dict[str, Any]:
    ranges = []
    for one in affected.get("ranges", ()):
        if one["type"] != "GIT":
            ranges += _spans(one["events"])
    advisory = {
        "id": told["id"],
        "aliases": [one for one in told.get("aliases", ()) if one.startswith("CVE-")],
        "ranges": ranges,
    }
    return advisory if ranges else advisory | {"versions": list(filter(_is_version, affected.get("versions", ())))}


def _spans(events: list[dict[str, str]]) -> list[list[str | None]]:
    spans: list[list[str | None]] = []
    for event in events:
        if "introduced" in event:
            spans.append([event["introduced"], None, None])
        elif "fixed" in event:
            spans[-1][1] = event["fixed"]
        elif "last_affected" in event:
            spans[-1][2] = event["last_affected"]
    return spans


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _a_line_each(extract: dict[str, Any]) -> str:
    """Return the extract as JSON in which every package has a line, so that a change shows what changed."""
    *head, (_, packages) = extract.items()
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head]
    inner = ",\n".join(f"{json.dumps(name)}: {json.dumps(told)}" for name, told in packages.items())
    return "{" + ",\n".join([*lines, f'"packages": {{\n{inner}\n}}']) + "}\n"


def main() -> int:
    """Audit the pins, or take the extract anew; return 1 where an advisory that nobody accepted affects a pin."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--update", type=Path, metavar="CHECKOUT", help="clone of the advisory database to read")
    arguments = parser.parse_args()
    pinned = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    if arguments.update:
        (ROOT / EXTRACT).write_text(_a_line_each(taken(arguments.update, pinned)), encoding="utf-8")
    extract = json.loads((ROOT / EXTRACT).read_text(encoding="utf-8"))
    noticed = json.loads((ROOT / NOTICED).read_text(encoding="utf-8"))
    try:
        found = findings(pinned, extract, noticed)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    undecided = [one for one in found if one.accepted is None]
    for one in found:
        sys.stdout.write(f"{one}\n")
    age = (datetime.now(UTC).date() - date.fromisoformat(extract["date"])).days
    known = sum(len(one) for one in extract["packages"].values())
    sys.stdout.write(
        f"{len(pinned)} pins compared with {known} advisories of {extract['source']} as of {extract['date']}, {age} "
        f"days old; affected: {len(found)}, of which not accepted: {len(undecided)}\n"
    )
    return 1 if undecided else 0


if __name__ == "__main__":
    sys.exit(main())
