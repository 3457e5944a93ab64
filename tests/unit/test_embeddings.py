"""Prompt vectors are computed once."""

from pathlib import Path

import numpy as np
import pytest

from modelsat.text import embeddings, encoder


def test_vectors_that_are_kept_are_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = embeddings.vectors(["What is 2 + 2?", "Spell cat."], tmp_path)
    monkeypatch.setattr(encoder.Encoder, "encode", lambda *_: pytest.fail("encoded again"))

    again = embeddings.vectors(["What is 2 + 2?", "Spell cat."], tmp_path)

    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert len(list(tmp_path.iterdir())) == 1


def test_other_texts_have_other_vectors(tmp_path: Path) -> None:
    first = embeddings.vectors(["What is 2 + 2?"], tmp_path)
    other = embeddings.vectors(["What is 2 + 3?"], tmp_path)

    assert np.abs(first - other).max() > 0
    assert len(list(tmp_path.iterdir())) == 2
