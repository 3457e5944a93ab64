"""Which mix of candidates the evaluation lets expect, and how far another one is from it."""

import numpy as np
import pytest

from modelsat.challenger import chosen_mix


def test_mix_counts_the_choices_and_leaves_out_prompts_that_no_candidate_reads() -> None:
    found = chosen_mix.shares(np.asarray([0, 1, 1, 0, -1]), ["a", "b", "c"])

    assert found == {"a": 0.5, "b": 0.5, "c": 0.0}
    assert chosen_mix.shares(np.asarray([-1]), ["a"]) == {"a": 0.0}


def test_distance_is_the_share_of_choices_that_differ() -> None:
    assert chosen_mix.distance({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}) == 0
    assert chosen_mix.distance({"a": 1.0}, {"b": 1.0}) == 1
    assert chosen_mix.distance({"a": 0.7, "b": 0.3}, {"a": 0.5, "c": 0.5}) == pytest.approx(0.5)
