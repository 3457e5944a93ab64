"""A layer that forgets is run twice and learns the same."""

from collections.abc import Callable

import torch

from modelsat.routers.model_sat.network import Network, Shape
from training.recompute import recompute

SHAPE = Shape(tasks=4, capability_width=5, entry_layer=1)


def learn(network: Network) -> tuple[int, list[torch.Tensor]]:
    """Return how often a layer's attention ran, and the gradients of the upper layers."""
    ran: list[object] = []
    for layer in network.upper:
        layer.attention.register_forward_hook(lambda *_: ran.append(1))
    generator = torch.manual_seed(0)
    states, capability = torch.randn(2, 6, 32, generator=generator), torch.randn(3, 5, generator=generator)
    network(states, torch.ones(2, 6, dtype=torch.long), capability).square().sum().backward()
    return len(ran), [value.grad for value in network.upper.parameters()]


def test_layers_run_again_for_the_gradient_and_learn_the_same(make_network: Callable[..., Network]) -> None:
    kept, forgotten = make_network(SHAPE), make_network(SHAPE)
    recompute(forgotten.upper)

    (once, expected), (twice, found) = learn(kept), learn(forgotten)

    assert (once, twice) == (2, 4)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_dropouts_of_a_layer_that_forgets_stay_as_they_are(make_network: Callable[..., Network]) -> None:
    network = make_network(SHAPE)

    recompute(network.upper)

    dropouts = [part for part in network.modules() if isinstance(part, torch.nn.Dropout)]
    assert dropouts
    assert not any(part.training for part in dropouts)
