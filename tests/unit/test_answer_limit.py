"""A limit goes by its new name only where a provider asks for it."""

import json

import pytest

from modelsat.io import answer_limit


@pytest.mark.parametrize(
    ("status", "message", "asked"),
    [
        (400, "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.", True),
        (422, "max_tokens is deprecated, use max_completion_tokens", True),
        (400, "max_tokens has been replaced by `max_completion_tokens`", True),
        (400, "'max_tokens' or 'max_completion_tokens' is too large: 16384.", False),
        (400, "max_completion_tokens: extra inputs are not permitted", False),
        (429, "Use 'max_completion_tokens' instead.", False),
    ],
)
def test_only_a_refusal_that_asks_for_the_new_name_changes_it(status: int, message: str, asked: bool) -> None:
    assert answer_limit.asks_for_new_name(status, json.dumps({"error": {"message": message}}).encode()) is asked


@pytest.mark.parametrize(
    ("status", "message", "refused"),
    [
        (400, "Unrecognized request argument supplied: max_completion_tokens", True),
        (422, "max_completion_tokens: extra inputs are not permitted", True),
        (400, "'max_tokens' or 'max_completion_tokens' is too large: 16384.", False),
        (400, "This model's maximum context length is 8192 tokens.", False),
        (400, "Unsupported value: 'temperature' does not support 0.", False),
        (500, "Unrecognized request argument supplied: max_completion_tokens", False),
    ],
)
def test_only_a_refusal_of_the_new_name_itself_brings_the_old_one_back(
    status: int, message: str, refused: bool
) -> None:
    assert answer_limit.refuses_new_name(status, json.dumps({"error": {"message": message}}).encode()) is refused


def test_limit_keeps_its_place_and_value() -> None:
    body = b'{"model": "m", "max_tokens": 5, "messages": []}'

    assert answer_limit.body_with_new_name(body) == b'{"model": "m", "max_completion_tokens": 5, "messages": []}'


@pytest.mark.parametrize("fields", [{}, {"max_tokens": None}, {"max_tokens": 5, "max_completion_tokens": 5}])
def test_request_without_a_limit_under_the_old_name_alone_stays_as_it_is(fields: dict[str, object]) -> None:
    assert answer_limit.with_new_name(fields) is None
