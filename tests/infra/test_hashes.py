"""hashes.txt has the digests of every pin, images and environment install from it, and pip takes no other file."""

import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SBOM = runpy.run_path(str(ROOT / "infra" / "sbom.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SMALL = f"""\
# A comment.
a-b==1.0 \\
    --hash=sha256:{"1" * 64} \\
    --hash=sha256:{"2" * 64}
    # via
    #   Ours (pyproject.toml)
    #   c
c==2.0 \\
    --hash=sha256:{"3" * 64}
    # via ours (pyproject.toml)
nvidia-x==3.0 \\
    --hash=sha256:{"4" * 64}
    # via torch
torch==4.0 \\
    --hash=sha256:{"5" * 64}
    # via c
"""


@pytest.fixture(scope="module")
def pinned(resolver: ModuleType) -> dict:
    return resolver.pins((ROOT / "hashes.txt").read_text(encoding="utf-8"))


def versions(lines: list[str]) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_only_what_a_cuda_build_of_torch_needs_is_left_to_it(resolver: ModuleType) -> None:
    names = ("cuda-toolkit", "nvidia-cublas", "triton", "tritonclient", "cudatoolkit")

    assert [name for name in names if resolver.CUDA.fullmatch(name)] == ["cuda-toolkit", "nvidia-cublas", "triton"]


def test_every_pin_of_the_constraints_has_digests_and_nothing_else_is_in_the_environment(pinned: dict) -> None:
    constraints = versions((ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    hashed = versions([pin.line for pin in pinned.values()])

    assert {name: hashed.get(name) for name in constraints} == constraints
    assert all(pin.hashes for pin in pinned.values())
    beyond = {name for name in hashed.keys() - constraints.keys() if not re.match("cuda-|nvidia-|triton$", name)}
    assert beyond == {"editables", "hatchling", "tomlkit", "trove-classifiers"}  # what builds the project


def test_environment_has_the_versions_whose_digests_are_known(pinned: dict) -> None:
    here = SBOM["closure"]("modelsat", ["test"])

    # What stands behind a plus sign names a build of the version, such as torch's for CPUs.
    installed = {name: metadata.version(name).partition("+")[0] for name in here.keys() - {"modelsat"}}
    assert installed == {name: pinned[name].line.partition("==")[2] for name in installed}


@pytest.mark.parametrize("image", ["pipeline", "training", "serving"])
def test_files_of_an_image_hold_all_that_it_needs(image: str, resolver: ModuleType, pinned: dict) -> None:
    extras = SBOM["IMAGES"][image]
    written = resolver.files(PROJECT, pinned, extras)

    needed = SBOM["closure"]("modelsat", extras).keys() - {"modelsat"}
    assert needed <= {*written["requirements.txt"], *written["torch.txt"]}
    assert set(written["weights.txt"]) >= {*SBOM["ALONE"].get(image, ())}
    assert ("torch" in needed) == (image != "pipeline")
    assert ("transformers" in written["requirements.txt"]) == (image != "pipeline")


def test_pins_are_read_with_their_digests_and_who_needs_them(resolver: ModuleType) -> None:
    small = resolver.pins(SMALL)

    assert small["a-b"] == resolver.Pin("a-b==1.0", ("1" * 64, "2" * 64), frozenset({"ours", "c"}))
    assert [*small] == ["a-b", "c", "nvidia-x", "torch"]
    assert resolver.closure(small, ["c"]) == ["a-b", "c", "torch"]
    assert resolver.closure(small, ["a-b"]) == ["a-b"]
    with pytest.raises(KeyError):
        resolver.closure(small, ["d"])
    line = f"a-b==1.0 \\\n    --hash=sha256:{'1' * 64} \\\n    --hash=sha256:{'2' * 64}\n"
    assert resolver.written(small["a-b"], has_hashes=True) == line
    assert resolver.written(small["a-b"], has_hashes=False) == "a-b==1.0\n"


def test_wheel_of_another_digest_is_refused(resolver: ModuleType, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a_b-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("a_b-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: a-b\nVersion: 1.0\n")
        wheel.writestr("a_b-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("a_b-1.0.dist-info/RECORD", "")
    (tmp_path / "requirements.txt").write_text(resolver.written(resolver.pins(SMALL)["a-b"], has_hashes=True))
    options = ["--no-index", "--find-links", str(tmp_path), "--no-deps", "--target", str(tmp_path / "here")]

    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "-r", str(tmp_path / "requirements.txt")],
        capture_output=True,
        text=True,
    )

    assert done.returncode
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "here" / "a_b-1.0.dist-info").exists()


def test_make_installs_nothing_but_what_has_a_digest() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("$(READY): ")[2]
    installs = [line for line in recipe.splitlines() if "$(INSTALL)" in line]

    assert [re.findall(r"-r \$\(PINS\)/(\S+)\.txt", line) for line in installs] == [
        ["build-system"],
        ["torch"],
        ["requirements", "weights"],
        ["cuda"],
        [],
    ]
    assert installs[-1].split() == ["@$(INSTALL)", "--no-build-isolation", "-e", "."]
