"""Answers to an aptitude test are read as results, and damage is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
from llm_server import LlmServer
from test_asking import QUICK, candidate, question, right

from modelsat.bundle.bundle import Bundle
from modelsat.data import readers
from modelsat.data.collection import collect
from modelsat.data.readers import asked
from modelsat.onboarding import asking


@pytest.fixture
def folder(tmp_path: Path, make_bundle: Callable[..., Bundle]) -> Path:
    bundle = make_bundle({"ada": 0.5}, aptitude_test=[question(i) for i in range(3)])
    with LlmServer(right).running() as server:
        return asking.ask(bundle, candidate(server), tmp_path / "bob", QUICK)


def test_folder_of_answers_is_told_from_tidy_tables() -> None:
    assert asked.claims(["asked.json", "answers.parquet", "prompts.parquet", "models.parquet"])
    assert not asked.claims(["answers.parquet", "scores.parquet", "prompts.parquet"])
    assert readers.READERS.index(asked) == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("answers.parquet", b"PAR1 and then nothing"),
        ("asked.json", b"{"),
        ("asked.json", b"[]"),
        ("asked.json", b'{"harness_version": "0.1.0", "ended_at": "yesterday"}'),
    ],
)
def test_damaged_file_is_rejected_with_what_to_do(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)

    found = collect([str(folder)])

    assert found.scores.num_rows == 0
    (reason,) = found.rejects["reason"].to_pylist()
    assert reason.startswith("the answers are damaged (")
    assert reason.endswith("copy the folder again, or run `modelsat ask` again")
