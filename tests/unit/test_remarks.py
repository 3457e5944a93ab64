"""Every remark has a name that the docs list; a source that gave nothing says why."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from modelsat import cli
from modelsat.data import collection, contract_suites, sources
from modelsat.data.collection import Collection
from modelsat.data.contract_suites import ValidationLimits
from modelsat.data.expectations import WARNING
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.remarks import Remark
from modelsat.errors import InputError

DOCS = Path(__file__).parents[2] / "docs" / "remarks.md"
PROMPTS = "prompt_id,benchmark,category,prompt,choices\np1,sums,sums,What is 1 + 1?,\np2,sums,sums,What is 2 + 2?,\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a source of two prompts with these scores."""

    def one(name: str, scores: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "scores.csv").write_text(scores, encoding="utf-8")
        (folder / "prompts.csv").write_text(PROMPTS, encoding="utf-8")
        return folder

    return one


def section(title: str) -> str:
    return DOCS.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_docs_list_every_name_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", section("Remarks by name"), re.MULTILINE)

    assert listed == sorted(Remark)


def test_docs_list_every_warning_of_the_validation(golden: Collection) -> None:
    limits = ValidationLimits()
    rules = [
        *contract_suites.some_scores(),
        *contract_suites.scores([], []),
        *contract_suites.some_prompts(),
        *contract_suites.prompts(limits),
        *contract_suites.candidates(limits),
        *contract_suites.benchmarks(limits),
        *contract_suites.drift(limits),
    ]
    titles = [rule.title for rule in rules if rule.severity == WARNING] + ["Every candidate answers where it was run"]

    listed = section("Warnings of the validation")
    assert len(titles) >= 4
    assert [title for title in titles if title not in listed] == []


def test_remark_ends_with_its_name_and_stands_once() -> None:
    log = ReadingLog()

    for _ in range(2):
        log.note(Remark.NO_SCORE, "3 calls failed")

    assert log.notes == ["3 calls failed [no-score]"]


def test_source_without_scores_is_named_beside_one_with_scores(write: Callable[..., Path]) -> None:
    good = write("good", "prompt_id,ada,bob\np1,1,0\np2,0,1\n")
    bad = write("bad", "prompt_id,eve,dan\np1,well,ill\np2,well,ill\n")

    found = collection.collect([str(good), str(bad)])

    (note,) = [one for one in found.notes if one.endswith("[source-without-scores]")]
    assert note.startswith(f"'{bad}' gave no scores: 2 rows or files are rejected, first {bad / 'scores.csv'}: column")


def test_source_that_repeats_another_is_said_to_repeat_it(write: Callable[..., Path]) -> None:
    rows = "prompt_id,ada,bob\np1,1,0\np2,0,1\n"
    first, copy = str(write("first", rows)), str(write("copy", rows))

    beside, twice = collection.collect([first, copy]), collection.collect([first, first])

    assert [one for one in beside.notes if "gave no scores" in one] == [
        f"{max(first, copy)!r} gave no scores: all that it holds are in another source too, and counted there "
        "[source-without-scores]"
    ]
    assert [one for one in twice.notes if "gave no scores" in one] == [
        f"{first!r} gave no scores: it is named twice, and read once [source-without-scores]"
    ]


@pytest.mark.parametrize(
    ("rejects", "notes", "why"),
    [
        ([], (), "its files hold no rows with a score"),
        ([], ("'left/results.json' has only averages",), "'left/results.json' has only averages"),
        ([("left/a.csv", 3)], (), "1 row or file is rejected, first left/a.csv row 3: not a number"),
    ],
    ids=["nothing", "remark", "reject"],
)
def test_reason_is_the_first_reject_or_else_a_remark(
    rejects: list[tuple[str, int]], notes: tuple[str, ...], why: str
) -> None:
    rows = pa.table(
        {
            "source_uri": pa.array([uri for uri, _ in rejects], pa.string()),
            "source_row": pa.array([row for _, row in rejects], pa.int64()),
            "reason": pa.array(["not a number"] * len(rejects), pa.string()),
        }
    )

    assert sources.without_scores(["left"], [], rows, notes) == [f"'left' gave no scores: {why}"]


def test_collect_that_reads_nothing_ends_with_code_2_and_says_why_for_each_source(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    texts = write("texts", "prompt_id,ada,bob\np1,well,ill\np2,well,ill\n")
    empty = write("empty", "prompt_id,ada,bob\np1,,\np2,,\n")

    with pytest.raises(InputError) as refused:
        CliRunner().invoke(
            cli.app, ["collect", str(texts), str(empty), "--into", str(tmp_path / "out")], catch_exceptions=False
        )

    sentence = str(refused.value)
    assert sentence.startswith(f"no score could be read, '{tmp_path / 'out.html'}' shows all that was found; ")
    assert f"'{texts}' gave no scores: 2 rows or files are rejected" in sentence
    assert f"'{empty}' gave no scores: " in sentence
    assert (tmp_path / "out.html").is_file()
    assert not (tmp_path / "out").exists()
