"""Words are read as training reads them, by the tokenizer's own package alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.errors import InputError
from modelsat.text import prompt_window
from modelsat.text import words as learned_words
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import load_tokenizer
from modelsat.text.words_reader import WordsReader, WordTokenizer

LONG = "\n\n".join(f"Paragraph {i} of a long report." for i in range(400))


@pytest.fixture(scope="module")
def tokenizers() -> tuple[WordTokenizer, object]:
    return WordTokenizer(default_backbone()), load_tokenizer(default_backbone())


@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_token_ids_are_those_of_the_language_model(tokenizers: tuple[WordTokenizer, object], texts: list[str]) -> None:
    light, heavy = tokenizers

    assert prompt_window.token_ids(light, texts, 16) == prompt_window.token_ids(heavy, texts, 16)


def test_document_is_cut_at_the_same_place(tokenizers: tuple[WordTokenizer, object]) -> None:
    light, heavy = tokenizers

    assert prompt_window.token_ids(light, [LONG], 64) == prompt_window.token_ids(heavy, [LONG], 64)


def test_prompt_of_known_words_has_a_vector_of_length_1_and_one_of_none_has_length_0() -> None:
    tokenizer = WordTokenizer(default_backbone())
    words = learned_words.learn(prompt_window.token_ids(tokenizer, ["add one", "add two", "add one", "sing"], 64))
    assert words is not None
    reader = WordsReader(default_backbone(), 8, words)

    vectors, tokens = reader.read(["add one", "", LONG])

    assert vectors.shape[:2] == (3, 1)
    assert np.linalg.norm(vectors[0, 0]) == pytest.approx(1.0, abs=1e-5)
    assert [len(ids) for ids in tokens] == [4, 2, 8]
    assert reader.truncated(["add one", LONG]).tolist() == [False, True]


def test_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json' is no tokenizer"):
        WordTokenizer(tmp_path)
