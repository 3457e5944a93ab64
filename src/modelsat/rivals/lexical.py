"""Lexical: the stack on word and character n-grams instead of an encoder's vectors; it needs no torch.

Texts become TF-IDF weights of words, pairs of words and short runs of characters, and these their leading singular
directions (latent semantic analysis; Deerwester et al., JASIS 1990).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from modelsat.errors import InputError
from modelsat.rivals import stack
from modelsat.rivals.rival import Labelled, PromptScorer

WIDTH = 256
_MOST_TERMS = 50_000
_FEW = 50
"""Of at most so many texts every term counts, of more only those that stand in two."""

Describe = Callable[[Sequence[str] | np.ndarray], np.ndarray]


def fit(train: Labelled, validation: Labelled) -> PromptScorer:
    """Fit the stack to lexical vectors; the vectors of the prompts are not read.

    Raises:
        InputError: The prompts come without texts.
    """
    describe = described(texts_of(train.joined(validation)))
    scorer = stack.fit(*(replace(part, vectors=describe(texts_of(part))) for part in (train, validation)))

    def score(vectors: np.ndarray, texts: Sequence[str] | np.ndarray | None = None, /) -> np.ndarray:  # noqa: ARG001
        return scorer(describe(given(texts)))

    return score


def given(texts: Sequence[str] | np.ndarray | None) -> Sequence[str] | np.ndarray:
    """Return the texts of prompts to score.

    Raises:
        InputError: There are none.
    """
    if texts is None:
        raise InputError("a rival that reads texts was asked to score vectors alone; give it the prompts' texts")
    return texts


def texts_of(part: Labelled) -> np.ndarray:
    """Return the texts of labelled prompts.

    Raises:
        InputError: There are none.
    """
    if part.texts is None:
        raise InputError("a rival that reads texts was given prompts without texts; set `Labelled.texts`")
    return part.texts


def described(texts: np.ndarray) -> Describe:
    """Learn which terms there are, and return a function from texts to float32 unit vectors (texts, at most 256).

    Args:
        texts: Training prompts; their outcomes are not used.
    """
    from scipy.sparse import hstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    rare = 2 if len(texts) > _FEW else 1
    shared = {"sublinear_tf": True, "max_features": _MOST_TERMS, "min_df": rare}
    readers = [
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\w+|[^\w\s]", **shared),  # noqa: S106
        TfidfVectorizer(ngram_range=(2, 4), analyzer="char_wb", **shared),
    ]
    counted = hstack([reader.fit_transform(texts) for reader in readers]).tocsr()
    reduce = TruncatedSVD(max(1, min(WIDTH, *(size - 1 for size in counted.shape))), n_iter=3, random_state=0)
    reduce.fit(counted)

    def describe(asked: Sequence[str] | np.ndarray) -> np.ndarray:
        terms = hstack([reader.transform(asked) for reader in readers]).tocsr()
        return np.asarray(normalize(reduce.transform(terms)), dtype=np.float32)

    return describe
