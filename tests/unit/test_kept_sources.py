"""Sources that are unchanged are not read again, and a collection says what changed since the last one."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelsat.cli import app
from modelsat.data import changes, collection, readers
from modelsat.data.collection import Collection
from modelsat.steps import collect
from modelsat.text import picture_text

PROMPTS = "prompt_id,benchmark,prompt\np1,b,First?\np2,b,Second?\n"


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Return two folders: scores of `ann` and `bob`, and scores of `zoe` with a row that is rejected."""
    for name, rows in (("old", "p1,ann,1\np2,ann,0\np1,bob,0.5\n"), ("new", "p1,zoe,1\np2,zoe,x\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "prompts.csv").write_text(PROMPTS)
        (tmp_path / name / "scores.csv").write_text("prompt_id,model,score\n" + rows)
    return [str(tmp_path / "old"), str(tmp_path / "new")]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the sources that are read, as they are."""
    names: list[str] = []
    reads = readers.read
    monkeypatch.setattr(readers, "read", lambda uri, files: names.append(Path(uri).name) or reads(uri, files))
    return names


def rows(found: Collection) -> tuple[object, ...]:
    scores = found.scores.drop_columns(["collected_at"]).to_pylist()
    return scores, found.prompts, found.candidates, found.rejects, found.notes, found.digest()


def test_new_results_are_read_and_merged_with_what_was_read_before(
    sources: Sequence[str], read: list[str], tmp_path: Path
) -> None:
    collection.collect(sources[:1], tmp_path / "kept")
    both = collection.collect(sources, tmp_path / "kept")

    assert read == ["old", "new"]
    assert rows(both) == rows(collection.collect(sources))


def test_changed_source_is_read_again_and_its_earlier_entry_goes(
    sources: Sequence[str], read: list[str], tmp_path: Path
) -> None:
    collection.collect(sources, tmp_path / "kept")
    (Path(sources[1]) / "scores.csv").write_text("prompt_id,model,score\np1,zoe,0\np2,zoe,1\n")
    found = collection.collect(sources, tmp_path / "kept")

    assert read == ["old", "new", "new"]
    assert rows(found) == rows(collection.collect(sources))
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_step_says_which_candidates_are_new_changed_and_gone(sources: Sequence[str], tmp_path: Path) -> None:
    def run(*given: str) -> str:
        return collect.run(given, tmp_path / "scores", tmp_path / "page.html", str(tmp_path / "kept"))[0]

    assert "; the first collection here, " in run(sources[0])
    digest = Collection.read(tmp_path / "scores").digest()
    assert run(sources[0]).endswith(f"the same as the last collection, {digest}")
    assert run(*sources).endswith(
        f"against the last collection, {digest}: 'zoe' is new, the scores of 2 candidates are as before; "
        "the prompts are as before"
    )

    (Path(sources[0]) / "scores.csv").write_text("prompt_id,model,score\np1,ann,0\np2,ann,0\n")
    assert "'bob' is gone, 'ann' is changed, the scores of 1 candidate are as before;" in run(*sources)


def test_step_and_page_say_which_prompts_and_tasks_are_new_changed_and_gone(
    sources: Sequence[str], tmp_path: Path
) -> None:
    def run(prompts: str) -> str:
        (Path(sources[0]) / "prompts.csv").write_text("prompt_id,benchmark,category,prompt\n" + prompts)
        return collect.run(sources[:1], tmp_path / "scores", tmp_path / "page.html", str(tmp_path / "kept"))[0]

    run("p1,b,b,First?\np2,b,sums,Second?\np3,b,old,Third?\np4,b,same,Fourth?\n")
    said = run("p1,b,b,Another first?\np2,b,sums,Second?\np5,b,new,Fifth?\np6,b,sums,Sixth?\np4,b,same,Fourth?\n")

    assert said.endswith(
        "the scores of 2 candidates are as before; 2 prompts are new, 1 prompt is gone, 1 prompt is changed; "
        "of the tasks 'b/new' is new, 'b/old' is gone, 'b', 'b/sums' are changed"
    )
    assert "1 prompt is gone" in (tmp_path / "page.html").read_text()
    assert len(list((tmp_path / "kept").glob("last-collection*"))) == 2


def test_collection_before_prompts_were_kept_is_compared_by_its_scores(sources: Sequence[str], tmp_path: Path) -> None:
    changes.since(tmp_path / "last.json", collection.collect(sources[:1]))
    for path in tmp_path.glob("last-*.parquet"):
        path.unlink()

    said = changes.since(tmp_path / "last.json", collection.collect(sources))

    assert said.endswith("'zoe' is new, the scores of 2 candidates are as before")


def test_digest_of_a_candidate_does_not_depend_on_the_others(sources: Sequence[str]) -> None:
    alone, both = (changes.by_candidate(collection.collect(given)) for given in (sources[:1], sources))

    assert {name: both[name] for name in alone} == alone


def test_verb_prints_what_changed_beside_its_result(sources: Sequence[str], tmp_path: Path) -> None:
    def run(*given: str) -> str:
        options = ["--into", str(tmp_path / "into"), "--kept", str(tmp_path / "kept")]
        found = CliRunner().invoke(app, ["collect", *given, *options])
        assert found.exit_code == 0
        return found.output

    run(sources[0])
    shutil.rmtree(tmp_path / "into")

    assert "'zoe' is new, the scores of 2 candidates are as before" in run(*sources)


def test_sources_are_read_again_once_text_in_pictures_can_be_read(
    sources: list[str], read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_text, "is_installed", lambda: False)
    collection.collect(sources, tmp_path / "kept")
    monkeypatch.setattr(picture_text, "is_installed", lambda: True)
    collection.collect(sources, tmp_path / "kept")
    collection.collect(sources, tmp_path / "kept")

    assert read == ["old", "new", "old", "new"]
