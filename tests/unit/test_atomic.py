"""Files and folders are complete or absent, whatever ends the process that writes them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsat.errors import InputError, ResourceError
from modelsat.io import atomic

TEXT = st.text(st.characters(exclude_categories=["Cs"]))

WRITE_HALF_A_FILE = """
import sys, time
from modelsat.io.atomic import atomic_file
with atomic_file(sys.argv[1]) as beside:
    beside.write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""

WRITE_HALF_A_FOLDER = """
import sys, time
from modelsat.io.atomic import atomic_folder
with atomic_folder(sys.argv[1]) as beside:
    (beside / "first").write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


def kill_in_the_middle(program: str, target: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def everything(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_and_fail(beside: Path) -> None:
    (beside / "fresh" if beside.is_dir() else beside).write_text("new")
    raise ZeroDivisionError


def visible(folder: Path) -> list[str]:
    return [name for name in everything(folder) if not name.startswith(".")]


def test_file_appears_only_when_the_block_has_ended(tmp_path: Path) -> None:
    target = tmp_path / "target"

    with atomic.atomic_file(target) as beside:
        beside.write_text("whole")
        seen_inside = target.exists()

    assert not seen_inside
    assert target.read_text() == "whole"
    assert everything(tmp_path) == ["target"]


def test_failing_block_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")

    with pytest.raises(ZeroDivisionError), atomic.atomic_file(target) as beside:
        write_and_fail(beside)

    assert target.read_text() == "old"
    assert everything(tmp_path) == ["target"]


def test_missing_parent_folders_are_made(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a" / "b" / "target", "text")
    with atomic.atomic_folder(tmp_path / "c" / "d" / "folder") as beside:
        (beside / "x").write_text("x")

    assert (tmp_path / "a" / "b" / "target").read_text() == "text"
    assert (tmp_path / "c" / "d" / "folder" / "x").read_text() == "x"


def test_file_and_folder_can_be_read_by_other_users(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "file", "text")
    with atomic.atomic_folder(tmp_path / "folder"):
        pass

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


def test_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "stale").write_text("old")

    with atomic.atomic_folder(target) as beside:
        (beside / "fresh").write_text("new")
        seen_inside = everything(target)

    assert seen_inside == ["stale"]
    assert everything(target) == ["fresh"]
    assert everything(tmp_path) == ["target"]


def test_failing_block_leaves_the_old_folder_and_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "stale").write_text("old")

    with pytest.raises(ZeroDivisionError), atomic.atomic_folder(target) as beside:
        write_and_fail(beside)

    assert everything(target) == ["stale"]
    assert everything(tmp_path) == ["target"]


@pytest.mark.parametrize("program", [WRITE_HALF_A_FILE, WRITE_HALF_A_FOLDER], ids=["file", "folder"])
def test_killed_writer_leaves_nothing_at_the_target(tmp_path: Path, program: str) -> None:
    kill_in_the_middle(program, tmp_path / "target")

    assert visible(tmp_path) == []


def test_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")

    kill_in_the_middle(WRITE_HALF_A_FILE, tmp_path / "target")

    assert visible(tmp_path) == ["target"]
    assert (tmp_path / "target").read_text() == "old"


def test_killed_writer_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "stale").write_text("old")

    kill_in_the_middle(WRITE_HALF_A_FOLDER, tmp_path / "target")

    assert visible(tmp_path) == ["target"]
    assert everything(tmp_path / "target") == ["stale"]


def test_writer_after_a_killed_one_succeeds(tmp_path: Path) -> None:
    kill_in_the_middle(WRITE_HALF_A_FILE, tmp_path / "target")

    atomic.write_text(tmp_path / "target", "whole")

    assert (tmp_path / "target").read_text() == "whole"


def test_full_disk_leaves_the_old_file_and_says_what_to_do(mount_disk: Callable[[str], Path]) -> None:
    disk = mount_disk("size=64k")
    (disk / "target").write_text("old")

    with pytest.raises(ResourceError, match=r"the disk is full: .*target.* could not be written.*free some space"):
        atomic.write_text(disk / "target", "x" * 100_000)

    assert (disk / "target").read_text() == "old"
    assert everything(disk) == ["target"]


def test_full_disk_leaves_the_old_folder(mount_disk: Callable[[str], Path]) -> None:
    disk = mount_disk("size=64k")
    (disk / "target").mkdir()
    (disk / "target" / "stale").write_text("old")

    with pytest.raises(ResourceError, match="the disk is full"), atomic.atomic_folder(disk / "target") as beside:
        (beside / "fresh").write_text("x" * 100_000)

    assert everything(disk / "target") == ["stale"]
    assert everything(disk) == ["target"]


@pytest.mark.parametrize("write", [atomic.atomic_file, atomic.atomic_folder], ids=["file", "folder"])
def test_disk_without_room_for_another_name_is_named_too(
    mount_disk: Callable[[str], Path], write: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    disk = mount_disk("size=64k,nr_inodes=2")
    (disk / "occupied").touch()

    with pytest.raises(ResourceError, match="the disk is full"), write(disk / "target"):
        pass


def test_read_only_target_is_refused_and_stays_as_it_was(mount_disk: Callable[[str], Path]) -> None:
    disk = mount_disk("size=64k")
    (disk / "target").write_text("old")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    with pytest.raises(OSError, match="Read-only file system"):
        atomic.write_text(disk / "target", "new")

    assert (disk / "target").read_text() == "old"


def test_other_faults_on_a_disk_with_room_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="something else"), atomic.atomic_file(tmp_path / "target"):
        raise RuntimeError("something else")


@pytest.mark.parametrize(
    "fault",
    [OSError(28, "No space left on device"), OSError(122, "Disk quota exceeded"), RuntimeError("No space left on dev")],
)
def test_every_way_of_reporting_a_full_disk_is_one_error(tmp_path: Path, fault: Exception) -> None:
    with pytest.raises(ResourceError, match="the disk is full"), atomic.atomic_file(tmp_path / "target"):
        raise fault

    assert everything(tmp_path) == []


def test_file_that_cannot_be_written_is_named_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    atomic.require_writable(tmp_path / "new" / "out.json")
    with pytest.raises(InputError, match=r"out\.json' cannot be written \(.+\); name another place"):
        atomic.require_writable(tmp_path / "file" / "out.json")
    with pytest.raises(InputError, match=r"cannot be written \(it is a folder\)"):
        atomic.require_writable(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_that_no_other_reader_takes_is_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(tmp_path / "target", {"value": value})

    assert everything(tmp_path) == []


@settings(max_examples=20)
@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda x: st.lists(x) | st.dictionaries(TEXT, x)))
def test_json_comes_back_as_it_was(tmp_path: Path, value: object) -> None:
    atomic.write_json(tmp_path / "target", value)

    assert json.loads((tmp_path / "target").read_text(encoding="utf-8")) == value


@given(TEXT)
def test_text_comes_back_byte_for_byte(tmp_path: Path, text: str) -> None:
    atomic.write_text(tmp_path / "target", text)

    assert (tmp_path / "target").read_bytes() == text.encode()
