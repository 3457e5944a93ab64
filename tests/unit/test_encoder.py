"""Texts to unit vectors, read as Model-SAT reads them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modelsat.errors import InputError
from modelsat.text import prompt_window
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import Encoder, thirds

LONG = "Once upon a time " + "the river ran on and on " * 20 + "who came to the door at last?"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(default_backbone(), max_tokens=16)


def test_vectors_have_length_one(encoder: Encoder) -> None:
    vectors = encoder.encode(["What is 17 * 23?", LONG])

    assert vectors.dtype == np.float32
    assert vectors.shape == (2, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1])


def test_no_text_gives_no_vector(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_company_does_not_change_a_vector(encoder: Encoder) -> None:
    alone, beside = encoder.encode(["Spell 'rhythm'"])[0], encoder.encode([LONG, "Spell 'rhythm'"])[1]

    assert beside == pytest.approx(alone, abs=1e-6)


def test_of_a_long_text_beginning_and_end_are_read(encoder: Encoder) -> None:
    ids = encoder.tokenizer(LONG)["input_ids"]
    read = torch.tensor([[*ids[:8], *ids[-8:]]])
    with torch.inference_mode():
        mean = encoder.model(input_ids=read).last_hidden_state[0].mean(0).numpy()

    assert encoder.encode([LONG])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert encoder.encode([LONG.replace("last", "noon")])[0] != pytest.approx(encoder.encode([LONG])[0])


def test_layers_stand_side_by_side_each_of_length_one(encoder: Encoder) -> None:
    texts = ["What is 17 * 23?", LONG, "Spell 'rhythm'"]

    vectors = Encoder(default_backbone(), 16, layers=(2, 4, 6)).encode(texts)

    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=2), 1.0, rtol=1e-5)
    np.testing.assert_allclose(vectors[:, 2], encoder.encode(texts), atol=1e-6)
    assert np.abs(vectors[:, 0] - vectors[:, 1]).max() > 0.01


def test_early_layer_is_read_where_it_stands(encoder: Encoder) -> None:
    ids = torch.tensor([encoder.tokenizer("Spell 'rhythm'")["input_ids"]])
    with torch.inference_mode():
        states = encoder.model.encoder.layer[0](encoder.model.embeddings(input_ids=ids))
    mean = states[0].mean(0).numpy()

    (vector,) = Encoder(default_backbone(), 16, layers=[1]).encode(["Spell 'rhythm'"])

    assert vector[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_no_text_gives_no_vector_of_any_layer() -> None:
    assert Encoder(default_backbone(), layers=(3, 6)).encode([]).shape == (0, 2, 384)


@pytest.mark.parametrize(
    ("layers", "chosen"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (6, (2, 4, 6)), (12, (4, 8, 12))]
)
def test_a_prompt_is_described_after_every_third_of_the_layers(layers: int, chosen: tuple[int, ...]) -> None:
    assert thirds(layers) == chosen


def test_texts_that_are_cut_are_told(encoder: Encoder) -> None:
    # A word is a token, and two mark the ends.
    assert encoder.truncated(["word " * 14, "word " * 15, ""]).tolist() == [False, True, False]


def test_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no"):
        Encoder(tmp_path)


def test_text_that_is_cut_before_it_is_tokenised_is_never_tokenised_whole(encoder: Encoder) -> None:
    """Looking for the segments of a prompt must not undo the bound on its characters."""
    seen: list[int] = []
    tokenizer = encoder.tokenizer

    class Recording:
        def __call__(self, texts: list[str], **options: object) -> object:
            seen.extend(map(len, texts))
            return tokenizer(texts, **options)

        def __getattr__(self, name: str) -> object:
            return getattr(tokenizer, name)

    encoder.tokenizer = Recording()
    most = prompt_window.most_characters(encoder.max_tokens)
    encoder.segmented(["One sentence. " * most, "Short. Two sentences."])

    assert max(seen) <= most
