"""Scores that do not fit into memory are merged candidate by candidate, and come out as if they did."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsat.data import collection, score_runs
from modelsat.data.collection import Collection
from modelsat.data.readers import tidy
from modelsat.io import scratch, storage
from modelsat.io.scratch import ScratchFolder

PROMPTS = "prompt_id,benchmark,category,prompt\n" + "".join(f"p{i},b{i % 2},t,Question {i}?\n" for i in range(6))
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**scores: str) -> Path:
        folder = tmp_path / "source"
        folder.mkdir(exist_ok=True)
        (folder / "prompts.csv").write_text(PROMPTS)
        for name, rows in scores.items():
            (folder / f"scores-{name}.csv").write_text("prompt_id,model,score,cost_usd\n" + rows)
        return folder

    return write


@pytest.fixture
def source(write: Write) -> Path:
    """Return three files: `zoe` has one score twice, `bob` two in conflict,`ann` NaN and a false cost."""
    return write(
        a="p0,zoe,1,0.5\np1,zoe,0,\np0,bob,1,\np5,ann,NaN,\np4,ann,1,5000\n",
        b="p0,zoe,1,0.25\np0,bob,0,\np2,ann,0.5,\np3,bob,1,\n",
        c="p9,zoe,1,\np3,ann,,\np1,ann,x,\np2,bob,0,0.125\n",
    )


def told(found: Collection) -> dict[str, object]:
    """Return all of a collection but the time, in an order that is part of it."""
    return {
        "scores": found.scores.drop_columns(["collected_at"]).to_pylist(),
        "others": [table.to_pylist() for table in (found.prompts, found.candidates, found.rejects)],
        "notes": found.notes,
        "digest": found.digest(),
    }


@pytest.mark.parametrize("held", [1, 3, 6])
def test_scores_merged_by_candidate_are_those_merged_at_once(
    source: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = told(collection.collect([str(source)]))

    monkeypatch.setattr(score_runs, "HELD", held)
    by_candidate = told(collection.collect([str(source)]))

    assert by_candidate == at_once
    assert [(row["candidate"], row["prompt_id"], row["score"]) for row in at_once["scores"]] == [  # type: ignore[attr-defined]
        *(("ann", "p2", 0.5), ("ann", "p4", 1.0), ("bob", "p2", 0.0), ("bob", "p3", 1.0)),
        *(("zoe", "p0", 1.0), ("zoe", "p1", 0.0), ("zoe", "p9", 1.0)),
    ]


def test_merged_scores_leave_nothing_but_their_own_file(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_runs, "HELD", 2)
    found = collection.collect([str(source)])

    assert [path.name for path in found.__dict__["_path"].parent.iterdir()] == ["scores.parquet"]


def test_folder_of_long_tables_is_read_file_by_file_with_the_same_result(source: Path) -> None:
    files = storage.snapshot(str(source), source)
    whole, parts = tidy.read(files), list(tidy.parts(files))

    assert [part.scores.num_rows for part in parts] == [4, 4, 2, 0]
    assert [row for part in parts for row in part.scores.drop_columns(["collected_at"]).to_pylist()] == (
        whole.scores.drop_columns(["collected_at"]).to_pylist()
    )
    assert (parts[-1].prompts, parts[-1].rejects, parts[-1].notes) == (whole.prompts, whole.rejects, whole.notes)


@pytest.mark.parametrize("beside", ["measures.csv", "tokens_in.csv"])
def test_folder_with_measures_beside_is_read_as_a_whole(source: Path, beside: str) -> None:
    (source / beside).write_text("prompt_id,model,tokens_in,zoe\np0,zoe,7,7\n")

    (harvest,) = tidy.parts(storage.snapshot(str(source), source))

    assert harvest.scores["tokens_in"].to_pylist().count(7) == 2


def test_folder_of_a_killed_process_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from modelsat.io.scratch import ScratchFolder as S; s = S(); print(s.path, flush=True); input()"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    with process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        scratch.clear_abandoned(tmp_path)
        assert folder.is_dir()

        process.send_signal(signal.SIGKILL)
        process.wait()

        with ScratchFolder() as mine:
            assert list(tmp_path.iterdir()) == [mine]
    assert list(tmp_path.iterdir()) == []
