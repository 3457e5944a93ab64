"""Words of prompts as vectors: prompts that share rare words are near each other."""

import numpy as np
import pytest

from modelsat.text import words

RIVER, SUM = [11, 12, 13], [21, 22, 23]
PROMPTS = [[1, *RIVER, 30 + i, 2] for i in range(10)] + [[1, *SUM, 40 + i, 2] for i in range(10)]


@pytest.fixture(scope="module")
def learned() -> words.Words:
    found = words.learn(PROMPTS)
    assert found is not None
    return found


def test_terms_are_tokens_and_pairs_of_neighbours_counted_by_their_logarithm() -> None:
    terms, weights = words.counted([7, 9, 7, 9])

    assert terms[:2].tolist() == [7, 9]
    # 7 and 9 twice, the pair (7, 9) twice, the pair (9, 7) once.
    np.testing.assert_allclose(sorted(weights), [1, *[1 + np.log(2)] * 3])


def test_prompts_with_the_same_words_are_alike_and_others_are_not(learned: words.Words) -> None:
    river, other, sums = learned([[1, *RIVER, 99, 2], [1, 98, *RIVER, 2], [1, *SUM, 97, 2]])

    assert river @ other > 0.9
    assert abs(river @ sums) < 0.5


def test_vectors_have_length_one_and_zero_where_no_term_is_known(learned: words.Words) -> None:
    found = learned([[1, *RIVER, 2], [500, 501, 502]])

    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0], atol=1e-6)


def test_no_vocabulary_without_a_term_in_two_prompts() -> None:
    assert words.learn([[1, 2], [3, 4]]) is None


def test_what_is_learned_does_not_depend_on_chance(learned: words.Words) -> None:
    again = words.learn(PROMPTS)

    assert again is not None
    np.testing.assert_array_equal(again.directions, learned.directions)


def test_number_of_terms_is_bounded_by_those_in_most_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MOST_TERMS", 2)

    found = words.learn([[1, 5, 2], [1, 6, 2], [1, 7, 2]])

    assert found is not None
    assert found.terms.tolist() == [1, 2]
