"""The page "From Python" runs as it is written, against a real MLflow server and real results."""

import re
from pathlib import Path

import pytest

import modelsat
from modelsat.data import sample
from modelsat.io import mlflow_registry
from modelsat.io.mlflow_registry import MlflowRun

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python.md"
BUNDLE = ROOT / "tests" / "data" / "bundle_0_1_0" / "bundle"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def _champion(mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A champion in the registry, and a folder `results`, as a reader of the page has them."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    monkeypatch.chdir(tmp_path)
    sample.write(Path("results"), prompts=120)
    version = MlflowRun(mlflow_server, "python-page", "run-1").register(BUNDLE, "modelsat-router", "card", {})
    mlflow_registry.mirror_champion(mlflow_server, "modelsat-router", version, 1)


@pytest.mark.usefixtures("_champion")
def test_blocks_of_the_page_run_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    scope: dict[str, object] = {}

    for block in blocks:
        exec(block, scope)  # noqa: S102

    said = capsys.readouterr().out
    assert len(blocks) == 4
    assert "2 prompts routed by modelsat router 158ecc851dbe" in said
    assert re.search(r"^results: \d+ held-out prompts, up to 11 candidates$", said, re.MULTILINE)
    assert said.splitlines()[-1] == "prompt 0 is empty; send the text to be routed"
    assert scope["frame"]["prompt"].tolist() == ["What is 17 * 23?", "Spell 'rhythm'."]
    assert {"modelsat-router@champion", "knn", "best single", "oracle"} <= set(scope["lines"]["name"])


def test_readme_shows_the_first_block_of_the_page() -> None:
    first = BLOCK.findall(PAGE.read_text(encoding="utf-8"))[0]

    assert first in (ROOT / "README.md").read_text(encoding="utf-8")


def test_page_names_everything_public() -> None:
    text = PAGE.read_text(encoding="utf-8")

    results = {"Comparison", "ExplainedChoice", "LoadedRouter", "RoutedPrompts", "__version__"}
    assert [name for name in modelsat.__all__ if name not in text and name not in results] == []


def test_tables_name_every_column_and_field(columns: list[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")

    fields = list(modelsat.Preferences.__dataclass_fields__)
    assert [name for name in [*columns, *fields] if f"`{name}`" not in text] == []


@pytest.fixture
def columns() -> list[str]:
    """Columns of both data frames."""
    routed = modelsat.load(BUNDLE).route("Why?")
    return [*routed.to_pandas().columns, *routed.candidates_to_pandas().columns]
