"""The light recipe: nothing is trained, and what comes out routes, explains and takes newcomers in without torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelsat.bundle import bundle as bundles
from modelsat.bundle import settling
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.errors import InputError
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface_router import Anchors
from modelsat.routers.lexical import Lexical
from modelsat.routers.profile import Profile
from modelsat.steps import finetune
from modelsat.text.encoder import Encoder
from training import finetune as by_hand
from training import recipe

QUESTIONS = ["What is 17 times 23?", "Which word rhymes with river?"]
WITHOUT_TORCH = """
import json, sys
for name in ("torch", "transformers", "scipy", "sklearn"):
    sys.modules[name] = None
import modelsat
import serving.server
router = modelsat.load(sys.argv[1])
frame = router.route(json.loads(sys.argv[2]))
print(json.dumps([frame.ranking.model, router.explain(json.loads(sys.argv[2])[0]).model]))
"""

LOADED_WITHOUT_TORCH = """
import json, sys
from importlib.abc import MetaPathFinder


class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")


sys.meta_path.insert(0, Absent())
from pathlib import Path
from modelsat.errors import InputError
from modelsat.routers.kinds import load_router
try:
    load_router(Path(sys.argv[1]), "fusion", ("ada",), json.loads(sys.argv[2]))
except InputError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def made(instructions_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, finetune.Trained]:
    """Folder with bundle, predictions and page, and what the step reported."""
    folder = tmp_path_factory.mktemp("light")

    def launch(*_: object) -> dict[str, Any]:
        raise AssertionError("something was trained")

    files = (folder / "router", folder / "predictions.parquet", folder / "page.html")
    settings = finetune.FinetuneSettings(recipe="light")
    return folder, finetune.run(instructions_folder, *files, folder / "work", settings, launch=launch)


@pytest.fixture(scope="module")
def bundle(made: tuple[Path, finetune.Trained]) -> Bundle:
    return bundles.read(made[0] / "router")


def inner(bundle: Bundle) -> Lexical:
    router = getattr(bundle.router, "inner", bundle.router)
    assert isinstance(router, Lexical)
    return router


def test_step_says_that_nothing_was_trained(made: tuple[Path, finetune.Trained]) -> None:
    assert made[1].sentence.startswith("fitted to words in closed form, nothing was trained")
    assert "nothing was left to train" in (made[0] / "page.html").read_text()


def test_words_take_the_weight_of_all_that_reads_words(bundle: Bundle) -> None:
    members = inner(bundle).members(QUESTIONS)

    assert {one.name for one in members} <= {"words", "task classifier", "levels"}
    assert sum(one.weight for one in members) == pytest.approx(1.0)
    assert sum(row["weight"] for row in bundle.lineage["members"]) == pytest.approx(1.0)


def test_held_out_predictions_are_those_of_the_bundle(made: tuple[Path, finetune.Trained], bundle: Bundle) -> None:
    told = contracts.read(made[0] / "predictions.parquet", contracts.PREDICTIONS)
    routers = set(told["router"].to_pylist())

    assert {"modelsat router", "words alone", "task classifier alone", "stack on words"} == routers
    assert set(told["bundle_digest"].to_pylist()) == {bundle.digest}


def test_bundle_routes_explains_and_is_served_without_torch(
    made: tuple[Path, finetune.Trained], bundle: Bundle
) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(made[0] / "router"), json.dumps(QUESTIONS)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)

    chosen, explained = json.loads(said.stdout.splitlines()[-1])
    assert set(chosen) <= set(bundle.names)
    assert explained == chosen[0]
    assert bundles.needed_extra(made[0] / "router") == "light"


def test_bundle_keeps_on_what_its_default_was_settled(bundle: Bundle) -> None:
    assert bundle.evidence is not None
    assert bundle.evidence.names == bundle.names
    assert settling.settled(bundle).defaults == bundle.defaults


def test_router_with_a_language_model_is_refused_by_the_name_of_the_missing_package(
    tiny_backbone: Path, bundle: Bundle, tmp_path: Path
) -> None:
    lexical = inner(bundle)
    anchors = Anchors(np.zeros((1, 1, 32), dtype=np.float32), np.zeros((1, len(lexical.surface.means))))
    found = Fusion(lexical.candidates, Encoder(tiny_backbone, 32, (2,)), lexical.surface, anchors)
    settings = found.save(tmp_path)
    command = [sys.executable, "-c", LOADED_WITHOUT_TORCH, str(tmp_path), json.dumps(settings)]

    said = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "needs the package 'torch', which is not installed here; install modelsat[torch]" in said.stdout


def test_newcomer_that_answers_all_of_the_test_right_is_the_most_probable(bundle: Bundle) -> None:
    router = inner(bundle)
    answers = np.ones((len(router.anchors.vectors), 1), dtype=np.float32)

    grown = router.admit(Profile(("new",), np.ones((1, 2), dtype=np.float32), np.ones(1), answers=answers))

    assert isinstance(grown, Lexical)
    assert grown.candidates == (*router.candidates, "new")
    assert grown.success_probability(QUESTIONS).argmax(axis=1).tolist() == [len(router.candidates)] * 2


def test_training_by_hand_says_that_there_is_nothing_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = ["--instructions", "nowhere", "--backbone", "nowhere", "--work", str(tmp_path), "--recipe", "light"]
    monkeypatch.setattr(sys, "argv", ["finetune", *where])

    with pytest.raises(SystemExit) as ended:
        by_hand.main()

    assert ended.value.code == InputError.exit_code
    assert "recipe 'light' has nothing to train" in (tmp_path / "failed.json").read_text()


def test_unknown_setting_of_the_light_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mode: lexical\nepochs: 3\n")

    with pytest.raises(InputError, match="epochs"):
        recipe.load(str(tmp_path / "mine.yaml"))
