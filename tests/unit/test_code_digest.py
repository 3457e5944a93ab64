"""A kept result is keyed by the code it depends on: no more, so that it is kept; no less, so that it is never stale."""

import shutil
from pathlib import Path

import pytest

from modelsat import io, rivals
from modelsat.errors import InputError
from modelsat.io.code_digest import PACKAGES, code_below, code_digest
from training import recipe

SOURCE = Path(io.__file__).parents[1]
FILES = {
    "__init__.py": 'KINDS = {"a": "shop.lazy:Class"}\n',
    "train.py": "from typing import TYPE_CHECKING\nimport shop.direct\nfrom shop.pack import inner\n"
    "if TYPE_CHECKING:\n    from shop import typed\n"
    'def run():\n    """Say shop.prose."""\n    from .pack.local import f\n    return f, "shop.table"\n',
    "direct.py": "from shop import remote, __version__\n",
    "remote.py": "X = 1\n",
    "table.py": 'KINDS = {"a": "shop.lazy:Class"}\n',
    "lazy.py": "class Class: pass\n",
    "typed.py": "Y = 1\n",
    "prose.py": "",
    "cli.py": "from shop import train\n",
    "pack/__init__.py": "from shop.pack import unused\n",
    "pack/inner.py": "",
    "pack/local.py": "from . import sibling\ndef f(): return sibling\n",
    "pack/sibling.py": "",
    "pack/unused.py": "",
    "formatted.py": "from importlib import import_module\ndef load(name): return import_module(f'shop.pack.{name}')\n",
    "acting.py": "from shop.setting import deep\n",
    "setting/__init__.py": "import os\nos.environ.setdefault('A', '1')\n",
    "setting/deep.py": "",
    "plain.py": "from shop.face import deep\n",
    "face/__init__.py": "from typing import TYPE_CHECKING\nA: int = 1\nif not TYPE_CHECKING:\n    def f(): pass\n",
    "face/deep.py": "",
    "reexporting.py": "from shop.front import inner_name\n",
    "front/__init__.py": "from shop.remote import X as inner_name\n",
    "broken.py": "def f(:\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> dict[str, Path]:
    for name, text in FILES.items():
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return {"shop": tmp_path / "shop"}


def test_imports_of_every_form_and_tables_of_strings_are_followed(shop: dict[str, Path]) -> None:
    below = {"train", "direct", "remote", "table", "lazy", "pack.inner", "pack.local", "pack.sibling"}

    assert code_below(["shop.train"], shop) == {f"shop.{name}" for name in below}


def test_module_named_by_the_end_of_a_string_may_be_any_of_its_package(shop: dict[str, Path]) -> None:
    assert {"shop.pack.inner", "shop.pack.unused"} < code_below(["shop.formatted"], shop)


def test_package_counts_where_it_acts_or_a_name_is_taken_from_it(shop: dict[str, Path]) -> None:
    assert "shop.setting" in code_below(["shop.acting"], shop)
    assert code_below(["shop.plain"], shop) == {"shop.plain", "shop.face.deep"}
    assert code_below(["shop.reexporting"], shop) == {"shop.reexporting", "shop.front", "shop.remote"}


@pytest.mark.parametrize(
    "changed", ["cli.py", "typed.py", "prose.py", "pack/unused.py", "__init__.py", "pack/__init__.py"]
)
def test_change_elsewhere_changes_nothing(shop: dict[str, Path], changed: str) -> None:
    before = code_digest(["shop.train"], shop)
    (shop["shop"] / changed).write_text("Z = 2\n", encoding="utf-8")

    assert code_digest(["shop.train"], shop) == before


@pytest.mark.parametrize(
    "changed", ["train.py", "direct.py", "remote.py", "lazy.py", "pack/local.py", "pack/sibling.py"]
)
def test_change_below_changes_the_digest(shop: dict[str, Path], changed: str) -> None:
    before = code_digest(["shop.train"], shop)
    with (shop["shop"] / changed).open("a", encoding="utf-8") as file:
        file.write("Z = 2\n")

    assert code_digest(["shop.train"], shop) != before


def test_comment_docstring_and_layout_change_nothing(shop: dict[str, Path]) -> None:
    before = code_digest(["shop.train"], shop)
    (shop["shop"] / "lazy.py").write_text('"""Mended."""\n\nclass Class:  # one\n    """Two."""\n    pass\n', "utf-8")

    assert code_digest(["shop.train"], shop) == before


def test_module_that_is_new_below_changes_the_digest(shop: dict[str, Path]) -> None:
    before = code_digest(["shop.formatted"], shop)
    (shop["shop"] / "pack" / "later.py").write_text("", encoding="utf-8")

    assert code_digest(["shop.formatted"], shop) != before


@pytest.mark.parametrize("name", ["shop.nowhere", "other.train", "shop.broken"])
def test_module_that_is_missing_or_broken_is_named(shop: dict[str, Path], name: str) -> None:
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        code_digest([name], shop)


@pytest.fixture(scope="module")
def below_training() -> frozenset[str]:
    return code_below(recipe.TRAINING)


@pytest.mark.parametrize(
    "package",
    ["cli", "reports", "steps", "cluster", "onboarding", "studies", "evaluation", "challenger", "rivals", "bundle"],
)
def test_finished_training_outlives_a_change_of_other_packages(package: str, below_training: frozenset[str]) -> None:
    prefix = f"modelsat.{package}"

    assert not {name for name in below_training if name == prefix or name.startswith(f"{prefix}.")}


def test_public_face_is_no_part_of_training(below_training: frozenset[str]) -> None:
    assert "modelsat" not in below_training


@pytest.mark.parametrize(
    "module",
    [
        *("modelsat.routers.model_sat.network", "modelsat.routers.paper.network", "modelsat.aptitude.cards"),
        *("modelsat.text.prompt_window", "modelsat.text.rendering", "training", "training.loop"),
        *("training.losses", "training.paper.objective", "training.states"),
    ],
)
def test_training_runs_again_after_a_change_of_its_own_code(module: str, below_training: frozenset[str]) -> None:
    assert module in below_training


def test_key_of_a_training_changes_with_the_network_and_not_with_the_command_line(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in PACKAGES}
    for name, folder in zip(PACKAGES, (SOURCE, Path(recipe.__file__).parent), strict=True):
        shutil.copytree(folder, folders[name], ignore=shutil.ignore_patterns("__pycache__"))

    (folders["modelsat"] / "cli" / "__init__.py").write_text("CHANGED = 1\n", encoding="utf-8")
    assert code_digest(recipe.TRAINING, folders) == recipe.code_digest()

    with (folders["modelsat"] / "routers" / "model_sat" / "network.py").open("a", encoding="utf-8") as network:
        network.write("CHANGED = 1\n")
    assert code_digest(recipe.TRAINING, folders) != recipe.code_digest()


@pytest.mark.parametrize("name", [*rivals.FITTED])
def test_rival_is_keyed_by_what_it_is_made_of(name: str) -> None:
    module = rivals.named(name).__module__
    others = {rivals.named(other).__module__ for other in ("mlp", "embedllm", "omnirouter")}

    below = code_below([module])

    assert {module, "modelsat.rivals.rival"} <= below
    assert "modelsat.cli" not in below
    # A table of all rivals is in their package; it makes none of them depend on all.
    assert not others <= below
