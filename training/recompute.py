"""Activation checkpointing: layers forget what they computed, and compute it again when the gradient needs it."""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer


def recompute(model: nn.Module) -> None:
    """Let every transformer layer of a model keep nothing but its input."""
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.gradient_checkpointing = True
            layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
            # Only a layer that trains is recomputed; what is in it, dropout above all, stays as it is.
            layer.training = True
