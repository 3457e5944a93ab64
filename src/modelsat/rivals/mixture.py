"""Fusion and the simple members beside it, as the challenger mixes them, behind the interface of the rivals.

Candidates with few answers are placed on the surface, which alone speaks of them.
"""

from collections.abc import Sequence

import numpy as np

from modelsat.policy import choice
from modelsat.rivals import fusion, lexical
from modelsat.rivals.remembered import Remembered
from modelsat.rivals.rival import Labelled, PromptScorer
from modelsat.routers.fusion import members
from modelsat.routers.fusion.members import Beside
from modelsat.routers.fusion.surface import Surface
from modelsat.text import embeddings
from modelsat.text import words as learned_words
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import load_tokenizer
from modelsat.text.prompt_window import token_ids


def fit(train: Labelled, validation: Labelled) -> PromptScorer:
    """Fit to training and validation prompts; weights come from predictions without each prompt's quarter.

    Scores are probabilities less the uncertainty margins of new candidates.

    Raises:
        InputError: The prompts come without texts.
    """
    known = train.joined(validation)
    zoo, late = fusion.zoo_and_late(known.outcomes)
    of_zoo, beside = fitted(known.of(zoo))
    surface, order = fusion.placed(of_zoo, known, zoo, late), np.argsort(np.concatenate([zoo, late]))

    def score(vectors: np.ndarray, texts: Sequence[str] | np.ndarray | None = None, /) -> np.ndarray:
        said = beside.say(surface, vectors, tokens_of(lexical.given(texts)))
        return choice.assured(members.mixed(said, beside.weights), surface.doubt)[:, order]

    return score


def _fit(known: Labelled) -> tuple[Surface, Beside]:
    texts = lexical.texts_of(known)
    tokens = tokens_of(texts)
    words = learned_words.learn(tokens)
    worded = None if words is None else words(tokens)
    said = members.cross_fitted(known.vectors, worded, known.outcomes, known.tasks, list(texts))
    weights = members.weigh(said, known.outcomes)
    return members.fit(known.vectors, worded, known.outcomes, known.tasks, weights, words)


fitted = Remembered(_fit)
"""Surface and members of a zoo, by its prompts."""


def tokens_of(texts: Sequence[str] | np.ndarray) -> list[list[int]]:
    """Return the tokens of prompts as members read them."""
    return token_ids(load_tokenizer(default_backbone()), list(texts), embeddings.MAX_TOKENS)
