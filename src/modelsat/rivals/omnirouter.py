"""OmniRouter's predictor: a trained head mixed with retrieved history; `assignment` spends a budget.

Source: Mei et al., OmniRouter, SIGKDD Explorations 27(2), 2025, arXiv 2502.20576 (hybrid predictor).

Settings are those of ORBIT's re-implementation: linear heads on the encoder, 50 neighbours, 0.6 on the trained half. A
candidate without history gets its overall level.
"""

import numpy as np
from torch import nn

from modelsat.rivals.knn import nearest
from modelsat.rivals.neural import Schedule, train_head
from modelsat.rivals.rival import Labelled, Scorer

NEIGHBOURS, TRAINED_SHARE = 50, 0.6


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit both halves."""
    trained = train_head(nn.Linear, train, validation, Schedule(epochs=50, rate=3e-3, decay=1e-6))
    retrieved = nearest(NEIGHBOURS, train.joined(validation))

    def score(vectors: np.ndarray) -> np.ndarray:
        return TRAINED_SHARE * trained(vectors) + (1 - TRAINED_SHARE) * retrieved(vectors)

    return score
