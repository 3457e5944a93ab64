"""EmbedLLM: a vector per candidate, multiplied into a projection of the prompt (Zhuang et al., ICLR 2025)."""

import torch
from torch import nn

from modelsat.rivals.neural import Schedule, train_head
from modelsat.rivals.rival import Labelled, Scorer

WIDTH, NOISE = 232, 0.05


def fit(train: Labelled, validation: Labelled) -> Scorer:
    """Fit for as many epochs as validation loss asks for.

    The paper's noise of 0.05 is per coordinate of vectors of length 1 and width 768; here it is scaled to the width.
    """
    noise = NOISE * (768 / train.vectors.shape[1]) ** 0.5
    return train_head(Factors, train, validation, Schedule(epochs=50, rate=1e-3, noise=noise))


class Factors(nn.Module):
    """P(correct) = softmax(W2 (p_m * (W1 e + b)))_1, whose two logits are one difference here.

    Args:
        width: Of the prompt vectors.
        candidates: Their number.
    """

    def __init__(self, width: int, candidates: int) -> None:
        super().__init__()
        self.prompt = nn.Linear(width, WIDTH)
        self.candidate = nn.Embedding(candidates, WIDTH)
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return log-odds (prompts, candidates)."""
        return self.prompt(vectors) * self.head.weight @ self.candidate.weight.T + self.head.bias
