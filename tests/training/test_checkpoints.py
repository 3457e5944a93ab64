"""A checkpoint counts once everything in it is there, and never before."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import checkpoints


class Engine:
    """Writes, as DeepSpeed does, one file per rank into the folder of the tag."""

    def __init__(self, dies: bool = False) -> None:
        self.dies = dies

    def save_checkpoint(self, folder: str, tag: str, **options: bool) -> None:
        assert options == {"save_latest": False, "exclude_frozen_parameters": True}
        (Path(folder) / tag).mkdir(parents=True, exist_ok=True)
        (Path(folder) / tag / "rank_0.pt").write_bytes(tag.encode() * 50)
        if self.dies:
            raise KeyboardInterrupt
        (Path(folder) / tag / "rank_1.pt").write_bytes(tag.encode() * 70)


def save(folder: Path, *steps: int, engine: Any = None, rank: int = 0) -> None:
    for step in steps:
        checkpoints.save(engine or Engine(), folder, step, {"history": [step]}, rank, lambda: None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_saved_checkpoint_is_complete_and_keeps_what_was_saved_beside_it(tmp_path: Path) -> None:
    save(tmp_path, 7)

    assert checkpoints.complete(tmp_path) == ["step-0000007"]
    assert checkpoints.progress(tmp_path, "step-0000007") == {"history": [7]}


def test_manifest_names_every_file_with_size_and_digest(tmp_path: Path) -> None:
    save(tmp_path, 7)

    files = json.loads((tmp_path / "step-0000007.json").read_text())["files"]
    assert {name: facts["size"] for name, facts in files.items()} == {"rank_0.pt": 600, "rank_1.pt": 840}
    assert all(len(facts["sha256"]) == 64 for facts in files.values())


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    save(tmp_path, 9, 10, 100)

    assert checkpoints.complete(tmp_path) == ["step-0000010", "step-0000100"]
    assert names(tmp_path) == ["step-0000010", "step-0000010.json", "step-0000100", "step-0000100.json"]


def test_checkpoint_without_a_manifest_does_not_count_and_goes_with_the_next_one(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, 2, engine=Engine(dies=True))

    before = checkpoints.complete(tmp_path)
    save(tmp_path, 3)

    assert before == ["step-0000001"]
    assert checkpoints.complete(tmp_path) == ["step-0000001", "step-0000003"]
    assert "step-0000002" not in names(tmp_path)


def test_checkpoint_that_was_half_written_over_a_complete_one_does_not_count(tmp_path: Path) -> None:
    class Other(Engine):
        def save_checkpoint(self, folder: str, tag: str, **_: bool) -> None:
            (Path(folder) / tag / "rank_0.pt").write_bytes(b"new")
            raise KeyboardInterrupt

    save(tmp_path, 1, 2)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, 2, engine=Other())

    assert checkpoints.complete(tmp_path) == ["step-0000001"]


@given(cut=st.integers(0, 839))
def test_truncated_file_leaves_the_last_complete_checkpoint(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("checkpoints")
    save(folder, 1, 2)
    file = folder / "step-0000002" / "rank_1.pt"

    file.write_bytes(file.read_bytes()[:cut])

    assert checkpoints.complete(folder) == ["step-0000001"]


@given(place=st.integers(0, 839), bit=st.integers(0, 7))
def test_flipped_bit_leaves_the_last_complete_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("checkpoints")
    save(folder, 1, 2)
    file = folder / "step-0000002" / "rank_1.pt"
    content = bytearray(file.read_bytes())

    content[place] ^= 1 << bit
    file.write_bytes(content)

    assert checkpoints.complete(folder) == ["step-0000001"]


@pytest.mark.parametrize(
    "manifest", ["", "{", '{"progress": {}}', "[]", "null", '{"files": ["rank_0.pt"]}', '{"files": {"rank_0.pt": {}}}']
)
def test_manifest_that_cannot_be_read_leaves_the_last_complete_checkpoint(tmp_path: Path, manifest: str) -> None:
    save(tmp_path, 1, 2)

    (tmp_path / "step-0000002.json").write_text(manifest)

    assert checkpoints.complete(tmp_path) == ["step-0000001"]


def test_file_that_is_gone_leaves_the_last_complete_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)

    (tmp_path / "step-0000002" / "rank_0.pt").unlink()

    assert checkpoints.complete(tmp_path) == ["step-0000001"]


def test_broken_checkpoint_does_not_push_out_a_complete_one(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    (tmp_path / "step-0000002" / "rank_0.pt").unlink()

    save(tmp_path, 3)

    assert checkpoints.complete(tmp_path) == ["step-0000001", "step-0000003"]


def test_step_that_is_done_again_after_a_broken_checkpoint_is_complete(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    (tmp_path / "step-0000002" / "rank_0.pt").unlink()

    save(tmp_path, 2)

    assert checkpoints.complete(tmp_path) == ["step-0000001", "step-0000002"]


def test_only_the_first_rank_writes_the_manifest(tmp_path: Path) -> None:
    save(tmp_path, 1, rank=1)

    assert names(tmp_path) == ["step-0000001"]
    assert checkpoints.complete(tmp_path) == []


def test_manifest_is_written_once_all_ranks_have_saved(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    checkpoints.save(Engine(), tmp_path, 1, {}, 0, lambda: seen.append(checkpoints.complete(tmp_path)))

    assert seen == [[], ["step-0000001"]]


def test_folder_in_which_nothing_was_saved_holds_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoints.complete(tmp_path) == []
    assert checkpoints.complete(tmp_path / "absent") == []
