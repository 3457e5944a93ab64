"""Fusion and the simple members beside it, as the challenger mixes them, behind the interface of the rivals."""

from collections.abc import Sequence

import numpy as np

from modelsat.rivals import lexical
from modelsat.rivals.rival import Labelled, PromptScorer
from modelsat.routers.fusion import members
from modelsat.text import embeddings
from modelsat.text import words as learned_words
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import load_tokenizer
from modelsat.text.prompt_window import token_ids


def fit(train: Labelled, validation: Labelled) -> PromptScorer:
    """Fit to training and validation prompts; weights come from predictions without each prompt's quarter.

    Raises:
        InputError: The prompts come without texts.
    """
    known = train.joined(validation)
    texts = lexical.texts_of(known)
    tokenizer = load_tokenizer(default_backbone())
    tokens = token_ids(tokenizer, list(texts), embeddings.MAX_TOKENS)
    words = learned_words.learn(tokens)
    worded = None if words is None else words(tokens)
    said = members.cross_fitted(known.vectors, worded, known.outcomes, known.tasks, list(texts))
    weights = members.weigh(said, known.outcomes)
    surface, beside = members.fit(known.vectors, worded, known.outcomes, known.tasks, weights, words)

    def score(vectors: np.ndarray, texts: Sequence[str] | np.ndarray | None = None, /) -> np.ndarray:
        read = token_ids(tokenizer, list(lexical.given(texts)), embeddings.MAX_TOKENS)
        return members.mixed(beside.say(surface, vectors, read), weights)

    return score
