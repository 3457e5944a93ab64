"""LoRA on the attention of a language model: put in before training, merged away before anything is served."""

from typing import Any, TypeVar

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from modelsat.routers.model_sat.network import Network

# As BERT and its kin, Llama and its kin, and Phi-3 call the projections of query and value.
TARGETS = ("query", "value", "q_proj", "v_proj", "qkv_proj")

Model = TypeVar("Model", bound=nn.Module)


def inject(network: Network, rank: int, seed: int) -> None:
    """Let the upper layers learn as `adapt` does and freeze the rest of the language model."""
    network.embeddings.requires_grad_(False)
    network.lower.requires_grad_(False)
    adapt(network.upper, rank, seed)


def adapt(model: nn.Module, rank: int, seed: int) -> None:
    """Freeze a model and put adapters on its attention; with a rank of 0 there are none and all of it learns."""
    model.requires_grad_(rank == 0)
    if rank > 0:
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=list(TARGETS))
        inject_adapter_in_model(config, model)


def merged(model: Model) -> Model:
    """Fold every adapter into the layer it sits on; the model then is one that knows nothing of adapters."""
    for layer in model.modules():
        for name, child in list(layer.named_children()):
            if isinstance(child, LoraLayer):
                child.merge()
                setattr(layer, name, _base(child))
    return model


def _base(layer: Any) -> nn.Module:
    base: nn.Module = layer.get_base_layer()
    return base
