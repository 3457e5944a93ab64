"""Learns the core of prompts from training prompts, bare and in synthetic wrappers."""

from collections.abc import Sequence

import numpy as np

from modelsat.text.core import Core
from modelsat.text.encoder import Encoder
from modelsat.text.wrapped import wrap

WRAPPED, BARE = 300, 300
"""Training prompts that are read once more, which bounds the time."""
LEAST_PROMPTS = 50
_INVERSE_PENALTY = 0.3
_CAUTION = 0.5
"""Log-odds that a segment has to show beyond even ones to be taken for a part of the question.

Wrappers of other words look more like questions than those that are learned from: of sentences that were left out of
learning, least are misjudged there.
"""


def learn(encoder: Encoder, texts: Sequence[str], seed: int = 0) -> Core | None:
    """Fit the classifier of segments; None for fewer than 50 prompts.

    Args:
        encoder: Reads the prompts.
        texts: Training prompts.
        seed: Of which prompts are taken and how they are wrapped.
    """
    from sklearn.linear_model import LogisticRegression

    if len(texts) < LEAST_PROMPTS:
        return None
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(texts))
    half = len(order) // 2
    wrapped = [wrap(texts[i], rng) for i in order[:half][:WRAPPED]]
    bare = [texts[i] for i in order[half:][:BARE]]
    documents = encoder.segmented([one.text for one in wrapped] + bare)
    spans = [(one.start, one.end) for one in wrapped] + [(0, len(text)) for text in bare]
    centre = np.mean([one.states.mean(axis=0) for one in documents], axis=0)
    features = np.concatenate([one.features(centre)[one.tokens > 0] for one in documents])
    inside = [
        ((one.starts >= start) & (one.starts < end))[one.tokens > 0]
        for one, (start, end) in zip(documents, spans, strict=True)
    ]
    labels = np.concatenate(inside)
    if labels.all():
        return None
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=300, class_weight="balanced").fit(features, labels)
    parts = (centre, model.coef_[0], model.intercept_ - _CAUTION)
    return Core(*(np.asarray(part, dtype=np.float32) for part in parts))
