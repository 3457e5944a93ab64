"""Results to measure on: nothing that makes figures wrong passes, and nothing is left out without a word."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelsat.data import measurable
from modelsat.errors import InputError

PROMPTS = "prompt_id,benchmark,prompt\np1,sums,What is 1 + 1?\np2,words,Spell cat.\n"
SCORES = "prompt_id,ada,bob\np1,1,0\np2,0.5,1\n"

Told = tuple[set[tuple[str, str]], list[str]]


@pytest.fixture
def collect(tmp_path: Path) -> Callable[..., Told]:
    """Return a function that collects tables and returns which (candidate, prompt) have a score, and what is told."""

    def write_and_collect(prompts: str | None = PROMPTS, scores: str = SCORES) -> Told:
        (tmp_path / "scores.csv").write_text(scores)
        if prompts is not None:
            (tmp_path / "prompts.csv").write_text(prompts)
        told: list[str] = []
        table = measurable.collect([str(tmp_path)], told.append).scores
        return set(zip(table["candidate"].to_pylist(), table["prompt_id"].to_pylist(), strict=True)), told

    return write_and_collect


def test_clean_results_pass_without_a_word(collect: Callable[..., Told]) -> None:
    assert collect() == ({("ada", "p1"), ("bob", "p1"), ("ada", "p2"), ("bob", "p2")}, [])


@pytest.mark.parametrize("score", ["100", "-0.1", "inf"])
def test_scores_on_another_scale_are_refused_with_their_row(collect: Callable[..., Told], score: str) -> None:
    with pytest.raises(InputError, match=rf"such as {float(score)} of 'ada' in .*scores\.csv row 3; rescale"):
        collect(scores=SCORES.replace("0.5", score))


def test_file_that_cannot_be_read_is_refused(collect: Callable[..., Told], tmp_path: Path) -> None:
    (tmp_path / "models.parquet").write_bytes(b"PAR1, then cut off")

    with pytest.raises(InputError, match=r"models\.parquet: the file is damaged"):
        collect()


def test_scores_without_their_prompts_are_refused(collect: Callable[..., Told]) -> None:
    with pytest.raises(InputError, match=r"row 2: prompt id 'p1'\); put the table of prompts beside the scores"):
        collect(prompts=None)


def test_rejected_row_is_told_with_its_reason(collect: Callable[..., Told]) -> None:
    pairs, (told,) = collect(scores=SCORES.replace("0.5", "half"))

    assert ("ada", "p2") not in pairs
    assert told.startswith("note: 1 row is rejected, such as")
    assert "scores.csv row 3: the score of 'ada' is not a number" in told


def test_score_of_an_unknown_prompt_is_told(collect: Callable[..., Told]) -> None:
    _, (told,) = collect(scores=SCORES + "p9,1,1\n")

    assert told.startswith("note: 2 rows are on unknown prompts")
    assert told.endswith("row 4: prompt id 'p9' [prompts-unknown]")
