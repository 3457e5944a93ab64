"""Collecting, validating and building instructions, killed at any moment: nothing is half-written, the next goes on.

`MODELSAT_KILLS=10` kills at ten moments, spread evenly over a run.
"""

import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelsat.aptitude.instructions import Instructions
from modelsat.data import score_runs
from modelsat.data.collection import Collection
from modelsat.steps import collect, instruct, validate

KILLS = int(os.environ.get("MODELSAT_KILLS", "1"))
PROMPTS, CANDIDATES, FILES = 400, 6, 4
# Children are forked from a process that has read all modules and runs no threads.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__, "great_expectations", "sklearn.feature_extraction.text"])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with long tables whose scores do not fit into the memory that `run` allows."""
    folder = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(0)
    ids = [f"p{i:03d}" for i in range(PROMPTS)]
    texts = {
        "benchmark": [f"b{i % 3}" for i in range(PROMPTS)],
        "prompt": [f"What is {i} plus {i}?" for i in range(PROMPTS)],
    }
    pq.write_table(pa.table({"prompt_id": ids, **texts}), folder / "prompts.parquet")
    for file in range(FILES):
        pairs = [(one, f"m{name}") for one in ids[file::FILES] for name in range(CANDIDATES)]
        scores = {"prompt_id": [one for one, _ in pairs], "model": [name for _, name in pairs]}
        right = rng.integers(0, 2, len(pairs)).astype(float)
        pq.write_table(pa.table({**scores, "score": right}), folder / f"scores-{file}.parquet")
    return folder


def run(source: Path, into: Path) -> None:
    """Run the three stages as a pipeline does, and note how many seconds they took."""
    start = time.monotonic()
    tempfile.tempdir = str(into / "tmp")
    score_runs.HELD = 500
    collect.run([str(source)], into / "scores", into / "collected.html")
    validate.run(into / "scores", str(into / "champions"), 0.0, 0.1, into / "validated.html")
    instruct.run(into / "scores", 5, 50, into / "instructions", into / "preview")
    (into / "seconds").write_text(str(time.monotonic() - start))


def finished(source: Path, into: Path, seconds: float | None = None) -> bool:
    """Run the stages in a process, kill it after so many seconds, and say whether it was through by then."""
    process = PROCESSES.Process(target=run, args=(source, into))
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -9)
    return process.exitcode == 0


def told(into: Path) -> dict[str, object]:
    """Return what the outputs that are there say; whatever is half-written fails here."""
    found: dict[str, object] = {}
    if (into / "scores").exists():
        scores = Collection.read(into / "scores")
        found["scores"] = [scores.counts(), scores.digest()]
    if (into / "instructions").exists():
        instructions = Instructions.read(into / "instructions")
        found["instructions"] = [instructions.counts(), instructions.facts["data_digest"]]
    for name in ("collected.html", "validated.html", "preview"):
        if (into / name).exists():
            found[name] = (into / name).read_text().replace(str(into), "")
    return found


def test_stages_that_are_killed_leave_nothing_half_written_and_go_on(source: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        (folder / "tmp").mkdir(parents=True)
    assert finished(source, whole)
    seconds, wanted = float((whole / "seconds").read_text()), told(whole)
    assert list(wanted) == ["scores", "instructions", "collected.html", "validated.html", "preview"]

    for kill in range(KILLS):
        finished(source, killed, seconds * (kill + 0.5) / KILLS)
        assert told(killed).items() <= wanted.items()

    assert finished(source, killed)
    assert told(killed) == wanted
    assert sorted(path.name for path in killed.rglob("*") if path.is_dir()) == ["instructions", "scores", "tmp"]
