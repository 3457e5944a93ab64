"""A gateway's log becomes scores: answers joined with what was said of them, everything left out told of."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from modelsat.aptitude import frozen_test
from modelsat.cli import app
from modelsat.data import readers, validation
from modelsat.data.collection import Collection, collect, merge
from modelsat.data.readers import feedback
from modelsat.errors import InputError
from modelsat.feedback import log, own_outcomes
from modelsat.feedback.joining import join
from modelsat.io import storage

AT = datetime(2026, 11, 24, 20, 15, tzinfo=UTC)


def answer(key: str, candidate: str = "ada", **more: Any) -> dict[str, Any]:
    """Return the row of an answer to a prompt of its own."""
    row = {
        "event": "answer",
        "id": key,
        "request_id": f"request-{key}",
        "at": AT.isoformat(),
        "router_version": "0123456789ab",
        "candidate": candidate,
        "outcome": "routed",
        "success_probability": 0.5,
        "propensity": 1.0,
        "client": "c1",
        "user": "",
        "prompt_digest": f"digest-{key}",
        "prompt": f"What is the answer to question {key}?",
    }
    return {name: value for name, value in (row | more).items() if value is not None}


def outcome(key: str, score: float, minute: int = 16, client: str = "c1") -> dict[str, Any]:
    return {
        "event": "outcome",
        "id": key,
        "at": AT.replace(minute=minute).isoformat(),
        "client": client,
        "score": score,
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a log and returns its folder."""

    def written(*rows: Any, own: str = "", review: Any = None) -> Path:
        folder = tmp_path / "log"
        folder.mkdir(exist_ok=True)
        lines = [row if isinstance(row, bytes) else log.encode(row) for row in rows]
        (folder / log.segment(AT, "0123abcd", 1)).write_bytes(b"".join(lines))
        if own:
            (folder / "outcomes-november.csv").write_text(own)
        if review is not None:
            (folder / "review.json").write_text(json.dumps(review))
        return folder

    return written


def joined(folder: Path) -> Any:
    return join(storage.snapshot(str(folder), folder))


def test_folder_of_segments_is_a_log() -> None:
    assert feedback.claims(["feedback-20261124T201500-0123abcd-000001.jsonl", "review.json"])
    assert not feedback.claims(["feedback.jsonl", "outcomes.csv"])
    assert feedback in readers.READERS


def test_the_last_thing_that_a_client_says_counts_once(write: Callable[..., Path]) -> None:
    said = [outcome("a", 0.0, minute=18), outcome("a", 1.0, minute=17), outcome("a", 1.0, minute=17)]

    votes = joined(write(answer("a"), *said)).votes

    assert (votes.ids.tolist(), votes.scores.tolist(), votes.givers.tolist()) == (["a"], [0.0], ["c1"])


def test_segment_that_was_written_twice_counts_once(write: Callable[..., Path]) -> None:
    found = joined(write(answer("a"), answer("a"), outcome("a", 1.0), outcome("a", 1.0)))

    assert (found.answers, found.votes.scores.tolist()) == (1, [1.0])


def test_outcome_of_no_answer_or_of_somebody_elses_is_counted_and_left(write: Callable[..., Path]) -> None:
    found = joined(write(answer("a"), outcome("b", 1.0), outcome("a", 1.0, client="c2")))

    assert len(found.votes.ids) == 0
    assert found.unjoined == {"the answer is not in the log": 2}


def test_the_operator_names_an_answer_by_its_id_or_its_request_and_is_what_the_client_is_measured_by(
    write: Callable[..., Path],
) -> None:
    answers = [answer("a"), answer("b"), answer("1", request_id="same"), answer("2", request_id="same")]
    own = "request_id,score\nrequest-a,0.25\nb,1\nsame,1\nnever,1\n"

    found = joined(write(*answers, outcome("a", 1.0), own=own))

    assert found.votes.ids.tolist() == ["a", "b", "a"]
    assert found.votes.givers.tolist() == ["", "", "c1"]
    assert found.votes.scores.tolist() == [0.25, 1.0, 1.0]
    assert found.votes.known[2] == 0.25
    assert found.unjoined == {
        "several answers have the request id": 1,
        "the answer is not in the log": 1,
    }


def test_trusted_client_vouches_for_its_users(write: Callable[..., Path]) -> None:
    rows = [answer("a", user="u1"), answer("b", user=""), answer("c", client="c2", user="u1")]
    said = [outcome("a", 1.0), outcome("b", 1.0), outcome("c", 1.0, client="c2")]

    votes = joined(write(*rows, *said, review={"trusted_clients": ["c1"]})).votes

    assert votes.givers.tolist() == ["c1/u1", "c1", "c2"]


@pytest.mark.parametrize("review", [[], {"trusted": ["c1"]}, {"trusted_clients": "c1"}])
def test_what_a_person_decided_is_never_passed_over(write: Callable[..., Path], review: Any) -> None:
    with pytest.raises(InputError, match="it knows accepted_candidates, trusted_clients"):
        joined(write(answer("a"), review=review))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{\n", "the line is no row of the gateway's log"),
        (b'{"event":"joke"}\n', "the line is no row of the gateway's log"),
        (log.encode(outcome("a", 1.5)), "'score' is no number in [0, 1]"),
        (log.encode(answer("b", candidate=None)), "'candidate' is no text"),
        (log.encode(answer("b", prompt=7)), "'prompt' is no text"),
    ],
)
def test_damaged_line_is_rejected_with_its_place_and_the_rest_is_read(
    write: Callable[..., Path], line: bytes, reason: str
) -> None:
    found = feedback.read(storage.snapshot(str(write(answer("a"), line, own="id,score\na,1\n")), Path()))

    (reject,) = found.rejects.to_pylist()
    assert reject["source_row"] == 2
    assert reject["source_uri"].endswith(".jsonl")
    assert reject["reason"].startswith(reason)
    assert found.scores["score"].to_pylist() == [1.0]


def test_row_of_the_operator_that_is_no_score_is_rejected(write: Callable[..., Path]) -> None:
    found = feedback.read(storage.snapshot(str(write(answer("a"), own="id,score\na,1\na,100\n")), Path()))

    (reject,) = found.rejects.to_pylist()
    assert reject["source_uri"].endswith("outcomes-november.csv")
    assert reject["source_row"] == 3
    assert reject["reason"] == "the row needs an id and a score in [0, 1], not '100'; correct it"


def test_scores_hold_who_was_chosen_and_nobody_else(write: Callable[..., Path]) -> None:
    """`ada` answered the same prompt twice, `bob` once another: two rows, none for what was not chosen."""
    rows = [answer("a"), answer("b", prompt_digest="digest-a", prompt=answer("a")["prompt"]), answer("c", "bob")]

    found = collect([str(write(*rows, own="id,score\na,1\nb,0\nc,1\n"))])

    scores = {(row["candidate"], row["score"]) for row in found.scores.to_pylist()}
    assert scores == {("ada", 0.5), ("bob", 1.0)}
    assert set(found.prompts["prompt"].to_pylist()) == {answer(key)["prompt"] for key in "ac"}
    assert set(found.scores["harness"].to_pylist()) == {"modelsat-feedback"}
    assert found.rejects.num_rows == 0
    assert found.notes == ("3 of 3 outcomes of 3 answers are learned from [feedback-read]",)
    assert validation.check(found).passed


def test_what_is_left_out_is_told_with_the_reason(write: Callable[..., Path]) -> None:
    rows = [answer("a", prompt=None), answer("b"), outcome("b", 1.0), outcome("gone", 1.0)]

    found = feedback.read(storage.snapshot(str(write(*rows, own="id,score\na,1\n")), Path()))

    assert found.scores.num_rows == 0
    (note,) = found.notes
    start, _, reasons = note.removesuffix(" [feedback-read]").partition("; left out: ")
    assert start == "0 of 3 outcomes of 2 answers are learned from"
    assert sorted(reasons.split(", ")) == [
        "1 since the answer is not in the log",
        "1 since the candidate has too few prompts",
        "1 since the prompt's text was not kept (--feedback-text keeps it)",
    ]


def test_what_users_asked_is_learned_from_and_never_in_the_aptitude_test(
    write: Callable[..., Path], make_collection: Callable[..., Collection], tmp_path: Path
) -> None:
    texts = [f"Benchmark question number {i} about rivers and lakes" for i in range(80)]
    benchmark = make_collection([[i % 2, (i // 2) % 2] for i in range(80)], texts, ["ada", "bob"])
    keys = [f"{i:03d}" for i in range(300)]
    own = "id,score\n" + "".join(f"{key},{i % 2}\n" for i, key in enumerate(keys))
    said = collect([str(write(*(answer(key) for key in keys), own=own))])
    both = merge([readers.Harvest(one.scores, one.prompts, one.candidates, one.rejects) for one in (benchmark, said)])

    asked = set(frozen_test.choose(both).table["text"].to_pylist())

    assert both.scores.num_rows == 2 * 80 + 300
    assert asked
    assert asked <= set(texts)


PUSHED = [
    row
    for candidate, score in (("ada", 0.5), ("bob", 0.5), ("eve", 0.9))
    for i in range(200)
    for row in (
        answer(f"{candidate}-{i}", candidate, client=f"c{i % 20}"),
        outcome(f"{candidate}-{i}", score - 0.1 * (i % 2) + 0.05, client=f"c{i % 20}"),
    )
]


def test_check_shows_what_is_learned_and_fails_where_a_candidate_is_quarantined(write: Callable[..., Path]) -> None:
    folder = str(write(*PUSHED))

    shown = CliRunner().invoke(app, ["feedback", "check", folder])
    told = CliRunner().invoke(app, ["feedback", "check", folder, "--json"])

    assert isinstance(shown.exception, Exception)
    assert "candidate 'eve' is quarantined: its outcomes lie +40.0 points" in str(shown.exception)
    assert "400 of 600 outcomes of 600 answers are learned from; left out: 200 since the candidate is quarantined" in (
        shown.stdout
    )
    rows = {row["candidate"]: row for row in json.loads(told.stdout)["candidates"]}
    assert (rows["eve"]["mean"], rows["eve"]["learned_mean"]) == (pytest.approx(0.9), None)
    assert rows["ada"]["learned"] == 200


def test_log_without_outcomes_and_folder_without_log_are_sentences(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("prompt_id,ada\n")

    silent = CliRunner().invoke(app, ["feedback", "check", str(write(answer("a")))])
    wrong = CliRunner().invoke(app, ["feedback", "check", str(tmp_path / "scores.csv")])

    assert silent.exit_code == 0
    assert silent.stdout.startswith("0 of 0 outcomes of 1 answers are learned from\n")
    assert str(wrong.exception).startswith("there is no feedback-*.jsonl")


def test_accepted_candidate_is_learned(write: Callable[..., Path]) -> None:
    folder = str(write(*PUSHED, review={"accepted_candidates": ["eve"]}))

    shown = CliRunner().invoke(app, ["feedback", "check", folder])

    assert shown.exit_code == 0
    assert "600 of 600 outcomes of 600 answers are learned from" in shown.stdout


@pytest.mark.parametrize(
    ("text", "taken", "lines"),
    [
        ("id,score\na,0.5\nb,good\nc,1\n", [("a", 0.5), ("c", 1.0)], [3]),
        ("id,score\na,true\nb,False\n", [("a", 1.0), ("b", 0.0)], []),
        ("id,score\na,1\nb,\nc,0\n", [("a", 1.0), ("c", 0.0)], [3]),
        ("id,score\n007,1\nNA,0\n,0.5\n", [("007", 1.0), ("NA", 0.0)], [4]),
        ("id, score\na, 1\n", [("a", 1.0)], []),
        ('id,comment,score\na,"x\ny",1\nb,z,0_1\n', [("a", 1.0)], [4]),
        ("id,score\na,1,2\nb\nc,1\n", [("c", 1.0)], [2, 3]),
        ("id,score\na,nan\nb,1e400\nc,-1\n", [], [2, 3, 4]),
    ],
)
def test_cell_that_cannot_be_read_is_a_fault_of_its_row_alone(
    tmp_path: Path, text: str, taken: list[tuple[str, float]], lines: list[int]
) -> None:
    (tmp_path / "outcomes.csv").write_text(text)
    (file,) = storage.snapshot(str(tmp_path), tmp_path)

    found, faults = own_outcomes.read(file)

    assert found == taken
    assert [line for _, line, _ in faults] == lines


def test_outcomes_separated_by_semicolons_are_named(tmp_path: Path) -> None:
    (tmp_path / "outcomes.csv").write_text("id;score\na;1\n")

    _, ((_, line, reason),) = own_outcomes.read(storage.snapshot(str(tmp_path), tmp_path)[0])

    assert (line, "semicolons" in reason) == (None, True)
