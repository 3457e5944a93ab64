"""Routers of every kind behind one interface; evaluation, registry, gate and serving use only this interface."""

from modelsat.routers.router import Router, Tensors

__all__ = ["Router", "Tensors"]
