"""MLP: one network with a head per candidate, in the shape of RouterEval's.

Source: Huang et al., RouterEval, Findings of EMNLP 2025, arXiv 2503.10657 (baseline MLPR).
"""

from torch import nn

from modelsat.rivals.neural import Schedule, train_head
from modelsat.rivals.rival import Labelled, Scorer


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit for as many epochs as validation loss asks for."""
    return train_head(_network, train, validation, Schedule(epochs=60, rate=1e-3, decay=1e-2))


def _network(width: int, candidates: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(width, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, candidates)
    )
