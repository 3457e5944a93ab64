"""A provider's own sentence is shown, and never a key or a word of the question with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.onboarding.asking import provider_words
from modelsat.onboarding.asking.provider_words import Refusal, refusal, remedy

QUESTION = "A secret recipe: what is 17 plus 25, said by somebody who can add?"
FIELDS = ("temperature", "max_tokens")


def read(error: object, key: str = "the-key-of-bob") -> Refusal:
    return refusal(json.dumps({"error": error}).encode(), QUESTION, key, "org/gpt-5-thinking-20260101-preview", FIELDS)


@pytest.mark.parametrize(
    ("error", "field", "advice"),
    [
        (
            {
                "message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                "param": "max_tokens",
            },
            "max_tokens",
            'set {"max_completion_tokens": 16384} in the row\'s request_body or with --body; max_tokens is left out',
        ),
        (
            {"message": "Unsupported value: 'temperature' does not support 0.", "param": "temperature"},
            "temperature",
            'leave the field out with {"temperature": null}, or set another value, in the row\'s request_body or '
            "with --body",
        ),
        (
            {"message": "'max_tokens' or 'max_completion_tokens' is too large: 16384."},
            "max_tokens",
            'set {"max_completion_tokens": 16384} in the row\'s request_body or with --body; max_tokens is left out',
        ),
        ({"message": "max_tokens: 16384 > 8192, the maximum of this model"}, "max_tokens", "set a lower max_tokens"),
        ({"message": "The model `gpt-9` does not exist", "param": "model"}, "model", "check the model's name"),
        ({"message": "The response was filtered", "param": "prompt"}, "", ""),
        ("no such thing", "", ""),
    ],
)
def test_advice_is_given_where_a_field_is_named(error: object, field: str, advice: str) -> None:
    found = read(error)

    assert found.field == field
    assert remedy(found).startswith(advice)
    assert bool(remedy(found)) == bool(advice)


def test_keys_are_blotted_out_and_the_models_name_is_not() -> None:
    found = read(
        {
            "message": "Incorrect API key provided: sk-proj-abcdef1234567890. Bearer the-key-of-bob and "
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 cannot use gpt-5-thinking-20260101-preview."
        }
    ).sentence

    assert found == "Incorrect API key provided: ***. *** and *** cannot use gpt-5-thinking-20260101-preview."


def test_sentence_that_repeats_the_question_is_not_shown() -> None:
    assert read({"message": f"Your prompt {QUESTION[10:40]!r} was flagged"}).sentence == ""


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", b"[]", b"7", b'{"error": 7}', b"\xff", b"[" * 9999])
def test_page_or_rubbish_says_nothing(content: bytes) -> None:
    assert refusal(content, QUESTION, "", "bob", FIELDS) == Refusal("")


def test_sentence_is_one_line_of_bounded_length() -> None:
    found = read({"message": "a\nb\x00c " + "so long " * 100}).sentence

    assert found.startswith("a b c so long")
    assert len(found) == 240


@given(st.text(max_size=300), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=60))
def test_key_never_comes_through(words: str, key: str) -> None:
    shown = refusal(json.dumps({"message": f"{words} {key} {words}"}).encode(), QUESTION, key, "bob", FIELDS).sentence

    assert key not in shown


def test_message_of_every_usual_shape_is_found() -> None:
    for body in (
        {"error": {"message": "no"}},
        {"error": "no"},
        {"message": "no"},
        {"detail": "no"},
        [{"error": {"message": "no"}}],
    ):
        assert provider_words.refusal(json.dumps(body).encode(), QUESTION, "", "bob", FIELDS).sentence == "no"
