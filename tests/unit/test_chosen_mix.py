"""Which mix of candidates the evaluation lets expect, and how far another one is from it."""

import numpy as np
import pytest

from modelsat.challenger import chosen_mix
from modelsat.challenger.joint import prediction_rows


def test_expected_mix_counts_the_choices_on_held_out_prompts() -> None:
    """`b` wins twice, once by the tie; nobody ever chooses `c`."""
    said = np.asarray([[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.5, 0.5, 0.1], [0.6, 0.1, 0.5]], dtype=np.float32)
    ids = [f"p{i}" for i in range(4)]
    rows = prediction_rows("challenger", said, ids, "digest")

    assert chosen_mix.expected(rows, "challenger", ["a", "b", "c"], {"a": 0.4, "b": 0.6}) == {
        "a": 0.5,
        "b": 0.5,
        "c": 0.0,
    }
    assert chosen_mix.expected(rows, "another", ["a", "b", "c"], {}) == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_distance_is_the_share_of_choices_that_differ() -> None:
    assert chosen_mix.distance({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}) == 0
    assert chosen_mix.distance({"a": 1.0}, {"b": 1.0}) == 1
    assert chosen_mix.distance({"a": 0.7, "b": 0.3}, {"a": 0.5, "c": 0.5}) == pytest.approx(0.5)
