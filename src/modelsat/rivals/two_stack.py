"""Two stacks: the mean of the stack on an encoder's vectors and the stack on words and characters."""

from collections.abc import Sequence

import numpy as np

from modelsat.rivals import lexical, stack
from modelsat.rivals.rival import Labelled, PromptScorer, on_last_layer


def fit(train: Labelled, validation: Labelled) -> PromptScorer:
    """Fit both.

    Raises:
        InputError: The prompts come without texts.
    """
    members = [on_last_layer(stack.fit)(train, validation), lexical.fit(train, validation)]

    def score(vectors: np.ndarray, texts: Sequence[str] | np.ndarray | None = None, /) -> np.ndarray:
        return np.mean([member(vectors, texts) for member in members], axis=0)

    return score
