"""Of a long prompt the beginning and the end are read, of a document the question behind it."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsat.text import prompt_window
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import load_tokenizer
from modelsat.text.prompt_window import DOCUMENT, LEAST_QUESTION, last_part, shortened, token_ids, truncated, window

WORDPIECE = load_tokenizer(default_backbone())


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


# Words, figures, Chinese, punctuation and gaps, of which any three hundred hold more than 64 tokens a thousand letters.
pieces = st.sampled_from(
    [
        "the ",
        "instructions ",
        "12,345.67 ",
        "na\u00efve ",
        "\u65e5\u672c\u8a9e",
        "def f(x): ",
        "\n",
        "\n\n",
        "\n  \n",
        "\nA. ",
        "\n(B) ",
    ]
)
long_texts = st.lists(st.lists(pieces, max_size=12).map("".join), min_size=1, max_size=6).flatmap(
    lambda blocks: st.lists(st.sampled_from(blocks), max_size=120).map("".join)
)


def read_whole(tokenizer: Any, text: str, max_tokens: int) -> list[int]:
    """Tokenise the whole text and cut afterwards."""
    ids = tokenizer([text], verbose=False)["input_ids"][0]
    for division in (prompt_window._PARAGRAPH, prompt_window._LINE):
        if len(ids) > DOCUMENT * max_tokens:
            ids = tokenizer([searched_whole(text, division)], verbose=False)["input_ids"][0]
    return window(ids, max_tokens)


def searched_whole(text: str, division: re.Pattern[str]) -> str:
    starts = [0, *(gap.end() for gap in division.finditer(text))]
    last = next((text[start:] for start in reversed(starts) if len(text) - start >= LEAST_QUESTION), text)
    return prompt_window._LABEL.sub("", last)


@settings(deadline=None)
@given(long_texts)
def test_text_that_is_shortened_first_gives_the_tokens_of_the_whole_text(text: str) -> None:
    """A window of 8 tokens reads at most 512 characters."""
    assert token_ids(WORDPIECE, [text], 8) == [read_whole(WORDPIECE, text, 8)]


def test_long_prose_code_and_lists_give_the_tokens_of_the_whole_text() -> None:
    prose = "The router reads the beginning and the end, and it costs nothing more. " * 400
    code = "def total(values):\n    for value in values:\n        yield value  # 1,024\n" * 400
    row = '  {"prompt": "Which?", "choices": ["a", "b"], "score": 0.25},\n' * 400
    texts = [
        prose,
        code,
        row,
        "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3002" * 4000,
        prose + "\n\n" + QUESTION,
        code + "\n\n" + prose,
    ]

    assert all(len(text) > 20_000 for text in texts)
    assert token_ids(WORDPIECE, texts, 256) == [read_whole(WORDPIECE, text, 256) for text in texts]
    assert truncated(WORDPIECE, [*texts, QUESTION], 256).tolist() == [True] * 6 + [False]


@given(long_texts, st.integers(1, 40))
def test_last_part_is_that_of_a_search_through_the_whole_text(text: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompt_window, "_BLOCK", block)
        for division in (prompt_window._PARAGRAPH, prompt_window._LINE):
            assert last_part(text, division) == searched_whole(text, division)


def test_tokenizer_is_never_given_more_than_four_windows_of_characters() -> None:
    given_to_it: list[int] = []

    class Counting(Words):
        def __call__(self, texts: list[str], **options: object) -> dict[str, list[list[str]]]:
            given_to_it.extend(map(len, texts))
            return super().__call__(texts, **options)

    texts = ["word " * 800_000, "word\n\n" * 600_000, "x" * 4_000_000]
    token_ids(Counting(), texts, 40)

    assert max(given_to_it) == 16 * 4 * 40
    assert truncated(Counting(), texts, 40).all()
    assert shortened("short", 40) == "short"
