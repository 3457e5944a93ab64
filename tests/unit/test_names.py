"""Candidate names survive headers, URLs, metric names and file names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data.candidate_names import fault_in_candidate, suggest_candidate

USABLE = [
    "gpt-4o",
    "o1-mini-2024-09-12",
    "meta-llama/Llama-3.1-8B-Instruct",
    "openrouter/meta/llama:free",
    "a/b/c/d",
    "x",
    "0",
    "model@main",
    "c++",
    "a" * 200,
    "openrouter/auto",
]
UNUSABLE = [
    "two words",
    "a//b",
    "/a",
    "a/",
    "../a",
    "a/../b",
    "a/.hidden",
    "a/b/c/d/e",
    "naïve",
    "a\n",
    "a\r\nSet-Cookie: x",
    "-rf",
    "a,b",
    "<b>",
    "a?b",
    "a%2Fb",
    "a\\b",
    "\udcff",
    "auto",
    "Auto",
]


@pytest.mark.parametrize("name", USABLE)
def test_common_name_is_usable(name: str) -> None:
    assert fault_in_candidate(name) is None


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_name_is_refused_with_a_usable_suggestion(name: str) -> None:
    fault = fault_in_candidate(name)

    assert fault is not None
    suggestion = re.search(r"such as '(.+)'$", fault)
    assert suggestion is not None
    assert fault_in_candidate(suggestion[1]) is None


@pytest.mark.parametrize("name", [None, "", 7, float("nan"), b"a"])
def test_missing_name_is_refused(name: object) -> None:
    assert fault_in_candidate(name) == "a candidate needs a name"


def test_too_long_name_is_refused_with_its_length() -> None:
    assert "has 201 characters; shorten it to 200" in (fault_in_candidate("a" * 201) or "")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("two words", "two-words"),
        ("/a//b/", "a/b"),
        ("a/../b", "a/b"),
        ("a/b/c/d/e", "a/b/c/d-e"),
        ("???", "candidate"),
    ],
)
def test_suggestion_is_near_the_name(name: str, suggestion: str) -> None:
    assert suggest_candidate(name) == suggestion


@given(st.text(max_size=200))
def test_suggested_name_is_always_usable(name: str) -> None:
    assert fault_in_candidate(suggest_candidate(name)) is None


@given(st.text("ab ./-_é", max_size=60))
def test_suggested_name_is_usable_where_separators_abound(name: str) -> None:
    assert fault_in_candidate(suggest_candidate(name)) is None


def test_suggestion_for_a_long_name_is_usable() -> None:
    assert fault_in_candidate(suggest_candidate("two words " * 30)) is None


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,20}(/[A-Za-z0-9][A-Za-z0-9._:@+-]{0,20}){0,3}", fullmatch=True))
def test_name_of_the_grammar_is_usable(name: str) -> None:
    assert fault_in_candidate(name) is None
