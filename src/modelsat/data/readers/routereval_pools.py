"""The pools of one data set of RouterEval: a `*_router_dataset.pkl`, as Huang et al. published it (arXiv 2503.10657).

A file holds the prompts of one benchmark in three splits, and for every number m of candidates three pools of m, which
were all run on all prompts. The published pools were chosen by the best possible choice on all prompts, test included.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modelsat.data import splits
from modelsat.data.readers import restricted_pickle
from modelsat.errors import InputError

FILE = re.compile(r"(?P<name>.+)_router_dataset\.pkl")
SETTINGS = ("easy", "hard")
SPLITS = {splits.TRAIN: "train", splits.VALIDATION: "val", splits.TEST: "test"}


@dataclass(frozen=True)
class Prompts:
    """The n prompts of one split.

    Attributes:
        positions: Where each stands in its benchmark, whole numbers (n,).
        texts: What was asked, length n.
        vectors: Prompt vectors of mean RoBERTa states as published, float32 (n, 768), not of unit length.
    """

    positions: np.ndarray
    texts: list[str]
    vectors: np.ndarray


@dataclass(frozen=True)
class RouterEvalPool:
    """Candidates that a router chooses from.

    Attributes:
        kind: `all_strong`, `all_weak` or `strong_to_weak`.
        candidates: Their m names, in the order of the columns.
        scores: By split, float32 (prompts, m).
    """

    kind: str
    candidates: tuple[str, ...]
    scores: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Dataset:
    """One file.

    Attributes:
        name: Of the benchmark, such as `gsm8k`.
        prompts: By split.
        pools: Smaller pools first.
    """

    name: str
    prompts: Mapping[str, Prompts]
    pools: tuple[RouterEvalPool, ...]


def read(path: Path) -> Dataset:
    """Read one file.

    Raises:
        InputError: The file is damaged, asks for anything but arrays, or has another layout.
    """
    match = FILE.fullmatch(path.name)
    content = restricted_pickle.load(path)
    where = _Place(path, content)
    prompts = {split: _prompts(where, key) for split, key in SPLITS.items()}
    pools = sorted(_pools(where, prompts), key=lambda pool: len(pool.candidates))
    if not pools:
        raise InputError(f"{str(path)!r} has no pools in 'easy' or 'hard'; copy it again from its source")
    return Dataset(match["name"] if match else path.stem, prompts, tuple(pools))


@dataclass(frozen=True)
class _Place:
    """A value in the file and the keys that lead to it, for messages."""

    path: Path
    value: object
    keys: tuple[object, ...] = ()

    def __getitem__(self, key: object) -> "_Place":
        if not isinstance(self.value, dict) or key not in self.value:
            raise self.fault(f"has no {key!r}")
        return _Place(self.path, self.value[key], (*self.keys, key))

    def keys_below(self) -> list[object]:
        if not isinstance(self.value, dict):
            raise self.fault("holds no keys")
        return list(self.value)

    def texts(self) -> list[str]:
        found = self.value.tolist() if isinstance(self.value, np.ndarray) else self.value
        if not isinstance(found, list | tuple) or not all(isinstance(text, str) for text in found):
            raise self.fault("is no list of texts")
        if not all(map(_is_unicode, found)):
            raise self.fault("holds a text that is no Unicode")
        return [str(text) for text in found]

    def numbers(self, kind: type, *shape: int) -> np.ndarray:
        """Return the value as an array of this shape; -1 allows any length."""
        try:
            found: np.ndarray = np.asarray(self.value).astype(kind)
        except (TypeError, ValueError, OverflowError) as error:
            raise self.fault("is no array of numbers") from error
        if found.ndim != len(shape) or any(n not in (-1, m) for n, m in zip(shape, found.shape, strict=True)):
            raise self.fault(f"has the shape {found.shape}, expected {shape}")
        return found

    def fault(self, what: str) -> InputError:
        keys = "".join(f"[{key!r}]" for key in self.keys)
        return InputError(f"{str(self.path)!r}{keys} {what}; copy it again from its source")


def _is_unicode(text: str) -> bool:
    """Say whether a text holds characters alone: numpy makes texts of damaged arrays that Python itself refuses."""
    try:
        return text.encode().decode() == text
    except (UnicodeError, SystemError):
        return False


def _prompts(where: _Place, key: str) -> Prompts:
    texts = where["prompt"][f"{key}_prompt"].texts()
    positions = where["split_index"][f"{key}_indices"].numbers(np.int64, len(texts))
    return Prompts(positions, texts, where["embedding"][f"{key}_embed"].numbers(np.float32, len(texts), -1))


def _pools(where: _Place, prompts: Mapping[str, Prompts]) -> Iterator[RouterEvalPool]:
    for setting in (key for key in where.keys_below() if key in SETTINGS):
        for size in where[setting].keys_below():
            for kind in where[setting][size].keys_below():
                pool = where[setting][size][kind]
                names = tuple(pool["model"].texts())
                scores = {
                    split: pool["data"][f"{key}_score"].numbers(np.float32, len(prompts[split].texts), len(names))
                    for split, key in SPLITS.items()
                }
                yield RouterEvalPool(str(kind), names, scores)
