"""Answers are read out of replies, and what cannot be read is said to be so."""

import pytest

from modelsat.errors import InputError
from modelsat.onboarding.asking import replies


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Answer: B", "B"),
        ("First I add.\n\n**Answer:** (C) 14", "C"),
        ("Answer: A\nNo, wait: that is wrong.\nAnswer: D.", "D"),
        ("The answer is: b", "B"),
        ("<think>Answer: A would be tempting</think>\nAnswer: B", "B"),
        ("B", "B"),
        ("(b).", "B"),
        ("Answer: E", None),
        ("Answer: Banana", None),
        ("Answer:", None),
        ("It could be A.\nIt could be B.", None),
        ("<think>Answer: A, and then", None),
        ("", None),
    ],
)
def test_letter_is_one_of_the_options_or_cannot_be_read(reply: str, answer: str | None) -> None:
    assert replies.read(reply, "letter", options=4) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Answer: 1,234", "1234"),
        ("12 + 6 is 18.\nAnswer: $18.", "18"),
        ("Answer: 12 + 6 = 18", "18"),
        ("Answer: \u22123.5 metres", "-3.5"),
        ("42", "42"),
        ("Answer: many", None),
        ("First 12.\nThen 18.", None),
    ],
)
def test_number_is_the_last_one_of_the_answer(reply: str, answer: str | None) -> None:
    assert replies.read(reply, "number") == answer


@pytest.mark.parametrize(
    ("answer", "gold", "scorer", "score"),
    [
        ("18", "18.0", "number", 1.0),
        ("1234", "$1,234", "number", 1.0),
        ("1e3", "1000", "number", 1.0),
        ("18", "19", "number", 0.0),
        ("B", "b", "letter", 1.0),
        ("A", "B", "letter", 0.0),
        ("new york", "New  York.", "exact", 1.0),
        ("york", "New York", "exact", 0.0),
        (None, "B", "letter", 0.0),
    ],
)
def test_answer_is_right_or_wrong(answer: str | None, gold: str, scorer: str, score: float) -> None:
    assert replies.score(answer, gold, scorer) == score


def test_short_answer_is_read_without_its_decoration() -> None:
    assert replies.score(replies.read("Answer: `New York.`", "exact"), "new york", "exact") == 1.0


@pytest.mark.parametrize(
    ("reply", "score"),
    [("Answer: 8 May 1945.", 0.0), ("Answer: 8 may 1945", 1.0), ("Answer: 1945", 1.0), ("Answer: in 1945", 0.0)],
)
def test_pattern_matches_the_whole_answer_case_aside(reply: str, score: float) -> None:
    answer = replies.read(reply, "regex")

    assert replies.score(answer, "(8 May )?1945", "regex") == score


def test_pattern_that_takes_too_long_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "_MATCHING_SECONDS", 1e-9)

    with pytest.raises(InputError, match="write a simpler pattern"):
        replies.score("y " * 400, "(.*)(.*)(.*)x", "regex")
