"""Training shared by the neural rivals: masked loss on whole rows; the number of epochs is chosen by validation loss.

The network is then trained again, from the same start and for that many epochs, on training and validation prompts.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from modelsat.rivals.rival import Labelled, Scorer

Make = Callable[[int, int], nn.Module]
"""Makes a network from (width, candidates); it predicts log-odds of success from vectors."""


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes:
        epochs: At most.
        rate: Of AdamW.
        batch: Prompts per step.
        decay: Of the weights.
        noise: Standard deviation of Gaussian noise on the vectors while training.
    """

    epochs: int
    rate: float
    batch: int = 256
    decay: float = 0.0
    noise: float = 0.0


def train_head(make: Make, train: Labelled, validation: Labelled, schedule: Schedule) -> Scorer:
    """Choose the number of epochs on validation prompts, then train on all prompts for that long."""
    epochs, _ = stopped(make, train, validation, schedule)
    return trained(make, train.joined(validation), schedule, epochs)


def stopped(make: Make, train: Labelled, validation: Labelled, schedule: Schedule) -> tuple[int, Scorer]:
    """Return the number of epochs, from 1, after which validation log-loss is least, and the network of that time."""
    held_out = torch.from_numpy(validation.vectors), torch.from_numpy(validation.outcomes)
    tried: list[tuple[float, int, nn.Module]] = []

    def watch(epoch: int, network: nn.Module) -> None:
        loss = float(_loss(network(held_out[0]), held_out[1]))
        if not tried or loss < tried[0][0]:
            tried[:] = [(loss, epoch, copy.deepcopy(network))]

    _run(make, train, schedule, schedule.epochs, watch)
    _, epochs, network = tried[0]
    return epochs, _scorer(network)


def trained(make: Make, known: Labelled, schedule: Schedule, epochs: int) -> Scorer:
    """Train a network for a number of epochs."""
    return _scorer(_run(make, known, schedule, epochs, lambda *_: None))


def _run(
    make: Make, known: Labelled, schedule: Schedule, epochs: int, watch: Callable[[int, nn.Module], None]
) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make(known.vectors.shape[1], known.outcomes.shape[1])
        optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=schedule.decay)
        inputs, targets = torch.from_numpy(known.vectors), torch.from_numpy(known.outcomes)
        for epoch in range(1, epochs + 1):
            network.train()
            for rows in torch.split(torch.randperm(len(inputs), generator=generator), schedule.batch):
                drawn = inputs[rows]
                if schedule.noise:
                    drawn = drawn + schedule.noise * torch.randn(drawn.shape, generator=generator)
                optimiser.zero_grad()
                _loss(network(drawn), targets[rows]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            network.eval()
            with torch.no_grad():
                watch(epoch, network)
    return network


def _scorer(network: nn.Module) -> Scorer:
    def score(vectors: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.sigmoid(network(torch.from_numpy(vectors))).numpy()

    return score


def _loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    asked = ~torch.isnan(targets)
    losses = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets), reduction="none")
    return (losses * asked).sum() / asked.sum().clamp(min=1)
