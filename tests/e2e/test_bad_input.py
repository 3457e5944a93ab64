"""Bad input through the commands, as a user meets it: one sentence and its exit code, and nothing half-written.

MLflow that dies at registration is in `tests/pipelines/test_retrain_run.py`, the pipeline's own halt on a bad score
too, and a long prompt at the endpoint in `tests/serving/test_malformed_requests.py`.
"""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from modelsat.cli import main
from modelsat.data import sample

LM_EVAL = Path(__file__).parents[1] / "data" / "lm_eval"
ROW = 5
DENIED = b"<Error><Code>AccessDenied</Code></Error>"


@dataclass(frozen=True)
class Said:
    """What a command said and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def modelsat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that runs a command of modelsat."""

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["modelsat", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "scores"
    sample.write(folder, prompts=300)
    return folder


@pytest.fixture
def scores(good: Path, tmp_path: Path) -> Path:
    """A copy of good results, to be spoilt."""
    return Path(shutil.copytree(good, tmp_path / "scores"))


def spoil(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"\n".join(change(path.read_bytes().split(b"\n"))))


def with_score(value: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Replace the first score of a row."""

    def change(lines: list[bytes]) -> list[bytes]:
        prompt, _, *others = lines[ROW - 1].split(b",")
        return [*lines[: ROW - 1], b",".join([prompt, value, *others]), *lines[ROW:]]

    return change


def cut_off(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-2], lines[-2][: len(lines[-2]) // 2]]


def not_utf8(lines: list[bytes]) -> list[bytes]:
    return [*lines[: ROW - 1], b"\xff" + lines[ROW - 1], *lines[ROW:]]


def contradicted(lines: list[bytes]) -> list[bytes]:
    prompt, first, *others = lines[ROW - 1].split(b",")
    return [*lines[:-1], b",".join([prompt, b"0" if first == b"1" else b"1", *others]), b""]


def badly_named(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b"sim-translator", "a lab//größe".encode()), *lines[1:]]


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (cut_off, "row 301", "the file may be cut off, copy it again"),
        (not_utf8, f"row {ROW}", "the row is not UTF-8; save the file as UTF-8"),
        (with_score(b"1.4"), f"row {ROW}", "score 1.4; rescale percentages and points to [0, 1]"),
        (with_score(b"85"), f"row {ROW}", "score 85.0; rescale percentages and points to [0, 1]"),
        (contradicted, "row 302", "keep the right one"),
        (badly_named, "", "'a lab//größe' is not usable; rename it with ASCII letters"),
    ],
    ids=["truncated line", "not UTF-8", "1.4", "85", "another score", "name"],
)
def test_spoilt_row_stops_the_run_in_one_sentence_with_file_and_row(
    modelsat: Callable[..., Said],
    scores: Path,
    tmp_path: Path,
    change: Callable[[list[bytes]], list[bytes]],
    where: str,
    what: str,
) -> None:
    spoil(scores / "scores.csv", change)

    collected = modelsat("collect", scores, "--into", tmp_path / "collected")
    validated = modelsat("validate", tmp_path / "collected", "--page", tmp_path / "page.html")

    assert collected.code == 0
    assert validated.code == 3
    assert validated.err.count("\n") == 1
    assert f"{scores}/scores.csv {where}".strip() in validated.err
    assert what in validated.err
    assert f"{scores}/scores.csv" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_all_other_rows_survive_a_spoilt_one(
    modelsat: Callable[..., Said], good: Path, scores: Path, tmp_path: Path
) -> None:
    spoil(scores / "scores.csv", not_utf8)
    modelsat("collect", good, "--into", tmp_path / "all")
    modelsat("collect", scores, "--into", tmp_path / "others")

    whole, others = (pq.read_table(tmp_path / name / "scores.parquet") for name in ("all", "others"))
    lost = {row["prompt_id"] for row in whole.to_pylist()} - {row["prompt_id"] for row in others.to_pylist()}
    assert len(lost) == 1
    assert whole.num_rows - others.num_rows == 12


def test_nan_means_not_run(modelsat: Callable[..., Said], good: Path, scores: Path, tmp_path: Path) -> None:
    spoil(scores / "scores.csv", with_score(b"nan"))

    whole = modelsat("collect", good, "--into", tmp_path / "whole")
    said = modelsat("collect", scores, "--into", tmp_path / "collected")

    count = re.compile(r"([\d,]+) scores of 12 candidates on 300 prompts")
    counted = [int(count.search(one.out)[1].replace(",", "")) for one in (whole, said)]  # type: ignore[index]
    assert counted[0] - counted[1] == 1
    assert "rejected" not in said.out
    assert modelsat("validate", tmp_path / "collected").code == 0


def test_candidate_without_results_is_left_out_and_named(
    modelsat: Callable[..., Said], scores: Path, tmp_path: Path
) -> None:
    with (scores / "models.csv").open("a", encoding="utf-8") as models:
        models.write("ghost-7b,simulated,,,,,\n")

    said = modelsat("collect", scores, "--into", tmp_path / "collected")

    assert said.code == 0
    assert said.err == (
        f"note: candidate 'ghost-7b' is listed in '{scores}' but has no scores, so it is left out; "
        "add its results or remove its row [candidate-without-scores]\n"
    )
    assert modelsat("validate", tmp_path / "collected").code == 0


def test_two_harness_versions_of_a_candidate_leave_the_newest(modelsat: Callable[..., Said], tmp_path: Path) -> None:
    said = modelsat("collect", LM_EVAL / "0.4.12", LM_EVAL / "0.4.13", "--into", tmp_path / "collected")

    assert said.code == 0
    rows = pq.read_table(tmp_path / "collected" / "scores.parquet").to_pylist()
    keys = [(row["candidate"], row["prompt_id"], row["metric"]) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row["harness_version"] for row in rows} == {"0.4.13"}


def test_question_of_a_hundred_thousand_characters_goes_through(
    modelsat: Callable[..., Said], scores: Path, tmp_path: Path
) -> None:
    spoil(
        scores / "prompts.csv",
        lambda lines: [
            lines[0],
            lines[1].replace(b"Find the sum", b"Find " + b"very " * 20_000 + b"the sum"),
            *lines[2:],
        ],
    )

    modelsat("collect", scores, "--into", tmp_path / "collected")

    longest = max(map(len, pq.read_table(tmp_path / "collected" / "prompts.parquet")["prompt"].to_pylist()))
    assert longest > 100_000
    assert modelsat("validate", tmp_path / "collected").code == 0
    assert modelsat("instruct", tmp_path / "collected", "--into", tmp_path / "instructions").code == 0


@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
def test_folder_without_files_is_refused_and_leaves_nothing(
    modelsat: Callable[..., Said], tmp_path: Path, exists: bool
) -> None:
    if exists:
        (tmp_path / "nothing").mkdir()

    said = modelsat("collect", tmp_path / "nothing", "--into", tmp_path / "collected")

    assert said.code == 2
    assert said.err.startswith(f"'{tmp_path}/nothing' ")
    assert "; name a folder or s3:// prefix" in said.err
    assert said.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == (["nothing"] if exists else [])


def test_bucket_that_denies_access_is_named_and_leaves_nothing(
    modelsat: Callable[..., Said], s3_that_answers: Callable[..., None], tmp_path: Path
) -> None:
    s3_that_answers(lambda *_: (403, DENIED))

    said = modelsat("collect", "s3://secret/scores", "--into", tmp_path / "collected")

    assert said.code == 5
    assert said.err.startswith("S3 denies access to 's3://secret/scores' (AccessDenied); grant")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_named_and_leaves_nothing_half_written(
    modelsat: Callable[..., Said], mount_disk: Callable[[str], Path], scores: Path
) -> None:
    disk = mount_disk("size=16k")

    said = modelsat("collect", scores, "--into", disk / "collected")

    assert said.code == 6
    assert said.err.startswith("the disk is full: ")
    assert "free some space" in said.err
    assert said.err.count("\n") == 1
    assert list(disk.iterdir()) == []


def test_same_command_goes_on_once_the_input_is_right(
    modelsat: Callable[..., Said], good: Path, scores: Path, tmp_path: Path
) -> None:
    spoil(scores / "scores.csv", cut_off)
    commands = (
        ("collect", scores, "--into", tmp_path / "collected"),
        ("validate", tmp_path / "collected"),
        ("instruct", tmp_path / "collected", "--into", tmp_path / "instructions"),
    )
    codes = [modelsat(*command).code for command in commands[:2]]
    shutil.copy(good / "scores.csv", scores / "scores.csv")

    assert codes == [0, 3]
    assert [modelsat(*command).code for command in commands] == [0, 0, 0]
