"""One function makes the text that a router sees; one digest tells questions apart and nothing else."""

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.text.rendering import digest, option_letter, render_card, render_card_line, render_prompt, stem_digest

LONG = "Which of the two planets named below is nearer to the sun on an average day"
WORDS = st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=8), min_size=1, max_size=12)


def test_prompt_with_options_has_one_lettered_line_each() -> None:
    assert render_prompt("Which is red?", ["sky", "blood"]) == "Which is red?\nA. sky\nB. blood"


@pytest.mark.parametrize("choices", [None, []])
def test_open_prompt_stays_as_it_is(choices: list[str] | None) -> None:
    assert render_prompt(" Why?\n", choices) == " Why?\n"


@pytest.mark.parametrize(
    ("index", "letter"),
    [(0, "A"), (1, "B"), (25, "Z"), (26, "AA"), (27, "AB"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")],
)
def test_options_are_lettered_like_columns_of_a_sheet(index: int, letter: str) -> None:
    assert option_letter(index) == letter


def test_no_two_options_share_a_letter() -> None:
    assert len({option_letter(i) for i in range(2000)}) == 2000


def test_card_line_states_accuracy_and_keywords() -> None:
    line = render_card_line(["sums", "carry", "digits", "add", "total"], 0.8333)

    assert line == 'accuracy 83.3% on "sums, carry, digits, add, total"'


def test_card_joins_its_lines_into_one_sentence() -> None:
    assert render_card(["accuracy 1.0% on x", "accuracy 2.0% on y"]) == (
        "The model achieves accuracy 1.0% on x, accuracy 2.0% on y."
    )


@pytest.mark.parametrize(
    "variant",
    [
        "Which of the two planets named below is nearer to the sun, on an average day?",
        "  WHICH OF THE TWO PLANETS NAMED BELOW IS NEARER TO THE SUN ON AN AVERAGE DAY  ",
        "Which of the two\nplanets named below\tis nearer to the sun on an average day…",
        "Which of the two planets named below is nearer to the sun – “on an average day”",
        "\uff37\uff48\uff49\uff43\uff48 of the two planets named below is nearer to the sun on an average day",
        "**Which** of the two planets _named_ below is nearer to the sun on an average day.",
    ],
)
def test_typography_does_not_change_the_stem_digest(variant: str) -> None:
    assert stem_digest(variant) == stem_digest(LONG)


@given(
    WORDS, st.sampled_from([" ", "  ", "\n", ", ", " - ", "… ", "\u00a0"]), st.sampled_from([str.upper, str.title, str])
)
def test_separators_and_case_never_change_the_stem_digest(words: list[str], separator: str, case: type[str]) -> None:
    assert stem_digest(case(separator.join(words))) == stem_digest(" ".join(words))


@given(WORDS, WORDS)
def test_other_words_always_change_the_stem_digest(words: list[str], others: list[str]) -> None:
    assert (stem_digest(" ".join(words)) == stem_digest(" ".join(others))) == (words == others)


def test_other_number_changes_the_stem_digest() -> None:
    assert len({stem_digest(f"What is {i} plus {j}?") for i, j in itertools.product(range(20), repeat=2)}) == 400


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 7 + 5?", "What is 7 - 5?"),
        ("What does print(3 * 4) show?", "What does print(3 ** 4) show?"),
        ("How many lines does the spectrum have with J >> a?", "How many lines does the spectrum have with J << a?"),
        ("What is the absolute value of -5, and its square?", "What is the absolute value of 5, and its square?"),
    ],
)
def test_other_operator_changes_the_stem_digest(one: str, other: str) -> None:
    assert stem_digest(one) != stem_digest(other)


def test_other_vowel_sign_changes_the_stem_digest() -> None:
    assert stem_digest("\u0915\u093f \u0928\u0926\u0940") != stem_digest("\u0915\u0941 \u0928\u0926\u0940")


def test_options_tell_short_stems_apart() -> None:
    assert stem_digest("Which is true?", ["A dog barks", "A cat barks"]) != stem_digest(
        "Which is true?", ["Ice is cold", "Ice is hot"]
    )


@given(st.permutations(["Mercury", "Venus", "Earth", "Mars"]))
def test_order_of_options_never_changes_the_stem_digest(choices: list[str]) -> None:
    assert stem_digest("Which is nearest?", choices) == stem_digest(
        "Which is nearest?", ["Mercury", "Venus", "Earth", "Mars"]
    )


def test_options_of_a_long_stem_do_not_count() -> None:
    assert stem_digest(LONG, ["Mercury", "Venus"]) == stem_digest(LONG, ["Mars", "Earth"]) == stem_digest(LONG)


def test_stem_without_any_word_is_told_apart_by_its_signs() -> None:
    assert stem_digest("???") != stem_digest("!!!")


def test_digest_is_the_same_on_every_machine() -> None:
    assert digest("modelsat") == "2ba5ad6461d263f0f436aa17fcc301b8"


def test_digest_takes_text_that_is_not_unicode() -> None:
    assert len(digest("\udcff")) == 32


@given(st.text(), st.lists(st.text(), max_size=3))
def test_stem_digest_is_always_32_hexadecimal_characters(prompt: str, choices: list[str]) -> None:
    value = stem_digest(prompt, choices)

    assert len(value) == 32
    assert set(value) <= set("0123456789abcdef")
