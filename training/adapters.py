"""LoRA on the upper layers of the network: put in before training, merged away before anything is served."""

from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from modelsat.network import Network

TARGETS = ("query", "value")


def inject(network: Network, rank: int, seed: int) -> None:
    """Put adapters on the attention of the upper layers and freeze the rest of the language model."""
    network.embeddings.requires_grad_(False)
    network.lower.requires_grad_(False)
    network.upper.requires_grad_(False)
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=list(TARGETS))
    inject_adapter_in_model(config, network.upper)


def merged(network: Network) -> Network:
    """Fold every adapter into the layer it sits on; the network then is one that knows nothing of adapters."""
    for layer in network.upper.modules():
        for name, child in list(layer.named_children()):
            if isinstance(child, LoraLayer):
                child.merge()
                setattr(layer, name, _base(child))
    return network


def _base(layer: Any) -> nn.Module:
    base: nn.Module = layer.get_base_layer()
    return base
