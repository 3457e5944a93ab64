"""Reads prompts by their words alone, without a language model: the tokenizer's ids, and what `Words` makes of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from modelsat.errors import InputError
from modelsat.text import prompt_window
from modelsat.text.words import Words


class WordTokenizer:
    """The tokenizer of a language model, without the package that runs language models.

    Args:
        folder: With the `tokenizer.json` of a language model.

    Raises:
        InputError: The folder holds none that can be read.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        # The package raises nothing more definite.
        except Exception as error:
            raise InputError(f"{str(file)!r} is no tokenizer ({error}); copy the bundle or backbone again") from error
        # The file also says how a batch is cut and filled up for training.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def __call__(self, texts: Sequence[str], **options: Any) -> dict[str, list[list[int]]]:  # noqa: ARG002
        """Return the token ids of texts, special tokens included, in the form that `prompt_window` asks for."""
        return {"input_ids": [one.ids for one in self._tokenizer.encode_batch(list(texts))]}


class WordsReader:
    """Turns prompts into the vectors of their words.

    Args:
        folder: Backbone whose tokenizer cuts the prompts; its weights are not read.
        max_tokens: Longer texts are cut in the middle (`prompt_window`).
        words: What is known of the terms.
    """

    def __init__(self, folder: Path, max_tokens: int, words: Words) -> None:
        self.folder = folder
        self.max_tokens = max_tokens
        self.words = words
        self.tokenizer = WordTokenizer(folder)

    def read(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> tuple[np.ndarray, list[list[int]]]:
        """Return float32 vectors (n, 1, width), of length 1 or 0, of n prompts, and the token ids of each."""
        tokens = prompt_window.token_ids(self.tokenizer, texts, self.max_tokens)
        vectors = self.words(tokens)[:, None]
        if progress is not None:
            progress(len(texts), len(texts))
        return vectors, tokens

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Return which texts are longer than the window, as a boolean array (n,)."""
        return prompt_window.truncated(self.tokenizer, texts, self.max_tokens)
