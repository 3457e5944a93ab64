"""Prints what pip has to install for extras of the project, without the project itself.

    python3 infra/images/requirements.py serve

An image layer made from this stays the same while only the code changes. `build-system` counts as an extra.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any


def requirements(project: dict[str, Any], extras: list[str]) -> list[str]:
    """Return the sorted requirements of a pyproject table for some of its extras.

    Raises:
        KeyError: An extra does not exist.
    """
    own = re.compile(rf"{re.escape(project['project']['name'])}\[(.+)\]")
    groups = {
        **project["project"]["optional-dependencies"],
        "build-system": project["build-system"]["requires"],
    }
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


if __name__ == "__main__":
    table = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    sys.stdout.write("\n".join(requirements(table, sys.argv[1:])) + "\n")
