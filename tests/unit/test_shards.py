"""Sources that tasks of their own read and one merges, and the file of scores that comes of it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelsat.data import collection, readers, shards, table_blocks
from modelsat.data.collection import Collection
from modelsat.data.readers import score_columns
from modelsat.data.sources import named
from modelsat.errors import InputError
from modelsat.steps import collect

PROMPTS = "prompt_id,benchmark,prompt\n" + "".join(f"p{i},b{i % 2},Question {i}?\n" for i in range(6))
Merge = Callable[[Sequence[str], int], Path]


class OneMoment(datetime):
    """A clock that stands still, so that files can be compared byte by byte."""

    @classmethod
    def now(cls, tz: object = None) -> "OneMoment":
        assert tz is UTC
        return cls(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return three folders: one conflict between two of them, one score twice, one rejected row."""
    monkeypatch.setattr(score_columns, "datetime", OneMoment)
    rows = {
        "one": "p5,zoe,1\np0,zoe,0\np1,bob,1\np2,ann,x\n",
        "two": "p3,cid,1\np0,bob,0.5\np1,bob,0\np4,ann,1\n",
        "three": "p4,ann,1\np2,zoe,0.25\np0,abe,1\n",
    }
    for name, scores in rows.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "prompts.csv").write_text(PROMPTS)
        (tmp_path / name / "scores.csv").write_text("prompt_id,model,score\n" + scores)
    return [str(tmp_path / name) for name in rows]


def apart(sources: Sequence[str], tasks: int, into: Path, kept: Path | None = None) -> Collection:
    """Return what one task merges of what others have read."""
    shares = shards.groups(sources, tasks)
    for number, group in enumerate(shares):
        shards.read(group, into / str(number), kept)
    # Which task was done first must not matter.
    return collection.merge(shards.harvests(sources, [into / str(i) for i in reversed(range(len(shares)))]), sources)


def files(found: Collection, folder: Path) -> dict[str, bytes]:
    found.write(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_result_is_that_of_one_collect_byte_for_byte(
    sources: list[str], tasks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = files(collection.collect(sources), tmp_path / "once")
    assert collection.Collection.read(tmp_path / "once").counts()["rejected_rows"] == 3

    # Small blocks: names come in another order than where a file is read as a whole.
    monkeypatch.setattr(table_blocks, "BLOCK", 2)
    assert files(apart(sources, tasks, tmp_path / "parts"), tmp_path / "merged") == at_once


def test_kept_sources_are_not_read_again_by_tasks_of_their_own(
    sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = files(apart(sources, 3, tmp_path / "parts", tmp_path / "kept"), tmp_path / "first")
    monkeypatch.delattr(readers, "read")

    assert files(apart(sources, 2, tmp_path / "again", tmp_path / "kept"), tmp_path / "second") == first


@pytest.mark.parametrize(
    ("tasks", "groups"),
    [
        (1, [["a", "b", "c", "d", "e"]]),
        (2, [["a", "c", "e"], ["b", "d"]]),
        (9, [["a"], ["b"], ["c"], ["d"], ["e"]]),
    ],
)
def test_sources_are_shared_out_evenly_each_once(tasks: int, groups: list[list[str]]) -> None:
    assert shards.groups(["a", "b", "a/", "c", "d", "e", "a"], tasks) == groups


def test_error_of_a_task_names_its_source(sources: list[str], tmp_path: Path) -> None:
    (Path(sources[1]) / "scores.csv").unlink()

    with pytest.raises(InputError, match="two"):
        shards.read(sources, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_source_that_no_task_read_is_named(sources: list[str], tmp_path: Path) -> None:
    shards.read(sources[:1], tmp_path / "part")

    with pytest.raises(InputError, match=r"no task has read '.*two'; run the steps that read the sources again"):
        list(shards.harvests(sources, [tmp_path / "part"]))


def test_step_says_how_much_it_read_and_the_merging_step_what_changed(sources: list[str], tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    assert collect.read(sources[:2], tmp_path / "part", kept) == "7 scores in 2 sources"

    sentence, counts = collect.run(sources[:2], tmp_path / "s", tmp_path / "page", kept, [tmp_path / "part"])

    assert "; the first collection here, " in sentence
    assert counts["scores"] == 5


def test_no_source_is_an_error_before_a_task_starts() -> None:
    with pytest.raises(InputError, match="no sources were given"):
        named([])
