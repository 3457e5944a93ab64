"""Of a long prompt the beginning and the end are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.prompt_window import window


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
