"""Of a long prompt the beginning and the end are read, of a document the question behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.text.prompt_window import last_part, token_ids, window


@pytest.mark.parametrize(
    ("max_tokens", "kept"),
    [(4, [0, 1, 8, 9]), (5, [0, 1, 7, 8, 9]), (9, [0, 1, 2, 3, 5, 6, 7, 8, 9]), (10, list(range(10)))],
)
def test_first_and_last_halves_are_kept(max_tokens: int, kept: list[int]) -> None:
    assert window(range(10), max_tokens) == kept


@given(st.lists(st.integers()), st.integers(4, 40))
def test_window_is_never_longer_than_allowed_and_keeps_both_ends(ids: list[int], max_tokens: int) -> None:
    kept = window(ids, max_tokens)

    assert len(kept) == min(len(ids), max_tokens)
    assert kept[:2] == ids[:2]
    assert kept[-2:] == ids[-2:]


@given(st.lists(st.integers(), max_size=10))
def test_short_prompt_is_left_as_it_is(ids: list[int]) -> None:
    assert window(ids, 10) == ids


QUESTION = (
    "Which of these rivers, all of which rise in the Alps and none of which reaches the sea within Italy, is "
    "the longest one?"
)


class Words:
    """A tokenizer whose tokens are words."""

    def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[str]]]:
        return {"input_ids": [["[CLS]", *text.split(), "[SEP]"] for text in texts]}


def read(text: str, max_tokens: int = 40) -> list[str]:
    return token_ids(Words(), [text], max_tokens)[0]


@pytest.mark.parametrize("between", ["\n\n", "\n \n", "\n\n\n", "\n\nQuestion: ", "\n\nQ:\n"])
def test_question_behind_a_document_is_read_as_the_bare_question(between: str) -> None:
    document = "A paragraph of some words.\n\n" * 50

    assert read(document.strip() + between + QUESTION) == read(QUESTION)


def test_lettered_options_stay_with_the_line_of_their_question() -> None:
    asked = "Which one?\nA. the Rhine, which is rather long\n(B) the Rhone, which is not as long as that"

    assert read("A line of some words.\n" * 50 + asked) == read(asked)


def test_short_last_paragraph_is_read_with_the_one_before_it() -> None:
    assert last_part(f"A document.\n\n{QUESTION}\n\nThanks!") == f"{QUESTION}\n\nThanks!"


def test_document_without_blank_lines_is_divided_by_lines() -> None:
    assert read("A line of some words.\n" * 50 + QUESTION) == read(QUESTION)


def test_document_without_any_division_keeps_both_ends() -> None:
    words = [str(i) for i in range(1000)]

    assert read(" ".join(words), 10) == ["[CLS]", "0", "1", "2", "3", "996", "997", "998", "999", "[SEP]"]


def test_prompt_of_a_few_windows_is_no_document() -> None:
    text = "first " * 20 + "\n\n" + "last " * 30 + QUESTION

    assert read(text)[1] == "first"


def test_company_in_a_batch_changes_nothing() -> None:
    texts = [QUESTION, "word " * 500, "A paragraph.\n\n" * 100 + QUESTION, "short"]

    assert token_ids(Words(), texts, 40) == [read(text) for text in texts]
