"""The packaged language model is the one it says it is, and no folder of a model runs code."""

import re
import shutil
from pathlib import Path

import pytest

from modelsat.errors import InputError
from modelsat.text import backbone
from modelsat.text.encoder import load_language_model, load_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packaged model whose weights are a link."""
    folder = tmp_path / "model"
    backbone.copy_backbone(backbone.default_backbone(), folder, weights=False)
    (folder / backbone.WEIGHTS).symlink_to(backbone.default_backbone() / backbone.WEIGHTS)
    return folder


def test_packaged_model_is_all_minilm_l6_v2(copy: Path) -> None:
    backbone.require_packaged(copy)


def test_every_file_that_is_read_is_pinned(copy: Path) -> None:
    assert {path.name for path in copy.iterdir()} == set(backbone._PACKAGED)


@pytest.mark.parametrize("name", sorted(backbone._PACKAGED))
@pytest.mark.parametrize("is_there", [True, False])
def test_another_file_in_the_package_is_refused(copy: Path, name: str, is_there: bool) -> None:
    (copy / name).unlink()
    if is_there:
        (copy / name).write_bytes(b"{}")

    with pytest.raises(InputError, match=f"'{re.escape(name)}' of the packaged language model .* is not that of"):
        backbone.require_packaged(copy)


def test_package_is_checked_once_per_process(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone.default_backbone()
    monkeypatch.setattr(backbone, "file_digest", lambda _: pytest.fail("the files were read again"))

    assert backbone.default_backbone().is_dir()


def test_model_that_brings_code_is_refused_and_its_code_does_not_run(copy: Path, tmp_path: Path) -> None:
    shutil.copyfile(copy / "config.json", tmp_path / "config.json")
    text = (copy / "config.json").read_text().replace('"bert"', '"unheard-of"', 1)
    (copy / "config.json").unlink()
    (copy / "config.json").write_text(
        text.replace("{", '{"auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"},', 1)
    )
    (copy / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")

    with pytest.raises(Exception, match=r"trust_remote_code|model_type|does not recognize"):
        load_language_model(copy)
    assert not (tmp_path / "ran").exists()


def test_every_load_says_that_no_code_of_a_model_is_trusted() -> None:
    calls = re.compile(r"\.from_(?:pretrained|config)\((?P<arguments>[^\n]*)")
    for path in [*ROOT.glob("src/modelsat/**/*.py"), *ROOT.glob("training/**/*.py"), *ROOT.glob("serving/**/*.py")]:
        text = path.read_text(encoding="utf-8")
        for call in calls.finditer(text):
            passed = call["arguments"]
            assert "trust_remote_code=False" in passed or (
                "**options" in passed and '"trust_remote_code": False' in text
            ), f"{path.name}: {passed}"


def test_tokenizer_of_the_package_is_read(copy: Path) -> None:
    assert load_tokenizer(copy)("Spell cat")["input_ids"][0] == 101
