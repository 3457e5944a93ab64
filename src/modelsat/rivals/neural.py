"""Training shared by the neural rivals: masked loss on whole rows, early stopping on validation loss."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from modelsat.rivals.rival import Labelled, Scorer


def train_head(
    make: Callable[[int, int], nn.Module],
    train: Labelled,
    validation: Labelled,
    epochs: int,
    batch: int,
    rate: float,
    decay: float = 0.0,
    noise: float = 0.0,
) -> Scorer:
    """Train a network from vectors to log-odds of success.

    Args:
        make: Makes it from (width, candidates).
        train: Prompts with outcomes.
        validation: Prompts by whose log-loss the epoch is chosen.
        epochs: At most.
        batch: Prompts per step.
        rate: Of AdamW.
        decay: Of the weights.
        noise: Standard deviation of Gaussian noise on the vectors while training.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make(train.vectors.shape[1], train.outcomes.shape[1])
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
        inputs, targets = torch.from_numpy(train.vectors), torch.from_numpy(train.outcomes)
        held_out = torch.from_numpy(validation.vectors), torch.from_numpy(validation.outcomes)
        least, chosen = float("inf"), copy.deepcopy(network.state_dict())
        for _ in range(epochs):
            network.train()
            for rows in torch.split(torch.randperm(len(inputs), generator=generator), batch):
                drawn = inputs[rows]
                if noise:
                    drawn = drawn + noise * torch.randn(drawn.shape, generator=generator)
                optimiser.zero_grad()
                _loss(network(drawn), targets[rows]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            network.eval()
            with torch.no_grad():
                loss = float(_loss(network(held_out[0]), held_out[1]))
            if loss < least:
                least, chosen = loss, copy.deepcopy(network.state_dict())
        network.load_state_dict(chosen)
        network.eval()

    def score(vectors: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.sigmoid(network(torch.from_numpy(vectors))).numpy()

    return score


def _loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    asked = ~torch.isnan(targets)
    losses = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets), reduction="none")
    return (losses * asked).sum() / asked.sum().clamp(min=1)
